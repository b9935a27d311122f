-- page: cost
-- title: Use of the cache
-- about: Share of prompt tokens that were read from the cache, by model. saved_usd is what those tokens would have cost more as plain input, less
-- about: what writing to the cache cost more, at each model's newest standard price; empty where there is no price.
-- models: marts.fct_api_requests, marts.dim_model_prices
WITH prices AS (
    SELECT model_id, arg_max(input_usd - cache_read_usd, rank) AS read_usd, arg_max(cache_write_5m_usd - input_usd, rank) AS write_5m_usd, arg_max(cache_write_1h_usd - input_usd, rank) AS write_1h_usd
    FROM (SELECT *, {'p': -prompt_min, 'f': coalesce(effective_from::VARCHAR, ''), 'o': precedence} AS rank FROM marts.dim_model_prices)
    GROUP BY model_id
),
requests AS (
    SELECT model, any_value(model_id) AS model_id, count(*) AS api_requests, sum(prompt_tokens)::BIGINT AS prompt_tokens, sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
        sum(cache_creation_tokens)::BIGINT AS cache_creation_tokens, sum(cache_creation_1h_tokens)::BIGINT AS written_1h
    FROM marts.fct_api_requests
    WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND (len($models::VARCHAR[]) = 0 OR list_contains($models::VARCHAR[], model)) AND NOT is_api_error
    GROUP BY model
)
SELECT model, api_requests, prompt_tokens, cache_read_tokens, cache_creation_tokens, cache_read_tokens / nullif(prompt_tokens, 0) AS cache_read_share,
    ((cache_read_tokens * read_usd - (cache_creation_tokens - coalesce(written_1h, 0)) * write_5m_usd - coalesce(written_1h, 0) * write_1h_usd) / 1e6)::DOUBLE AS saved_usd
FROM requests
LEFT JOIN prices USING (model_id)
ORDER BY prompt_tokens DESC, model
