package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"claude-analytics/internal/generator"
)

// costsAsTruth compares costs, to the billionth of a dollar, by model, day and session, and in each mart that sums them up.
func costsAsTruth(t *testing.T, data string, truth *generator.Truth) {
	t.Helper()
	var parts []string
	sum := func(what, mart, key string) {
		parts = append(parts, fmt.Sprintf("SELECT '%s' || %s AS k, (sum(cost_usd) * 1000000000::DECIMAL(10, 0))::BIGINT AS n FROM marts.%s GROUP BY ALL", what, key, mart))
	}
	marts := []string{
		"fct_api_requests", "agg_session_models", "dim_sessions", "dim_projects", "dim_models", "agg_daily_summary", "fct_turns",
		"fct_cost_attribution", "fct_blocks_5h",
	}
	for _, mart := range marts {
		sum("all of "+mart, mart, "''")
	}
	sum("model ", "fct_api_requests", "coalesce(model, '')")
	sum("session ", "dim_sessions", "session_id")
	sum("day ", "agg_daily_summary", "date_key")
	parts = append(parts, "SELECT 'unpriced', count(*) FROM marts.fct_api_requests WHERE NOT is_priced")
	got := map[string]int64{}
	for _, row := range rows(t, data, strings.Join(parts, " UNION ALL ")) {
		if n, ok := row["n"].(json.Number); ok {
			got[fmt.Sprint(row["k"])], _ = n.Int64()
		}
	}
	check := func(what string, want int64) {
		t.Helper()
		if got[what] != want {
			t.Errorf("cost of %s: %d billionths, the truth is %d", what, got[what], want)
		}
	}
	for _, mart := range marts {
		check("all of "+mart, truth.Tokens.Cost)
	}
	for model, tokens := range truth.ModelTokens {
		check("model "+model, tokens.Cost)
	}
	for _, session := range truth.PerSession {
		check("session "+session.ID, session.Tokens.Cost)
	}
	for _, day := range truth.Days {
		if day.Date != "" { // what has no time of its own stands on the day it arrived
			check("day "+day.Date, day.Tokens.Cost)
		}
	}
	check("unpriced", truth.Tokens.Unpriced)
}

// TestReports: live and offline say the same, what is added up is the truth, and a price list of one's own is applied,
// or refused while the marts stay as they are.
func TestReports(t *testing.T) {
	t.Parallel()
	long(t)
	dir, truth := generate(t, "--sessions", "6", "--seed", "23")
	prices := filepath.Join(t.TempDir(), "prices.csv")
	writePrices := func(rows string) {
		t.Helper()
		head := "model_id,effective_from,effective_to,input_usd,output_usd,cache_read_usd,cache_write_5m_usd,cache_write_1h_usd\n"
		if err := os.WriteFile(prices, []byte(head+rows), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	writePrices("")
	p := startService(t, t.TempDir(), []string{"PRICES=" + prices}, "up", "--transcripts", dir)
	p.info()
	report := func(kind string, args ...string) string {
		t.Helper()
		return mustRun(t, append([]string{"report", kind, "--json", "--data-dir", p.dataDir}, args...)...)
	}
	type totals struct {
		TotalTokens, Requests int64
		TotalCost             json.Number
	}
	totalsOf := func(text string) (out totals) {
		t.Helper()
		var answer struct{ Totals totals }
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatal(err)
		}
		return answer.Totals
	}
	billionths := func(n json.Number) (out int64) {
		value, err := n.Float64()
		if err != nil {
			t.Fatal(err)
		}
		return int64(value*1e9 + 0.5)
	}
	eventually(t, "all requests are in the marts", func() bool {
		return soon(t, p.dataDir, "SELECT count(*) FROM marts.fct_api_requests WHERE NOT is_api_error") == truth.APIRequests
	})
	kinds := []string{"daily", "monthly", "session", "project", "model", "tool", "blocks"}
	live := map[string]string{}
	for _, kind := range kinds {
		live[kind] = report(kind)
		got := totalsOf(live[kind])
		if got.TotalTokens != truth.Tokens.Total || got.Requests != truth.APIRequests || billionths(got.TotalCost) != truth.Tokens.Cost {
			t.Errorf("report %s: %+v; the truth is %d tokens, %d requests, %d billionths", kind, got, truth.Tokens.Total, truth.APIRequests, truth.Tokens.Cost)
		}
		if text := mustRun(t, "report", kind, "--data-dir", p.dataDir); !strings.Contains(text, "API-equivalent") {
			t.Errorf("report %s for people:\n%s", kind, text)
		}
	}

	// Everything for nothing; then a list that contradicts itself.
	var free strings.Builder
	for model := range truth.ModelTokens {
		fmt.Fprintf(&free, "%s,,,0,0,0,0,0\n", bareModel(model))
	}
	writePrices(free.String())
	mustRun(t, "transform", "--data-dir", p.dataDir)
	searches := number(t, p.dataDir, "SELECT sum(web_search_requests) FROM marts.fct_api_requests WHERE is_priced")
	if got := billionths(totalsOf(report("daily")).TotalCost); got != searches*10_000_000 {
		t.Errorf("with prices of nothing: %d billionths, %d searches", got, searches)
	}
	writePrices("some-model,,,1,1,1,1,1\nsome-model,2026-01-01,,1,1,1,1,1\n")
	r := runProgram(t, nil, "transform", "--data-dir", p.dataDir)
	if r.code == 0 || !strings.Contains(r.stderr, "prices.csv:3: some-model has another price for the same size of prompt in line 2") {
		t.Errorf("overlapping prices: exit code %d\n%s", r.code, r.stderr)
	}
	if got := billionths(totalsOf(report("daily")).TotalCost); got != searches*10_000_000 {
		t.Errorf("the marts did not stay: %d billionths", got)
	}
	writePrices("")
	mustRun(t, "transform", "--data-dir", p.dataDir)
	p.stop()
	for _, kind := range kinds {
		if offline := report(kind); offline != live[kind] {
			t.Errorf("report %s offline:\n%s\nlive:\n%s", kind, offline, live[kind])
		}
	}
	refused(t, 2, []string{"--since"}, nil, "report", "daily", "--since", "yesterday", "--data-dir", p.dataDir)
	refused(t, 2, []string{"--project"}, nil, "report", "blocks", "--project", "x", "--data-dir", p.dataDir)
}

// bareModel is a model without its version date.
func bareModel(model string) string {
	if i := strings.LastIndex(model, "-20"); i > 0 {
		return model[:i]
	}
	return model
}

// sameAsCCUsage compares the tokens of a data folder's reports with ccusage's of the same transcripts.
func sameAsCCUsage(t *testing.T, transcripts, data string) {
	t.Run("tokens equal ccusage's", func(t *testing.T) {
		path, err := filepath.Abs(binary)
		if err != nil {
			t.Fatal(err)
		}
		script := exec.Command("../scripts/compare-ccusage.sh", transcripts, data)
		script.Env = append(os.Environ(), "CLAUDE_ANALYTICS="+path)
		out, err := script.CombinedOutput()
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit) && exit.ExitCode() == 4:
			t.Skip(strings.TrimSpace(string(out)))
		case err != nil:
			t.Errorf("%v\n%s", err, out)
		}
	})
}
