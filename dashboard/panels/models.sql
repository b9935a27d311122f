-- page: cost
-- title: Models
-- about: Requests and tokens by model: the choices of the model filter.
-- models: marts.fct_api_requests
SELECT model, count(*) AS api_requests, count(DISTINCT session_id) AS sessions, sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens, sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
    sum(cache_creation_tokens)::BIGINT AS cache_creation_tokens, sum(total_tokens)::BIGINT AS total_tokens,
    count(*) FILTER (WHERE output_is_lower_bound) AS lower_bound_requests, max(created_at) AS last_at
FROM marts.fct_api_requests
WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND NOT is_api_error
GROUP BY model
ORDER BY total_tokens DESC, model
