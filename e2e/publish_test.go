package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPublishedCopyIsReadByOthers: a stock DuckDB opens marts.duckdb while the service runs and replaces it; `query` is
// answered by it, and says what it does not hold; Parquet comes out of each way to ask.
func TestPublishedCopyIsReadByOthers(t *testing.T) {
	t.Parallel()
	long(t)
	dir, truth := generate(t, "--sessions", "4", "--seed", "53")
	data := t.TempDir()
	p := startService(t, data, nil, "up", "--transcripts", dir, "--source", "test")
	p.info()
	published := func(sql string) string {
		return strings.TrimSpace(runProgram(t, nil, "query", "--csv", "--data-dir", data, sql).stdout)
	}
	eventually(t, "the sessions are published", func() bool {
		return published("SELECT count(*) AS n FROM marts.dim_sessions") == fmt.Sprintf("n\n%d", truth.Sessions)
	})
	python, err := filepath.Abs(filepath.Join("..", ".tools", "venv", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("%s is missing: run `make tools`", python)
	}
	out, err := exec.Command(python, "testdata/read_marts.py", filepath.Join(data, "marts.duckdb"), "1").CombinedOutput()
	var seen struct {
		Opened, Versions, Sessions, Described int
		Falling                               bool
		Faults                                []any
	}
	if err != nil || json.Unmarshal(out, &seen) != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if seen.Sessions != truth.Sessions || len(seen.Faults) > 0 || seen.Falling || seen.Described < 200 {
		t.Errorf("the reader saw %s", out)
	}
	if r := runProgram(t, nil, "query", "--data-dir", data, "SELECT count(*) FROM raw.conversations"); r.code == 0 || !strings.Contains(r.stderr, "--raw") {
		t.Errorf("bronze on the copy: exit code %d\n%s", r.code, r.stderr)
	}
	for i, args := range [][]string{{}, {"--raw"}} {
		file := filepath.Join(t.TempDir(), fmt.Sprintf("%d.parquet", i))
		mustRun(t, append([]string{"query", "--data-dir", data, "--parquet", file, "SELECT session_id, total_tokens, session_start FROM marts.dim_sessions"}, args...)...)
		if text, err := os.ReadFile(file); err != nil || len(text) < 100 || string(text[:4]) != "PAR1" {
			t.Errorf("%v: %v", args, err)
		}
	}
	if code, body := p.get("/api/v1/marts/dim_sessions?format=csv&columns=session_id&limit=1000"); code != 200 || strings.Count(body, "\n") != truth.Sessions+1 {
		t.Errorf("over HTTP: %d %s", code, body)
	}
	// A function's result is no part of DuckDB's memory limit; the process that runs it has one of its own.
	if r := runProgram(t, nil, "query", "--data-dir", data, "SELECT repeat('x', 2000000000)"); r.code == 0 || !strings.Contains(r.stderr, "memory") {
		t.Errorf("two gigabytes: exit code %d\n%s", r.code, r.stderr)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left, _ := filepath.Glob(filepath.Join(data, ".publish", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if got := published("SELECT count(*) AS n FROM raw.conversations WHERE false"); got != "n\n0" {
		t.Errorf("offline: %q", got)
	}
}
