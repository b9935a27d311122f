-- page: tools
-- title: What came after a failure
-- about: A failed call is recovered if a later call of the same tool in the same turn succeeded; repeated if the next call of the turn was of the same tool.
-- models: marts.fct_tool_calls
WITH calls AS (
    SELECT tool_name, status, session_id, turn_number, coalesce(agent_id, '') AS thread, created_at, tool_call_key
    FROM marts.fct_tool_calls
    WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND (len($models::VARCHAR[]) = 0 OR list_contains($models::VARCHAR[], model)) AND status <> 'orphan_result'
),
followed AS (
    SELECT tool_name, status, created_at,
        lead(tool_name) OVER (PARTITION BY session_id, turn_number, thread ORDER BY created_at, tool_call_key) = tool_name AS is_repeated,
        max(created_at) FILTER (WHERE status = 'success') OVER (PARTITION BY session_id, turn_number, thread, tool_name) > created_at AS is_recovered
    FROM calls
)
SELECT tool_name, count(*) AS failures, count(*) FILTER (WHERE is_repeated) AS repeated, count(*) FILTER (WHERE is_recovered) AS recovered
FROM followed
WHERE status IN ('error', 'timeout') AND (len($tools::VARCHAR[]) = 0 OR list_contains($tools::VARCHAR[], tool_name))
GROUP BY tool_name
ORDER BY failures DESC, tool_name
