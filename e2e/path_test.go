package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"claude-analytics/internal/generator"
)

// marts are compared between a run and its rebuild.
var marts = []string{
	"dim_sessions", "dim_projects", "dim_tools", "fct_messages", "fct_tool_calls", "fct_api_requests", "agg_daily_summary",
	"dim_date", "fct_file_operations", "agg_hourly_activity", "agg_session_metrics", "agg_tool_efficiency", "agg_code_changes",
	"dim_models", "fct_turns", "fct_subagent_runs", "fct_git_operations", "fct_cost_attribution", "fct_blocks_5h", "agg_session_models",
}

// martSums is the content of each mart, whatever the order of its rows.
func martSums(t testing.TB, dataDir string) map[string]string {
	t.Helper()
	var parts []string
	for _, mart := range marts {
		parts = append(parts, fmt.Sprintf("SELECT '%s' AS mart, concat_ws(' ', count(*), bit_xor(hash(x)), sum(hash(x)::HUGEINT)) AS content FROM marts.%s x", mart, mart))
	}
	sums := map[string]string{}
	for _, row := range rows(t, dataDir, strings.Join(parts, " UNION ALL ")) {
		sums[fmt.Sprint(row["mart"])] = fmt.Sprint(row["content"])
	}
	return sums
}

func sameMarts(t testing.TB, got, want map[string]string, what string) {
	t.Helper()
	for _, mart := range marts {
		if got[mart] != want[mart] {
			t.Errorf("%s: marts.%s is %s, want %s", what, mart, got[mart], want[mart])
		}
	}
}

func TestRealTranscripts(t *testing.T) {
	t.Parallel()
	dir := transcripts(t)
	data := t.TempDir()
	const tokens = "SELECT sum(input_tokens + output_tokens + cache_creation_tokens + cache_read_tokens) FROM marts.fct_api_requests"
	want := map[string]int64{"rows": 2789, "keys": 2789, "tool calls": 588, "pending": 1, "orphans": 0, "tokens": 24_084_636}
	for run := 1; run <= 2; run++ { // the second run must add nothing
		untilIdle(t, data, dir)
		got := numbers(t, data, map[string]string{
			"rows":       "SELECT count(*) FROM raw.conversations",
			"keys":       "SELECT count(DISTINCT (source, _id)) FROM raw.conversations",
			"tool calls": "SELECT count(*) FROM marts.fct_tool_calls",
			"pending":    "SELECT count(*) FROM marts.fct_tool_calls WHERE status = 'pending'",
			"orphans":    "SELECT count(*) FROM marts.fct_tool_calls WHERE status = 'orphan_result'",
			"tokens":     tokens,
		})
		for what, n := range want {
			if got[what] != n {
				t.Errorf("run %d: %s: %d, want %d", run, what, got[what], n)
			}
		}
	}
	if max := number(t, data, "SELECT max(_seq) FROM raw.conversations"); max > 2789+200 {
		t.Errorf("the second run published again: sequence %d", max)
	}
	sameAsCCUsage(t, dir, data)
}

func TestHardSeeds(t *testing.T) {
	t.Parallel()
	long(t)
	seeds := []int{1}
	if os.Getenv("LONG") != "" {
		seeds = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			dir, truth := generate(t, "--hard", "--sessions", "40", "--seed", fmt.Sprint(seed))
			data := t.TempDir()
			untilIdle(t, data, dir)
			sameAsTruth(t, data, truth)
			sameMartsAsTruth(t, data, truth)
			// The summary is of what is held, also where this run brought nothing.
			again := mustRun(t, "up", "--until-idle", "--transcripts", dir, "--source", "test", "--data-dir", data)
			if !regexp.MustCompile(fmt.Sprintf(`dead letters\s+%d\n`, len(truth.Broken))).MatchString(again) {
				t.Errorf("the second run does not tell of %d dead letters:\n%s", len(truth.Broken), again)
			}
		})
	}
}

// sameAsTruth compares the warehouse of a generated folder with what the generator knows.
func sameAsTruth(t *testing.T, data string, truth *generator.Truth) {
	t.Helper()
	const all = "input_tokens + output_tokens + cache_creation_tokens + cache_read_tokens"
	queries, want := map[string]string{}, map[string]int64{}
	expect := func(what string, n int64, sql string) { queries[what], want[what] = sql, n }
	expect("objects", truth.Objects, "SELECT count(*) FROM raw.conversations")
	expect("keys", truth.Objects, "SELECT count(DISTINCT (source, _id)) FROM raw.conversations")
	expect("sessions", int64(truth.Sessions), "SELECT count(*) FROM marts.dim_sessions")
	for role, n := range truth.Messages {
		expect("messages of "+role, n, "SELECT count(*) FROM marts.fct_messages WHERE role = '"+role+"'")
	}
	expect("tool calls", truth.ToolCalls, "SELECT count(*) FROM marts.fct_tool_calls WHERE status <> 'orphan_result'")
	for status, n := range truth.ToolStatuses {
		expect("tool calls "+status, n, "SELECT count(*) FROM marts.fct_tool_calls WHERE status = '"+status+"'")
	}
	for tool, statuses := range truth.Tools {
		total := int64(0)
		for _, n := range statuses {
			total += n
		}
		expect("calls of "+tool, total, "SELECT count(*) FROM marts.fct_tool_calls WHERE tool_name = '"+tool+"'")
	}
	expect("api requests", truth.APIRequests, "SELECT count(*) FROM marts.fct_api_requests WHERE NOT is_api_error")
	for column, n := range map[string]int64{
		"input_tokens": truth.Tokens.Input, "output_tokens": truth.Tokens.Output,
		"cache_read_tokens": truth.Tokens.CacheRead, "cache_creation_tokens": truth.Tokens.CacheCreation,
	} {
		expect(column, n, "SELECT coalesce(sum("+column+"), 0) FROM marts.fct_api_requests")
	}
	for model, tokens := range truth.ModelTokens {
		expect("tokens of "+model, tokens.Total, "SELECT coalesce(sum("+all+"), 0) FROM marts.fct_api_requests WHERE model = '"+model+"'")
	}
	for what, got := range numbers(t, data, queries) {
		if got != want[what] {
			t.Errorf("%s: %d, the truth is %d", what, got, want[what])
		}
	}
	if got := deadLetters(t, data); got != int64(len(truth.Broken)) {
		t.Errorf("dead letters: %d, the truth is %d", got, len(truth.Broken))
	}
	bySession := map[string]int64{}
	for _, row := range rows(t, data, "SELECT session_id, sum("+all+")::BIGINT AS n FROM marts.fct_api_requests GROUP BY ALL") {
		bySession[fmt.Sprint(row["session_id"])], _ = row["n"].(json.Number).Int64()
	}
	for _, session := range truth.PerSession {
		if bySession[session.ID] != session.Tokens.Total {
			t.Errorf("tokens of session %s: %d, the truth is %d", session.ID, bySession[session.ID], session.Tokens.Total)
		}
	}
	costsAsTruth(t, data, truth)
}

