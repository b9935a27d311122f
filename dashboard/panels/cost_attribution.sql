-- page: cost
-- title: What it was spent on
-- about: A request's cost is shared in equal parts over the tool calls that it made; answer is of requests that made none. Each way of
-- about: dividing adds up to the same whole; (none) is what has no such thing. Tickets are read from branch names, as in ABC-123 or #123.
-- about: A commit or pull request has the cost of its session since the one before. The twenty dearest of each.
-- models: marts.fct_cost_attribution, marts.fct_api_requests
-- needs: marts.fct_cost_attribution.cost_usd
WITH chosen AS (
    SELECT DISTINCT model_id FROM marts.fct_api_requests WHERE len($models::VARCHAR[]) > 0 AND list_contains($models::VARCHAR[], model)
),
shares AS (
    SELECT tool_name AS tool, coalesce(mcp_server, '(none)') AS mcp_server, coalesce(skill, '(none)') AS skill, coalesce(subagent_type, '(none)') AS subagent,
        coalesce(git_branch, '(none)') AS branch, coalesce(nullif(regexp_extract(git_branch, '([A-Z][A-Z0-9]+-[0-9]+|#[0-9]+)', 1), ''), '(none)') AS ticket,
        coalesce(commit_sha, '(none)') AS commit, coalesce(pull_request_url, '(none)') AS pull_request, coalesce(task_category, '(none)') AS work,
        cost_usd, total_tokens, request_key, session_id, is_priced
    FROM marts.fct_cost_attribution
    WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND (len($models::VARCHAR[]) = 0 OR model_id IN (SELECT model_id FROM chosen)) AND (len($tools::VARCHAR[]) = 0 OR list_contains($tools::VARCHAR[], tool_name))
),
grouped AS (
    SELECT
        CASE grouping_id(tool, mcp_server, skill, subagent, branch, ticket, commit, pull_request, work)
            WHEN 255 THEN 'tool' WHEN 383 THEN 'mcp_server' WHEN 447 THEN 'skill' WHEN 479 THEN 'subagent' WHEN 495 THEN 'branch'
            WHEN 503 THEN 'ticket' WHEN 507 THEN 'commit' WHEN 509 THEN 'pull_request' ELSE 'work' END AS dimension,
        coalesce(tool, mcp_server, skill, subagent, branch, ticket, commit, pull_request, work) AS name,
        coalesce(sum(cost_usd), 0) AS cost_usd, sum(total_tokens)::BIGINT AS total_tokens, count(*) AS shares,
        count(*) FILTER (WHERE NOT is_priced) AS unpriced_shares, arg_max(session_id, cost_usd) AS dearest_session_id
    FROM shares
    GROUP BY GROUPING SETS ((tool), (mcp_server), (skill), (subagent), (branch), (ticket), (commit), (pull_request), (work))
)
SELECT *
FROM grouped
QUALIFY row_number() OVER (PARTITION BY dimension ORDER BY cost_usd DESC, total_tokens DESC, name) <= 20
ORDER BY dimension, cost_usd DESC, total_tokens DESC, name
