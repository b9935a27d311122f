-- page: session
-- title: Tools of the session
-- about: Calls by tool, main thread and sub-agents.
-- models: marts.fct_tool_calls
SELECT tool_name, count(*) AS calls, count(*) FILTER (WHERE status IN ('error', 'timeout')) AS errors, count(*) FILTER (WHERE status = 'pending') AS pending,
    sum(execution_time_ms)::BIGINT AS total_ms
FROM marts.fct_tool_calls
WHERE session_id = $session AND status <> 'orphan_result'
GROUP BY tool_name
ORDER BY calls DESC, tool_name
