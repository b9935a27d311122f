-- page: session
-- title: What happened
-- about: Messages and tool calls of the session in order, sub-agents included; texts are in the live database only.
-- models: marts.fct_messages, marts.fct_tool_calls
WITH steps AS (
    SELECT created_at, completed_at, 'message' AS kind, role, message_kind AS what, turn_number, is_sidechain, agent_id, content_length AS length,
        NULL AS status, response_time_ms AS milliseconds, message_key AS key, message_sequence AS position
    FROM marts.fct_messages WHERE session_id = $session
    UNION ALL
    SELECT created_at, completed_at, 'tool_call', NULL, tool_name, turn_number, is_sidechain, agent_id, input_length, status, execution_time_ms,
        tool_call_key, tool_sequence
    FROM marts.fct_tool_calls WHERE session_id = $session
)
SELECT * EXCLUDE (position)
FROM steps
ORDER BY created_at, kind, position, key
LIMIT $limit OFFSET $offset
