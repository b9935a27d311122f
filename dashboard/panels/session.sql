-- page: session
-- title: One session
-- about: Everything that dim_sessions knows of the session.
-- models: marts.dim_sessions
SELECT *
FROM marts.dim_sessions
WHERE session_id = $session
