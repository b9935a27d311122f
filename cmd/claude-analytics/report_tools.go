package main

import (
	"encoding/json"
	"strconv"
	"strings"
)

// toolRow is a tool with its calls, and the share of the responses' cost that went into them.
type toolRow struct {
	Period       string      `json:"period,omitempty"`
	ToolName     string      `json:"toolName,omitempty"`
	ToolCategory string      `json:"toolCategory,omitempty"`
	MCPServer    string      `json:"mcpServer,omitempty"`
	Calls        int64       `json:"calls"`
	Successes    int64       `json:"successes"`
	Errors       int64       `json:"errors"`
	SuccessRate  *float64    `json:"successRate,omitempty"`
	Sessions     int64       `json:"sessions"`
	OutputTokens int64       `json:"outputTokens"`
	TotalTokens  int64       `json:"totalTokens"`
	TotalCost    json.Number `json:"totalCost"`
	confidence
}

// toolSQL sums fct_cost_attribution and fct_tool_calls up by tool. Requests are counted once, however many calls they made.
func toolSQL(f reportFilter) string {
	return strings.ReplaceAll(`
WITH shares AS (
	SELECT 2 + grouping(tool_name) AS level, tool_name AS "key", min(tool_category) AS category, min(mcp_server) AS server,
		sum(output_tokens)::BIGINT AS "outputTokens", sum(total_tokens)::BIGINT AS "totalTokens", coalesce(sum(cost_usd), 0) AS "totalCost",
		count(DISTINCT session_id) AS "sessions", count(DISTINCT request_key) AS "requests",
		count(DISTINCT request_key) FILTER (WHERE NOT is_priced) AS "unpricedRequests",
		coalesce(sum(total_tokens) FILTER (WHERE NOT is_priced), 0)::BIGINT AS "unpricedTokens"
	FROM marts.fct_cost_attribution WHERE {where} GROUP BY GROUPING SETS ((tool_name), ())
), calls AS (
	SELECT 2 + grouping(tool_name) AS level, tool_name AS "key", min(tool_category) AS category, min(mcp_server) AS server,
		count(*) AS "calls", count(*) FILTER (WHERE status = 'success') AS "successes",
		count(*) FILTER (WHERE status IN ('error', 'timeout')) AS "errors", count(DISTINCT session_id) AS "sessions"
	FROM marts.fct_tool_calls WHERE status <> 'orphan_result' AND {where} GROUP BY GROUPING SETS ((tool_name), ())
)
SELECT coalesce(shares.level, calls.level) AS level, coalesce(shares."key", calls."key") AS "key",
	coalesce(shares."key", calls."key") AS "period", coalesce(shares."key", calls."key") AS "toolName",
	CASE WHEN coalesce(shares.level, calls.level) = 2 THEN coalesce(shares.category, calls.category) END AS "toolCategory",
	CASE WHEN coalesce(shares.level, calls.level) = 2 THEN coalesce(shares.server, calls.server) END AS "mcpServer",
	coalesce(calls."calls", 0) AS "calls", coalesce(calls."successes", 0) AS "successes", coalesce(calls."errors", 0) AS "errors",
	CASE WHEN calls."successes" + calls."errors" > 0 THEN calls."successes" / (calls."successes" + calls."errors") END AS "successRate",
	coalesce(shares."sessions", calls."sessions") AS "sessions",
	coalesce(shares."outputTokens", 0) AS "outputTokens", coalesce(shares."totalTokens", 0) AS "totalTokens",
	coalesce(shares."totalCost", 0) AS "totalCost", coalesce(shares."requests", 0) AS "requests",
	coalesce(shares."unpricedRequests", 0) AS "unpricedRequests", coalesce(shares."unpricedTokens", 0) AS "unpricedTokens"
FROM shares FULL JOIN calls ON calls.level = shares.level AND calls."key" IS NOT DISTINCT FROM shares."key"
WHERE coalesce(shares."requests", 0) > 0 OR coalesce(calls."calls", 0) > 0
ORDER BY level DESC, "totalCost" DESC, "totalTokens" DESC, "calls" DESC, "key"`, "{where}", f.where())
}

func printTools(e *env, _ string, rows []*toolRow, totals toolRow) {
	t := table{head: []string{"tool", "category", "calls", "success", "sessions", "output", "total tokens", "cost $"}}
	t.right = map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true}
	add := func(name string, row *toolRow) {
		rate := "–"
		if row.SuccessRate != nil {
			rate = strconv.FormatFloat(100**row.SuccessRate, 'f', 1, 64) + " %"
		}
		cost := counts{TotalCost: row.TotalCost, confidence: row.confidence}
		t.add(name, row.ToolCategory, count(row.Calls), rate, count(row.Sessions), count(row.OutputTokens), count(row.TotalTokens), cost.cost())
	}
	for _, row := range rows {
		name := row.ToolName
		if name == "answer" && row.Calls == 0 {
			name = "(no tool: answers)"
		}
		add(name, row)
	}
	add("total", &totals)
	t.write(e.stdout)
	e.printf("\nA response's cost is shared equally over the tool calls that it made.")
	totals.notes(e)
}
