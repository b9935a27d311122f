-- page: tools
-- title: Why calls fail
-- about: Failed and timed-out calls by tool and kind of error, with the newest session in which it happened.
-- models: marts.fct_tool_calls
SELECT tool_name, coalesce(error_type, status) AS error_type, count(*) AS failures, count(DISTINCT session_id) AS sessions,
    max(created_at) AS last_at, arg_max(session_id, created_at) AS last_session_id
FROM marts.fct_tool_calls
WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND (len($models::VARCHAR[]) = 0 OR list_contains($models::VARCHAR[], model)) AND (len($tools::VARCHAR[]) = 0 OR list_contains($tools::VARCHAR[], tool_name)) AND status IN ('error', 'timeout')
GROUP BY ALL
ORDER BY failures DESC, tool_name, error_type
LIMIT $limit OFFSET $offset
