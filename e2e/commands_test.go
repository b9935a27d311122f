package e2e_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDeploy: streams are compared, made, and then are as they should be.
func TestDeploy(t *testing.T) {
	t.Parallel()
	env := []string{"NATS_URL=" + startNATS(t).url()}
	if r := runProgram(t, env, "deploy", "--check"); r.code != 3 || !strings.Contains(r.stdout, "CONVERSATIONS") {
		t.Errorf("deploy --check on an empty server: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := runProgram(t, env, "deploy"); r.code != 0 {
		t.Errorf("deploy: exit code %d\n%s", r.code, r.stderr)
	}
	if r := runProgram(t, env, "deploy", "--check"); r.code != 0 || !strings.Contains(r.stdout, "nothing to change") {
		t.Errorf("deploy --check afterwards: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := runProgram(t, append(env, "DATA_DIR="+t.TempDir()), "doctor"); r.code != 0 || !strings.Contains(r.stdout, "streams as they should be") {
		t.Errorf("doctor: exit code %d\n%s", r.code, r.stdout)
	}
	refused(t, 2, []string{"NATS_URL"}, nil, "deploy")
}

// TestPipeline: one run of all steps offline, then nothing is left to do.
func TestPipeline(t *testing.T) {
	t.Parallel()
	dir, truth := generate(t, "--sessions", "5", "--seed", "51")
	data := t.TempDir()
	out := mustRun(t, "pipeline", "--transcripts", dir, "--data-dir", data)
	for _, want := range []string{"extract", "load", "transform", "validate", "no suites yet"} {
		if !strings.Contains(out, want) {
			t.Errorf("pipeline does not tell of %q:\n%s", want, out)
		}
	}
	if n := number(t, data, "SELECT count(*) FROM marts.dim_sessions"); n != int64(truth.Sessions) {
		t.Errorf("%d sessions, want %d", n, truth.Sessions)
	}
	status := mustRun(t, "status", "--data-dir", data)
	for _, want := range []string{"none runs", "stream ", "warehouse ", "messages behind", "models      last refresh", "tests ", "freshness "} {
		if !strings.Contains(status, want) {
			t.Errorf("status tells nothing of %q:\n%s", want, status)
		}
	}
	var steps []struct{ Step, Outcome string }
	if err := json.Unmarshal([]byte(mustRun(t, "pipeline", "--json", "--skip-extract", "--skip-load", "--data-dir", data)), &steps); err != nil {
		t.Fatal(err)
	}
	if len(steps) != 4 || steps[0].Outcome != "skipped" || steps[2].Outcome != "done" {
		t.Errorf("steps: %+v", steps)
	}
	// A backfill reads everything again, under the same keys.
	mustRun(t, "extract", "--full-backfill", "--transcripts", dir, "--data-dir", data)
	mustRun(t, "load", "--data-dir", data)
	if n := number(t, data, "SELECT count(*) FROM raw.conversations"); n != truth.Objects {
		t.Errorf("%d rows after a backfill, want %d", n, truth.Objects)
	}
	if out := mustRun(t, "load", "--stats", "--data-dir", data); !strings.Contains(out, "by project") {
		t.Errorf("load --stats: %s", out)
	}
}

// TestQueryIsReadOnly: what would write or read files is refused, and nothing was written.
func TestQueryIsReadOnly(t *testing.T) {
	t.Parallel()
	dir, _ := generate(t, "--sessions", "2", "--seed", "52")
	data := t.TempDir()
	untilIdle(t, data, dir) // so that only a written row could change the count
	startService(t, data, nil, "up", "--transcripts", dir, "--source", "test").info()
	eventually(t, "the marts are published", func() bool {
		return runProgram(t, nil, "query", "--data-dir", data, "SELECT 1").code == 0
	})
	before := number(t, data, "SELECT count(*) FROM marts.fct_messages")
	for _, sql := range []string{
		"DROP TABLE marts.fct_messages",
		"DELETE FROM marts.fct_messages",
		"COPY marts.fct_messages TO '" + filepath.Join(data, "stolen.csv") + "'",
		"SELECT * FROM read_csv('/etc/passwd')",
		"SELECT * FROM '/etc/passwd'",
		"ATTACH '/tmp/x.duckdb'",
		"SELECT 1; SELECT 2",
		"PRAGMA database_list",
		"SET memory_limit = '1TB'",
		"SELECT getenv('HOME')",
	} {
		if r := runProgram(t, nil, "query", "--data-dir", data, sql); r.code == 0 {
			t.Errorf("%s was answered:\n%s", sql, r.stdout)
		}
	}
	if after := number(t, data, "SELECT count(*) FROM marts.fct_messages"); after != before {
		t.Errorf("%d messages, %d before", after, before)
	}
	if out := mustRun(t, "query", "--csv", "--data-dir", data, "SELECT 1 AS a, NULL AS b"); out != "a,b\n1,\n" {
		t.Errorf("csv: %q", out)
	}
}

// TestTyposReachNobody: what is mistyped is refused by the running service, and changes nothing of how it stands.
func TestTyposReachNobody(t *testing.T) {
	t.Parallel()
	dir, truth := generate(t, "--sessions", "3", "--seed", "53")
	data := t.TempDir()
	untilIdle(t, data, dir)
	p := startService(t, data, nil, "up", "--transcripts", dir, "--source", "test")
	p.info()
	eventually(t, "the service answers", func() bool { return runProgram(t, nil, "status", "--data-dir", data).code == 0 })
	refused(t, 2, []string{`"nope" matches no model`}, nil, "transform", "--models", "nope", "--data-dir", data)
	refused(t, 2, []string{`"nope" matches no model`}, nil, "pipeline", "--models", "nope", "--transcripts", dir, "--data-dir", data)
	if code, body := p.get("/api/health"); code != 200 {
		t.Errorf("not ready after a selector that is mistyped: %d %s", code, body)
	}
	out, err := exec.Command(tool(t, "nats"), "--server", p.info().NATSURL, "request", "claude-analytics.gc", `{"older_than":"1d","dryrun":true}`).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "dry_run") {
		t.Errorf("a dry run that is misspelt: %v\n%s", err, out)
	}
	for _, args := range [][]string{{"load"}, {"load", "--stats"}} {
		if out := mustRun(t, append(args, "--data-dir", data)...); strings.Contains(out, "raw.conversations: 0 rows") || !strings.Contains(out, "by project") {
			t.Errorf("%v on a running service with %d rows:\n%s", args, truth.Objects, out)
		}
	}
	if n := number(t, data, "SELECT count(*) FROM raw.conversations"); n != truth.Objects {
		t.Errorf("%d rows, want %d", n, truth.Objects)
	}
}

// TestStatusWatchGoesOn: it looks on while the service stops and starts, until it is stopped itself.
func TestStatusWatchGoesOn(t *testing.T) {
	t.Parallel()
	dir, _ := generate(t, "--sessions", "2", "--seed", "54")
	data := t.TempDir()
	p := startService(t, data, nil, "up", "--transcripts", dir, "--source", "test")
	p.info()
	eventually(t, "the service answers", func() bool { return runProgram(t, nil, "status", "--data-dir", data).code == 0 })
	watch := startService(t, data, nil, "status", "--watch")
	time.Sleep(2 * time.Second)
	if code := p.stop(); code != 0 {
		t.Errorf("the service ended with %d", code)
	}
	eventually(t, "the watcher says that the service is gone", func() bool { return strings.Contains(watch.logs(), "looking again") })
	p = startService(t, data, nil, "up", "--transcripts", dir, "--source", "test")
	p.info()
	time.Sleep(2 * time.Second)
	if !watch.running() {
		t.Fatalf("the watcher ended with %d", watch.cmd.ProcessState.ExitCode())
	}
	if code := watch.stop(); code != 0 {
		t.Errorf("the watcher ended with %d", code)
	}
}

// TestHelpAndCompletion: every command explains itself.
func TestHelpAndCompletion(t *testing.T) {
	t.Parallel()
	top := mustRun(t, "--help")
	for _, command := range strings.Fields("up ingest warehouse extract load transform pipeline status doctor config query report verify replay dlq gc deploy generate version completion") {
		if !strings.Contains(top, command) {
			t.Errorf("help does not name %s", command)
		}
		if out := mustRun(t, command, "--help"); !strings.Contains(out, "Usage:") {
			t.Errorf("%s --help: %s", command, out)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if out := mustRun(t, "completion", shell); !strings.Contains(out, "transform") {
			t.Errorf("completion %s: %s", shell, out)
		}
	}
}
