-- page: session
-- title: Turns of the session
-- about: A turn is a prompt and what follows until the next one.
-- models: marts.fct_turns
SELECT *
FROM marts.fct_turns
WHERE session_id = $session
ORDER BY turn_number
LIMIT $limit OFFSET $offset
