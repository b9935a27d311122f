-- page: cost
-- title: Cost by model
-- about: US dollars at list price; unpriced_requests have no price and count as nothing. models, all_cost_usd and all_tokens are of all, also of those beyond the limit.
-- models: marts.fct_api_requests
-- needs: marts.fct_api_requests.cost_usd, marts.fct_api_requests.is_priced
SELECT model, count(*) AS api_requests, coalesce(sum(cost_usd), 0) AS cost_usd, count(*) FILTER (WHERE NOT is_priced) AS unpriced_requests,
    sum(total_tokens)::BIGINT AS total_tokens, count(*) FILTER (WHERE output_is_lower_bound) AS lower_bound_requests,
    count(*) OVER () AS models, coalesce(sum(sum(cost_usd)) OVER (), 0) AS all_cost_usd, (sum(sum(total_tokens)) OVER ())::BIGINT AS all_tokens
FROM marts.fct_api_requests
WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND (len($models::VARCHAR[]) = 0 OR list_contains($models::VARCHAR[], model)) AND NOT is_api_error
GROUP BY model
ORDER BY cost_usd DESC, model
LIMIT $limit OFFSET $offset
