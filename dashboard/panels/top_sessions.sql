-- page: overview
-- title: Sessions with most tokens
-- about: Tokens of the requests in the days, sub-agents included.
-- models: marts.fct_api_requests, marts.dim_sessions
WITH requests AS (
    SELECT session_id, count(*) AS api_requests, sum(total_tokens)::BIGINT AS total_tokens, sum(output_tokens)::BIGINT AS output_tokens
    FROM marts.fct_api_requests
    WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND (len($models::VARCHAR[]) = 0 OR list_contains($models::VARCHAR[], model)) AND NOT is_api_error
    GROUP BY session_id
)
SELECT session_id, sessions.title, sessions.project_id, sessions.session_start, sessions.session_end, sessions.active_seconds,
    requests.api_requests, requests.total_tokens, requests.output_tokens
FROM requests
JOIN marts.dim_sessions AS sessions USING (session_id)
ORDER BY requests.total_tokens DESC, session_id
LIMIT $limit OFFSET $offset
