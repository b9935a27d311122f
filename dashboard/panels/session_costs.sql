-- page: session
-- title: Tokens and cost along the session
-- about: The session's responses in up to 120 equal parts of its time, with the sum so far; parts without a response are left out. prompt_tokens is the largest prompt of a part: how full the context was.
-- models: marts.fct_api_requests
WITH requests AS (
    SELECT created_at, total_tokens, output_tokens, CASE WHEN is_sidechain THEN NULL ELSE prompt_tokens END AS prompt_tokens, cost_usd, is_priced,
        min(created_at) OVER () AS began, epoch_ms(max(created_at) OVER ()) - epoch_ms(min(created_at) OVER ()) AS lasted
    FROM marts.fct_api_requests
    WHERE session_id = $session AND NOT is_api_error
),
parts AS (
    SELECT least(119, (epoch_ms(created_at) - epoch_ms(began)) * 120 // greatest(lasted, 1)) AS part, max(created_at) AS ended_at, count(*) AS api_requests,
        sum(total_tokens)::BIGINT AS total_tokens, sum(output_tokens)::BIGINT AS output_tokens, max(prompt_tokens) AS prompt_tokens,
        coalesce(sum(cost_usd), 0) AS cost_usd, count(*) FILTER (WHERE NOT is_priced) AS unpriced_requests
    FROM requests
    GROUP BY part
)
SELECT ended_at, api_requests, total_tokens, output_tokens, prompt_tokens, cost_usd, unpriced_requests,
    (sum(total_tokens) OVER so_far)::BIGINT AS total_tokens_so_far, sum(cost_usd) OVER so_far AS cost_usd_so_far
FROM parts
WINDOW so_far AS (ORDER BY part)
ORDER BY part
