-- page: cost
-- title: Cost, and the period before
-- about: US dollars at list price; unpriced_requests have no price and count as nothing. The second row is the period of equal length before.
-- models: marts.fct_api_requests
-- needs: marts.fct_api_requests.cost_usd, marts.fct_api_requests.is_priced
WITH requests AS (
    SELECT date_key >= $from AS is_current, * EXCLUDE (date_key)
    FROM marts.fct_api_requests
    WHERE date_key BETWEEN $from - (($to - $from)::INTEGER + 1) AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND (len($models::VARCHAR[]) = 0 OR list_contains($models::VARCHAR[], model)) AND NOT is_api_error
)
SELECT CASE WHEN is_current THEN 'current' ELSE 'before' END AS period, count(*) AS api_requests, coalesce(sum(cost_usd), 0) AS cost_usd, count(*) FILTER (WHERE NOT is_priced) AS unpriced_requests,
    sum(total_tokens)::BIGINT AS total_tokens, count(*) FILTER (WHERE output_is_lower_bound) AS lower_bound_requests
FROM requests
GROUP BY is_current
ORDER BY is_current DESC
