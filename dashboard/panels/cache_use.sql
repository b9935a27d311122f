-- page: cost
-- title: Use of the cache
-- about: Share of prompt tokens that were read from the cache, by model.
-- models: marts.fct_api_requests
SELECT model, count(*) AS api_requests, sum(prompt_tokens)::BIGINT AS prompt_tokens, sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
    sum(cache_creation_tokens)::BIGINT AS cache_creation_tokens, sum(cache_read_tokens) / nullif(sum(prompt_tokens), 0) AS cache_read_share
FROM marts.fct_api_requests
WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND (len($models::VARCHAR[]) = 0 OR list_contains($models::VARCHAR[], model)) AND NOT is_api_error
GROUP BY model
ORDER BY prompt_tokens DESC, model
