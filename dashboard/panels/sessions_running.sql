-- page: sessions
-- title: Running now
-- about: Sessions whose newest record is less than 15 minutes older than the newest of all; by the data's clock, not the reader's.
-- models: marts.dim_sessions
SELECT session_id, title, project_id, session_start, session_end, message_count, tool_call_count, tool_pending_count, total_tokens
FROM marts.dim_sessions
WHERE session_end > (SELECT max(session_end) FROM marts.dim_sessions) - INTERVAL 15 MINUTES AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id))
ORDER BY session_end DESC, session_id
LIMIT $limit OFFSET $offset
