-- page: overview
-- title: Totals, and the period before
-- about: Sessions with a message, tool call or request in the days; prompts are those typed by a person; orphan results are no calls.
-- about: The second row is the period of equal length before. lower_bound_requests are those whose output tokens are only a lower bound.
-- models: marts.fct_messages, marts.fct_tool_calls, marts.fct_api_requests
WITH messages AS (
    SELECT date_key >= $from AS is_current, session_id, count(*) FILTER (WHERE role = 'user' OR content_length > 0) AS messages,
        count(*) FILTER (WHERE message_kind IN ('prompt', 'queued_command')) AS prompts
    FROM marts.fct_messages WHERE date_key BETWEEN $from - (($to - $from)::INTEGER + 1) AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id))
    GROUP BY ALL
),
calls AS (
    SELECT date_key >= $from AS is_current, session_id, count(*) AS tool_calls, count(*) FILTER (WHERE status IN ('error', 'timeout')) AS tool_errors
    FROM marts.fct_tool_calls WHERE date_key BETWEEN $from - (($to - $from)::INTEGER + 1) AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND status <> 'orphan_result'
    GROUP BY ALL
),
requests AS (
    SELECT date_key >= $from AS is_current, session_id, count(*) AS api_requests, sum(total_tokens)::BIGINT AS total_tokens, sum(output_tokens)::BIGINT AS output_tokens,
        count(*) FILTER (WHERE output_is_lower_bound) AS lower_bound_requests
    FROM marts.fct_api_requests WHERE date_key BETWEEN $from - (($to - $from)::INTEGER + 1) AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND NOT is_api_error
    GROUP BY ALL
),
everything AS (
    SELECT * FROM messages UNION ALL BY NAME SELECT * FROM calls UNION ALL BY NAME SELECT * FROM requests
),
periods AS (
    SELECT unnest([true, false]) AS is_current
)
SELECT
    CASE WHEN periods.is_current THEN 'current' ELSE 'before' END AS period,
    count(DISTINCT session_id) FILTER (WHERE session_id <> '') AS sessions,
    coalesce(sum(messages), 0)::BIGINT AS messages,
    coalesce(sum(prompts), 0)::BIGINT AS prompts,
    coalesce(sum(tool_calls), 0)::BIGINT AS tool_calls,
    coalesce(sum(tool_errors), 0)::BIGINT AS tool_errors,
    coalesce(sum(api_requests), 0)::BIGINT AS api_requests,
    coalesce(sum(total_tokens), 0)::BIGINT AS total_tokens,
    coalesce(sum(output_tokens), 0)::BIGINT AS output_tokens,
    coalesce(sum(lower_bound_requests), 0)::BIGINT AS lower_bound_requests
FROM periods
LEFT JOIN everything USING (is_current)
GROUP BY periods.is_current
ORDER BY periods.is_current DESC
