-- page: sessions
-- title: Running now
-- about: Sessions whose newest record is less than 15 minutes older than the newest of all, by the data's clock. A record dated more than five minutes after the
-- about: service's clock is of a clock that is wrong: it says neither what is now nor that its session runs. running is how many had a record in the last 15 minutes.
-- models: marts.dim_sessions
WITH past AS (
    SELECT * FROM marts.dim_sessions WHERE session_end <= now() + INTERVAL 5 MINUTE
)
SELECT session_id, title, project_id, session_start, session_end, message_count, tool_call_count, tool_pending_count, total_tokens,
    count(*) FILTER (WHERE session_end > now() - INTERVAL 15 MINUTE) OVER () AS running
FROM past
WHERE session_end > (SELECT max(session_end) FROM past) - INTERVAL 15 MINUTE AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id))
ORDER BY session_end DESC, session_id
LIMIT $limit OFFSET $offset
