-- page: cost
-- title: Five-hour blocks
-- about: The windows by which subscriptions are limited: one begins at the full hour of the first request after the last one ended. Of all projects and models. blocks is how many there are.
-- models: marts.fct_blocks_5h
SELECT block_start, block_end, first_request_at, last_request_at, api_requests, total_tokens, output_tokens, cost_usd, unpriced_requests, lower_bound_requests, incomplete_requests, count(*) OVER () AS blocks
FROM marts.fct_blocks_5h
WHERE date_key BETWEEN $from AND $to
ORDER BY block_start DESC
LIMIT $limit OFFSET $offset
