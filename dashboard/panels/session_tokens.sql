-- page: session
-- title: Tokens of the session
-- about: Tokens by model, main thread and sub-agents apart.
-- models: marts.fct_api_requests
SELECT model, is_sidechain, count(*) AS api_requests, sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens, sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
    sum(cache_creation_tokens)::BIGINT AS cache_creation_tokens, sum(total_tokens)::BIGINT AS total_tokens,
    count(*) FILTER (WHERE output_is_lower_bound) AS lower_bound_requests
FROM marts.fct_api_requests
WHERE session_id = $session AND NOT is_api_error
GROUP BY model, is_sidechain
ORDER BY total_tokens DESC, model, is_sidechain
