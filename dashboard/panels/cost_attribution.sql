-- page: cost
-- title: What it was spent on
-- about: A request's cost is shared in equal parts over the tool calls that it made; answer is of requests that made none. Each way of
-- about: dividing adds up to the same whole; (none) is what has no such thing. Tickets are read from branch names, as in ABC-123 or #123.
-- about: A commit or pull request has the cost of its session since the one before. The twenty dearest of each, and the others as one.
-- models: marts.fct_cost_attribution, marts.fct_api_requests
-- needs: marts.fct_cost_attribution.cost_usd
WITH chosen AS (
    SELECT DISTINCT model_id FROM marts.fct_api_requests WHERE len($models::VARCHAR[]) > 0 AND list_contains($models::VARCHAR[], model)
),
shares AS (
    SELECT tool_name AS tool, mcp_server, skill, subagent_type AS subagent, git_branch AS branch, commit_sha AS commit, pull_request_url AS pull_request,
        task_category AS work, cost_usd, total_tokens, session_id, is_priced
    FROM marts.fct_cost_attribution
    WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND (len($models::VARCHAR[]) = 0 OR model_id IN (SELECT model_id FROM chosen)) AND (len($tools::VARCHAR[]) = 0 OR list_contains($tools::VARCHAR[], tool_name))
),
-- Few kinds of share stand for many: most ways of dividing come after, but for those that would make the kinds many.
kinds AS MATERIALIZED (
    SELECT grouping(tool) = 0 AS is_kind, grouping(commit) = 0 AS is_commit, tool, mcp_server, skill, subagent, branch, work, commit, pull_request,
        sum(cost_usd) AS cost_usd, sum(total_tokens) AS total_tokens, count(*) AS shares,
        count(*) FILTER (WHERE NOT is_priced) AS unpriced_shares, arg_max(session_id, cost_usd) AS dearest_session_id, max(cost_usd) AS dearest_cost_usd
    FROM shares
    GROUP BY GROUPING SETS ((tool, mcp_server, skill, subagent, branch, work), (commit), (pull_request))
),
tickets AS (
    SELECT branch, nullif(regexp_extract(branch, '([A-Z][A-Z0-9]+-[0-9]+|#[0-9]+)', 1), '') AS ticket
    FROM (SELECT DISTINCT branch FROM kinds)
),
divided AS (
    SELECT CASE grouping_id(tool, mcp_server, skill, subagent, kinds.branch, ticket, work)
            WHEN 63 THEN 'tool' WHEN 95 THEN 'mcp_server' WHEN 111 THEN 'skill' WHEN 119 THEN 'subagent' WHEN 123 THEN 'branch' WHEN 125 THEN 'ticket' ELSE 'work' END AS dimension,
        coalesce(tool, mcp_server, skill, subagent, kinds.branch, ticket, work) AS name,
        sum(cost_usd) AS cost_usd, sum(total_tokens) AS total_tokens, sum(shares) AS shares, sum(unpriced_shares) AS unpriced_shares,
        arg_max(dearest_session_id, dearest_cost_usd) AS dearest_session_id
    FROM kinds
    LEFT JOIN tickets ON tickets.branch = kinds.branch
    WHERE is_kind
    GROUP BY GROUPING SETS ((tool), (mcp_server), (skill), (subagent), (kinds.branch), (ticket), (work))
    UNION ALL
    SELECT CASE WHEN is_commit THEN 'commit' ELSE 'pull_request' END, coalesce(commit, pull_request), cost_usd, total_tokens, shares, unpriced_shares, dearest_session_id
    FROM kinds
    WHERE NOT is_kind
),
grouped AS (
    SELECT dimension, coalesce(name, '(none)') AS name, coalesce(cost_usd, 0) AS cost_usd, total_tokens::BIGINT AS total_tokens, shares::BIGINT AS shares,
        unpriced_shares::BIGINT AS unpriced_shares, dearest_session_id
    FROM divided
)
SELECT dimension, CASE WHEN count(*) > 1 THEN '(' || count(*) || ' others)' ELSE any_value(name) END AS name, sum(cost_usd) AS cost_usd, sum(total_tokens)::BIGINT AS total_tokens,
    sum(shares)::BIGINT AS shares, sum(unpriced_shares)::BIGINT AS unpriced_shares, arg_max(dearest_session_id, cost_usd) AS dearest_session_id
FROM (SELECT *, least(row_number() OVER (PARTITION BY dimension ORDER BY cost_usd DESC, total_tokens DESC, name), 21) AS place FROM grouped) AS ranked
GROUP BY dimension, place
ORDER BY dimension, place
