-- page: overview
-- title: Activity by day
-- about: One row a day with activity in the report time zone; days without are left out, so that nothing is drawn between them.
-- models: marts.fct_messages, marts.fct_tool_calls, marts.fct_api_requests
WITH messages AS (
    SELECT date_key, count(*) FILTER (WHERE role = 'user' OR content_length > 0) AS messages,
        count(*) FILTER (WHERE message_kind IN ('prompt', 'queued_command')) AS prompts, count(DISTINCT session_id) FILTER (WHERE session_id <> '') AS sessions
    FROM marts.fct_messages WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) GROUP BY date_key
),
calls AS (
    SELECT date_key, count(*) AS tool_calls, count(*) FILTER (WHERE status IN ('error', 'timeout')) AS tool_errors
    FROM marts.fct_tool_calls WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND status <> 'orphan_result' GROUP BY date_key
),
requests AS (
    SELECT date_key, count(*) AS api_requests, sum(total_tokens)::BIGINT AS total_tokens, sum(output_tokens)::BIGINT AS output_tokens
    FROM marts.fct_api_requests WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND NOT is_api_error GROUP BY date_key
)
SELECT date_key, coalesce(sessions, 0) AS sessions, coalesce(messages, 0) AS messages, coalesce(prompts, 0) AS prompts,
    coalesce(tool_calls, 0) AS tool_calls, coalesce(tool_errors, 0) AS tool_errors, coalesce(api_requests, 0) AS api_requests,
    coalesce(total_tokens, 0) AS total_tokens, coalesce(output_tokens, 0) AS output_tokens
FROM messages
FULL JOIN calls USING (date_key)
FULL JOIN requests USING (date_key)
ORDER BY date_key
