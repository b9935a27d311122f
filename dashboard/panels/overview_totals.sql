-- page: overview
-- title: Totals, and the period before
-- about: Sessions with a message, tool call or request in the days; prompts are those typed by a person; orphan results are no calls.
-- about: The second row is the period of equal length before. lower_bound_requests are those whose output tokens are only a lower bound.
-- models: marts.fct_messages, marts.fct_tool_calls, marts.fct_api_requests
WITH messages AS (
    SELECT date_key >= $from AS is_current, session_id, role, message_kind, content_length, 'm' AS kind, NULL AS status, 0 AS tokens, 0 AS output, false AS is_lower_bound
    FROM marts.fct_messages WHERE date_key BETWEEN $from - (($to - $from)::INTEGER + 1) AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id))
),
calls AS (
    SELECT date_key >= $from, session_id, NULL, NULL, 0, 't', status, 0, 0, false
    FROM marts.fct_tool_calls WHERE date_key BETWEEN $from - (($to - $from)::INTEGER + 1) AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND status <> 'orphan_result'
),
requests AS (
    SELECT date_key >= $from, session_id, NULL, NULL, 0, 'r', NULL, total_tokens, output_tokens, output_is_lower_bound
    FROM marts.fct_api_requests WHERE date_key BETWEEN $from - (($to - $from)::INTEGER + 1) AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND NOT is_api_error
),
everything AS (
    SELECT * FROM messages UNION ALL SELECT * FROM calls UNION ALL SELECT * FROM requests
),
periods AS (
    SELECT unnest([true, false]) AS is_current
)
SELECT
    CASE WHEN periods.is_current THEN 'current' ELSE 'before' END AS period,
    count(DISTINCT session_id) FILTER (WHERE session_id <> '') AS sessions,
    count(*) FILTER (WHERE kind = 'm' AND (role = 'user' OR content_length > 0)) AS messages,
    count(*) FILTER (WHERE kind = 'm' AND message_kind IN ('prompt', 'queued_command')) AS prompts,
    count(*) FILTER (WHERE kind = 't') AS tool_calls,
    count(*) FILTER (WHERE kind = 't' AND status IN ('error', 'timeout')) AS tool_errors,
    count(*) FILTER (WHERE kind = 'r') AS api_requests,
    coalesce(sum(tokens) FILTER (WHERE kind = 'r'), 0)::BIGINT AS total_tokens,
    coalesce(sum(output) FILTER (WHERE kind = 'r'), 0)::BIGINT AS output_tokens,
    count(*) FILTER (WHERE is_lower_bound) AS lower_bound_requests
FROM periods
LEFT JOIN everything USING (is_current)
GROUP BY periods.is_current
ORDER BY periods.is_current DESC
