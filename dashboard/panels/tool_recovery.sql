-- page: tools
-- title: What came after a failure
-- about: A failed call is recovered if a later call of the same tool in the same turn succeeded; repeated if the next call of the turn was of the same tool.
-- models: marts.fct_tool_calls
WITH calls AS (
    SELECT tool_name, status, session_id, turn_number, coalesce(agent_id, '') AS thread, created_at, tool_call_key,
        status IN ('error', 'timeout') AND (len($tools::VARCHAR[]) = 0 OR list_contains($tools::VARCHAR[], tool_name)) AS is_asked
    FROM marts.fct_tool_calls
    WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND (len($models::VARCHAR[]) = 0 OR list_contains($models::VARCHAR[], model)) AND status <> 'orphan_result'
),
-- Only turns in which a call failed have an answer.
failing AS (
    SELECT DISTINCT session_id, turn_number, thread FROM calls WHERE is_asked
),
followed AS (
    SELECT tool_name, status, session_id, turn_number, thread, created_at, is_asked,
        lead(tool_name) OVER (PARTITION BY session_id, turn_number, thread ORDER BY created_at, tool_call_key) = tool_name AS is_repeated
    FROM calls
    SEMI JOIN failing ON failing.session_id = calls.session_id AND failing.thread = calls.thread
        AND failing.turn_number IS NOT DISTINCT FROM calls.turn_number
),
failures AS (
    SELECT * FROM followed WHERE is_asked
),
successes AS (
    SELECT session_id, turn_number, thread, tool_name, max(created_at) AS last_success FROM followed WHERE status = 'success' GROUP BY ALL
)
SELECT failures.tool_name, count(*) AS failures, count(*) FILTER (WHERE is_repeated) AS repeated, count(*) FILTER (WHERE last_success > created_at) AS recovered
FROM failures
LEFT JOIN successes ON successes.session_id = failures.session_id AND successes.thread = failures.thread AND successes.tool_name = failures.tool_name
    AND successes.turn_number IS NOT DISTINCT FROM failures.turn_number
GROUP BY failures.tool_name
ORDER BY failures DESC, failures.tool_name