// deadLetters counts them in the stopped service's stream, through `status`.
func deadLetters(t testing.TB, dataDir string) int64 {
	t.Helper()
	return statusOf(t, dataDir).Stream.DeadLetters
}

func TestAppendedLineReachesTheMarts(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "projects", "-home-me-work")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "5b7c1d2e-0000-4000-8000-000000000001.jsonl")
	p := startService(t, t.TempDir(), nil, "up", "--transcripts", filepath.Dir(dir))
	p.info()
	for i := range 3 {
		appendLine(t, file, promptLine("5b7c1d2e-0000-4000-8000-000000000001", fmt.Sprintf("u%d", i), "please fix the parser", time.Now()))
		eventually(t, "the prompt is in fct_messages", func() bool {
			return soon(t, p.dataDir, "SELECT count(*) FROM marts.fct_messages") == int64(i+1)
		})
	}
	if status, body := p.get("/api/health"); status != 200 {
		t.Errorf("health: %d %s", status, body)
	}
	if _, body := p.get("/metrics"); !strings.Contains(body, "analytics_sink_rows_total") || !strings.Contains(body, "analytics_modeler_refresh_seconds") {
		t.Errorf("metrics lack what they promise:\n%s", tail(body, 40))
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code after SIGTERM: %d", code)
	}
}

func promptLine(session, uuid, text string, at time.Time) string {
	return fmt.Sprintf(`{"type":"user","uuid":%q,"sessionId":%q,"timestamp":%q,"cwd":"/home/me/work","version":"2.1.100","message":{"role":"user","content":%q}}`,
		uuid, session, at.UTC().Format("2006-01-02T15:04:05.000Z"), text) + "\n"
}

func appendLine(t testing.TB, file, line string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(line); err != nil {
		t.Fatal(err)
	}
}

func TestWarehouseIsRebuiltFromTheLake(t *testing.T) {
	t.Parallel()
	dir, truth := generate(t, "--sessions", "10", "--seed", "7")
	data := t.TempDir()
	untilIdle(t, data, dir)
	want := martSums(t, data)

	t.Run("deleted, then started", func(t *testing.T) {
		for _, name := range []string{"analytics.duckdb", "analytics.duckdb.wal"} {
			_ = os.Remove(filepath.Join(data, name))
		}
		untilIdle(t, data, dir)
		sameMarts(t, martSums(t, data), want, "rebuilt")
		if n := number(t, data, "SELECT count(*) FROM raw.conversations"); n != truth.Objects {
			t.Errorf("%d rows, want %d", n, truth.Objects)
		}
	})
	t.Run("load --full-refresh", func(t *testing.T) {
		mustRun(t, "load", "--full-refresh", "--data-dir", data)
		mustRun(t, "transform", "--full-refresh", "--data-dir", data)
		sameMarts(t, martSums(t, data), want, "rebuilt")
	})
	t.Run("no temporary file is left", func(t *testing.T) {
		_ = filepath.WalkDir(data, func(path string, _ os.DirEntry, _ error) error {
			if strings.Contains(filepath.Base(path), ".tmp") {
				t.Errorf("left behind: %s", path)
			}
			return nil
		})
	})
	t.Run("the lake opens elsewhere", func(t *testing.T) { readLakeElsewhere(t, data, truth.Objects) })
}

// readLakeElsewhere opens the lake in PyArrow and in a stock DuckDB.
func readLakeElsewhere(t *testing.T, data string, want int64) {
	python, err := filepath.Abs(filepath.Join("..", ".tools", "venv", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("the Python readers are not installed: run `make tools` (%v)", err)
	}
	out, err := exec.Command(python, "testdata/read_lake.py", filepath.Join(data, "raw")).CombinedOutput()
	if err != nil {
		t.Fatalf("read_lake.py: %v\n%s", err, out)
	}
	if got := strings.Fields(string(out)); len(got) != 2 || got[0] != fmt.Sprint(want) || got[1] != fmt.Sprint(want) {
		t.Errorf("PyArrow and DuckDB read %q rows, want %d", out, want)
	}
}
