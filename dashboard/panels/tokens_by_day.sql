-- page: cost
-- title: Tokens by day and model
-- about: Tokens of each response once, however many records repeat it; lower_bound_requests are those whose output tokens are only a lower bound.
-- models: marts.fct_api_requests
SELECT date_key, model, count(*) AS api_requests, sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens, sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
    sum(cache_creation_tokens)::BIGINT AS cache_creation_tokens, sum(total_tokens)::BIGINT AS total_tokens,
    count(*) FILTER (WHERE output_is_lower_bound) AS lower_bound_requests
FROM marts.fct_api_requests
WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND (len($models::VARCHAR[]) = 0 OR list_contains($models::VARCHAR[], model)) AND NOT is_api_error
GROUP BY date_key, model
ORDER BY date_key, model
