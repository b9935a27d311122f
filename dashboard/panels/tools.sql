-- page: tools
-- title: Tools
-- about: Calls by tool. The success rate leaves out calls that are pending, rejected, denied, cancelled or interrupted; times are those of calls that have one.
-- models: marts.fct_tool_calls
SELECT tool_name, any_value(tool_category) AS tool_category, any_value(mcp_server) AS mcp_server,
    count(*) FILTER (WHERE status <> 'orphan_result') AS calls,
    count(*) FILTER (WHERE status = 'success') AS successes,
    count(*) FILTER (WHERE status = 'error') AS errors,
    count(*) FILTER (WHERE status = 'timeout') AS timeouts,
    count(*) FILTER (WHERE status = 'rejected') AS rejections,
    count(*) FILTER (WHERE status = 'pending') AS pending,
    count(*) FILTER (WHERE status = 'orphan_result') AS orphan_results,
    count(*) FILTER (WHERE status = 'success') / nullif(count(*) FILTER (WHERE status IN ('success', 'error', 'timeout')), 0) AS success_rate,
    count(execution_time_ms) AS timed_calls,
    avg(execution_time_ms)::BIGINT AS avg_ms,
    quantile_disc(execution_time_ms, 0.5) AS median_ms,
    quantile_disc(execution_time_ms, 0.95) AS p95_ms,
    count(DISTINCT session_id) AS sessions
FROM marts.fct_tool_calls
WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND (len($models::VARCHAR[]) = 0 OR list_contains($models::VARCHAR[], model)) AND (len($tools::VARCHAR[]) = 0 OR list_contains($tools::VARCHAR[], tool_name))
GROUP BY tool_name
ORDER BY calls DESC, tool_name
