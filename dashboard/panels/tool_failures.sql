-- page: tools
-- title: Failed calls
-- about: Single failed calls, newest first; failures is how many there are.
-- models: marts.fct_tool_calls
SELECT created_at, tool_name, status, error_type, exit_code, execution_time_ms, session_id, project_id, turn_number, is_sidechain, tool_call_key,
    count(*) OVER () AS failures
FROM marts.fct_tool_calls
WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND (len($models::VARCHAR[]) = 0 OR list_contains($models::VARCHAR[], model)) AND (len($tools::VARCHAR[]) = 0 OR list_contains($tools::VARCHAR[], tool_name)) AND status IN ('error', 'timeout')
ORDER BY created_at DESC, tool_call_key
LIMIT $limit OFFSET $offset
