-- page: tools
-- title: Calls by day
-- about: Calls and failures by day and category of tool.
-- models: marts.fct_tool_calls
SELECT date_key, tool_category, count(*) AS calls, count(*) FILTER (WHERE status IN ('error', 'timeout')) AS errors
FROM marts.fct_tool_calls
WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND (len($models::VARCHAR[]) = 0 OR list_contains($models::VARCHAR[], model)) AND (len($tools::VARCHAR[]) = 0 OR list_contains($tools::VARCHAR[], tool_name)) AND status <> 'orphan_result'
GROUP BY ALL
ORDER BY date_key, tool_category
