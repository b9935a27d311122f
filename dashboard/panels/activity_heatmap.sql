-- page: overview
-- title: Hour and weekday
-- about: Messages and tool calls by weekday (0 is Sunday) and hour, in the report time zone; hours without activity are left out.
-- models: marts.fct_messages, marts.fct_tool_calls
WITH activity AS (
    SELECT day_of_week, hour_of_day, 1 AS messages, 0 AS tool_calls
    FROM marts.fct_messages WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND (role = 'user' OR content_length > 0)
    UNION ALL
    SELECT day_of_week, hour_of_day, 0, 1
    FROM marts.fct_tool_calls WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND status <> 'orphan_result'
)
SELECT day_of_week, hour_of_day, sum(messages)::BIGINT AS messages, sum(tool_calls)::BIGINT AS tool_calls, count(*) AS activity
FROM activity
GROUP BY ALL
ORDER BY day_of_week, hour_of_day
