package main

import "strings"

// Levels of a report's rows.
const (
	levelModel = 1 // one model of one key
	levelKey   = 2
	levelAll   = 3
)

// reportSQL is one query a report: DuckDB sums up, so that money stays exact.
func reportSQL(kind string, f reportFilter) string {
	switch kind {
	case "tool":
		return toolSQL(f)
	case "blocks":
		return blocksSQL(f)
	}
	return usageSQL(kind, f)
}

// usageSQL sums agg_session_models up by key and model, by key, and over all.
func usageSQL(kind string, f reportFilter) string {
	key, labels, joins, order := "", "", "", `totals."key"`
	const byCost = `totals."totalCost" DESC, totals."totalTokens" DESC, totals."key"`
	switch kind {
	case "daily":
		key, labels = "date_key::VARCHAR", `totals."key" AS "date"`
	case "monthly":
		key, labels = "strftime(date_key, '%Y-%m')", `totals."key" AS "month"`
	case "session":
		key, order = "session_id", byCost
		labels = `totals."key" AS "sessionId", s.title AS "title", s.project_id AS "projectId", p.project_name AS "projectName"`
		joins = ` LEFT JOIN marts.dim_sessions s ON s.session_id = totals."key" LEFT JOIN marts.dim_projects p ON p.project_id = s.project_id`
	case "project":
		key, order = "project_id", byCost
		labels = `totals."key" AS "projectId", p.project_name AS "projectName"`
		joins = ` LEFT JOIN marts.dim_projects p ON p.project_id = totals."key"`
	case "model":
		key, order = "model_id", byCost
		labels = `totals."key" AS "modelId"`
	}
	return strings.NewReplacer("{key}", key, "{labels}", labels, "{joins}", joins, "{order}", order, "{where}", f.where()).Replace(`
WITH totals AS (
	SELECT 1 + grouping(model) + grouping("key") AS level, "key", model AS "modelName",
		sum(input_tokens)::BIGINT AS "inputTokens", sum(output_tokens)::BIGINT AS "outputTokens",
		sum(cache_creation_tokens)::BIGINT AS "cacheCreationTokens", sum(cache_read_tokens)::BIGINT AS "cacheReadTokens",
		sum(total_tokens)::BIGINT AS "totalTokens", coalesce(sum(cost_usd), 0) AS "totalCost",
		sum(api_requests)::BIGINT AS "requests", count(DISTINCT session_id) AS "sessions",
		sum(web_search_requests)::BIGINT AS "webSearches",
		sum(unpriced_requests)::BIGINT AS "unpricedRequests", sum(unpriced_tokens)::BIGINT AS "unpricedTokens",
		sum(lower_bound_requests)::BIGINT AS "lowerBoundRequests", sum(incomplete_requests)::BIGINT AS "incompleteRequests",
		sum(subagent_tokens)::BIGINT AS "subagentTokens", coalesce(sum(subagent_cost_usd), 0) AS "subagentCost",
		max(last_at) AS "lastActivity"
	FROM (SELECT *, {key} AS "key" FROM marts.agg_session_models WHERE {where} AND api_requests > 0)
	GROUP BY GROUPING SETS (("key", model), ("key"), ())
)
SELECT totals.*, totals."totalCost" AS "cost", totals."key" AS "period", {labels}
FROM totals{joins}
ORDER BY totals.level DESC, {order}, totals."modelName"`)
}
