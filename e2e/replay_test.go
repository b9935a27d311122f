package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// replayed is the part of a replay's answer that tests look at.
type replayed struct {
	Matched    int64  `json:"matched"`
	Applied    int64  `json:"applied"`
	Unchanged  int64  `json:"unchanged"`
	Deleted    int64  `json:"deleted"`
	Dead       int64  `json:"dead"`
	FromStream int64  `json:"from_stream"`
	FromLake   int64  `json:"from_lake"`
	Mode       string `json:"mode"`
	Command    string `json:"command"`
}

func replay(t testing.TB, dataDir string, args ...string) (done replayed) {
	t.Helper()
	out := mustRun(t, append([]string{"replay", "--json", "--data-dir", dataDir}, args...)...)
	if err := json.Unmarshal([]byte(out), &done); err != nil {
		t.Fatalf("replay %v: %v\n%s", args, err, out)
	}
	return done
}

// asPrinted runs a command line that the program printed, with the real nats CLI.
func asPrinted(t testing.TB, command string) (done replayed) {
	t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Env = []string{"PATH=" + filepath.Dir(tool(t, "nats")) + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	if err := json.Unmarshal(out, &done); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return done
}

// byHand changes the warehouse's file with a stock DuckDB, as a person would. No service may run.
func byHand(t testing.TB, dataDir string, statements ...string) {
	t.Helper()
	python, err := filepath.Abs(filepath.Join("..", ".tools", "venv", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	program := "import duckdb, sys\nc = duckdb.connect(sys.argv[1])\nfor s in sys.argv[2:]: c.execute(s)\nc.close()"
	args := append([]string{"-c", program, filepath.Join(dataDir, "analytics.duckdb")}, statements...)
	if out, err := exec.Command(python, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", statements, err, out)
	}
}

// bronzeSums is the content of the raw tables but for one session's rows, whatever their order.
func bronzeSums(t testing.TB, dataDir, without string) string {
	t.Helper()
	var parts []string
	for _, from := range []string{
		"SELECT * FROM raw.conversations WHERE session_id IS DISTINCT FROM '" + without + "'",
		"SELECT * FROM raw.content_blocks WHERE session_id IS DISTINCT FROM '" + without + "'",
		"SELECT DISTINCT key, session_id FROM raw.link_keys WHERE session_id <> '" + without + "'",
		"SELECT * FROM raw.tombstones",
		"SELECT letter, _epoch, _seq FROM meta.dead_letters",
	} {
		parts = append(parts, "(SELECT concat_ws(' ', count(*), bit_xor(hash(x)), sum(hash(x)::HUGEINT)) FROM ("+from+") x)")
	}
	return fmt.Sprint(rows(t, dataDir, "SELECT concat_ws(', ', "+strings.Join(parts, ", ")+") AS content")[0]["content"])
}

// writeLines appends so many lines of a session of its own to a folder of transcripts.
func writeLines(t testing.TB, dir, session string, from, n int) {
	t.Helper()
	folder := filepath.Join(dir, "-live-project")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(filepath.Join(folder, session+".jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for i := from; i < from+n; i++ {
		fmt.Fprintf(file, `{"type":"user","uuid":"live-%d","sessionId":%q,"timestamp":"2026-01-15T10:00:00Z","message":{"role":"user","content":"live %d"}}`+"\n", i, session, i)
	}
}

// TestReplay: rows that somebody deleted come back, exactly they, asked for with the real nats CLI while live documents
// go on; from the lake once the stream no longer holds them; and rows that older rules made are made anew.
func TestReplay(t *testing.T) {
	t.Parallel()
	long(t)
	dir, _ := generate(t, "--sessions", "8", "--seed", "71")
	data := t.TempDir()
	untilIdle(t, data, dir)
	const live = "live-session"
	before, martsBefore := bronzeSums(t, data, live), martSums(t, data)
	place := rows(t, data, `SELECT project_id, count(*) AS n FROM raw.conversations WHERE project_id IS NOT NULL GROUP BY 1 ORDER BY 2 LIMIT 1`)[0]
	project := fmt.Sprint(place["project_id"])
	date := fmt.Sprint(rows(t, data, `SELECT date::VARCHAR AS d FROM raw.conversations WHERE project_id <> '`+project+`' GROUP BY 1 ORDER BY count(*) DESC LIMIT 1`)[0]["d"])
	lost := number(t, data, `SELECT count(*) FROM raw.conversations WHERE project_id = '`+project+`' OR date = '`+date+`'`)
	damage := []string{
		`DELETE FROM raw.content_blocks WHERE (source, _id) IN (SELECT (source, _id) FROM raw.conversations WHERE project_id = '` + project + `')`,
		`DELETE FROM raw.conversations WHERE project_id = '` + project + `'`,
		// Of the day the blocks stay behind.
		`DELETE FROM raw.conversations WHERE date = '` + date + `'`,
	}
	byHand(t, data, damage...)

	// What the command would do, and how to ask the service for it.
	dryProject, dryDay := replay(t, data, "--dry-run", "--project", project), replay(t, data, "--dry-run", "--from", date, "--to", date)
	if dryProject.Mode != "offline" || dryProject.Applied == 0 || dryDay.Applied == 0 {
		t.Errorf("dry runs: %+v, %+v", dryProject, dryDay)
	}
	p := startService(t, data, nil, "up", "--transcripts", dir, "--source", "test")
	p.info()
	eventually(t, "the service answers", func() bool { return soon(t, data, "SELECT 1") == 1 })
	writeLines(t, dir, live, 0, 50)
	byProject := asPrinted(t, replay(t, data, "--dry-run", "--project", project).real())
	writeLines(t, dir, live, 50, 50)
	byDay := asPrinted(t, replay(t, data, "--dry-run", "--from", date, "--to", date).real())
	writeLines(t, dir, live, 100, 50)
	// Rows of both the project and the day came back with the project.
	if byProject.Applied != dryProject.Applied || byProject.Applied+byDay.Applied != lost || byProject.FromLake+byDay.FromLake != 0 {
		t.Errorf("by project %+v, by day %+v, %d rows were lost", byProject, byDay, lost)
	}
	eventually(t, "the live documents arrive", func() bool {
		return soon(t, data, `SELECT count(*) FROM raw.conversations WHERE session_id = '`+live+`'`) == 150
	})
	if after := bronzeSums(t, data, live); after != before {
		t.Errorf("bronze is\n%s, was\n%s", after, before)
	}
	// Nothing is left to do, whatever is asked for.
	batch := `SELECT max(batch) FROM meta.watermarks`
	was := number(t, data, batch)
	for _, args := range [][]string{{}, {"--project", project}} {
		if done := replay(t, data, args...); done.Mode != "live" || done.Applied+done.Deleted != 0 || done.Unchanged == 0 {
			t.Errorf("replay %v of an intact warehouse: %+v", args, done)
		}
	}
	if now := number(t, data, batch); now != was {
		t.Errorf("batch %d, before the replays %d", now, was)
	}
	// Somebody empties the stream, but for its end.
	last := statusOf(t, data).Stream.LastSeq
	if out, err := exec.Command(tool(t, "nats"), "--server", p.info().NATSURL, "stream", "purge", "CONVERSATIONS", "-f", "--seq", fmt.Sprint(last-20)).CombinedOutput(); err != nil {
		t.Fatalf("nats stream purge: %v\n%s", err, out)
	}
	p.stop()

	byHand(t, data, damage...)
	fromLake, dayFromLake := replay(t, data, "--project", project), replay(t, data, "--from", date, "--to", date)
	if fromLake.Applied != byProject.Applied || dayFromLake.Applied != byDay.Applied || fromLake.FromStream+dayFromLake.FromStream != 0 || fromLake.FromLake == 0 {
		t.Errorf("from the lake: %+v, %+v", fromLake, dayFromLake)
	}
	byHand(t, data, `UPDATE raw.conversations SET _rules = 0, message_content = 'as an older release had it', input_tokens = 7 WHERE project_id = '`+project+`'`)
	if done := replay(t, data, "--project", project); done.Applied != byProject.Matched || done.Unchanged != 0 {
		t.Errorf("other rules: %+v", done)
	}
	if after := bronzeSums(t, data, live); after != before {
		t.Errorf("in the end bronze is\n%s, was\n%s", after, before)
	}
	// The marts followed; without the live session they are what they were.
	byHand(t, data, `INSERT INTO meta.changed_keys SELECT (SELECT max(batch) FROM meta.watermarks), session_id, date FROM raw.conversations WHERE session_id = '`+live+`'`,
		`DELETE FROM raw.content_blocks WHERE session_id = '`+live+`'`, `DELETE FROM raw.conversations WHERE session_id = '`+live+`'`)
	mustRun(t, "transform", "--data-dir", data)
	sameMarts(t, martSums(t, data), martsBefore, "after all replays")
	refused(t, 2, []string{"yesterday", "neither a date"}, nil, "replay", "--data-dir", data, "--from", "yesterday")
	refused(t, 1, []string{"no warehouse"}, nil, "replay", "--data-dir", t.TempDir())
}

// real is the printed command without its dry run.
func (r replayed) real() string {
	return strings.Replace(r.Command, `,"dry_run":true`, "", 1)
}

// TestBackfillByItself: a DATA_DIR that holds the lake alone comes to the same marts; one that holds nothing takes what
// the stream still has and tells what it has not; a rebuild that is killed goes on.
func TestBackfillByItself(t *testing.T) {
	t.Parallel()
	long(t)
	dir, truth := generate(t, "--sessions", "10", "--seed", "72")
	bus := startNATS(t)
	env := []string{"NATS_URL=" + bus.url()}
	if r := runProgram(t, env, "extract", "--transcripts", dir, "--data-dir", t.TempDir()); r.code != 0 {
		t.Fatalf("extract: %s", r.stderr)
	}
	data := t.TempDir()
	for _, step := range []string{"load", "transform"} {
		if r := runProgram(t, env, step, "--data-dir", data); r.code != 0 {
			t.Fatalf("%s: %s", step, r.stderr)
		}
	}
	want := martSums(t, data)

	// A rebuild is killed; nothing makes marts of the part, and the next load finishes it.
	rebuild := startService(t, data, append(env, "LOG_LEVEL=debug", "BATCH_SIZE=100"), "load", "--full-refresh")
	eventually(t, "the rebuild began", func() bool {
		return strings.Contains(rebuild.logs(), "rebuild from the lake started") || !rebuild.running()
	})
	rebuild.kill()
	if number(t, data, "SELECT count(*) FROM meta.rebuilds WHERE finished_at IS NULL") > 0 {
		refused(t, 1, []string{"partly filled", "load"}, env, "transform", "--data-dir", data)
	}
	if r := runProgram(t, env, "load", "--data-dir", data); r.code != 0 {
		t.Fatalf("load: %s", r.stderr)
	}
	if n := number(t, data, "SELECT count(*) FROM raw.conversations"); n != truth.Objects {
		t.Errorf("%d rows after a rebuild that was killed, want %d", n, truth.Objects)
	}
	if r := runProgram(t, env, "transform", "--data-dir", data); r.code != 0 {
		t.Fatalf("transform: %s", r.stderr)
	}
	sameMarts(t, martSums(t, data), want, "rebuilt after a kill")

	// The lake alone.
	onlyLake := t.TempDir()
	if err := os.CopyFS(filepath.Join(onlyLake, "raw"), os.DirFS(filepath.Join(data, "raw"))); err != nil {
		t.Fatal(err)
	}
	p := startService(t, onlyLake, env, "warehouse")
	eventually(t, "the marts are there", func() bool {
		return soon(t, onlyLake, "SELECT count(*) FROM raw.conversations") == truth.Objects &&
			soon(t, onlyLake, "SELECT count(*) FROM marts.dim_sessions") == int64(truth.Sessions)
	})
	if !strings.Contains(p.logs(), "filled from the lake") {
		t.Error("the log does not say that the warehouse is filled from the lake")
	}
	if n := number(t, onlyLake, "SELECT count(*) FROM meta.gaps"); n != 0 {
		t.Errorf("%d gaps", n)
	}
	p.stop()
	sameMarts(t, martSums(t, onlyLake), want, "from the lake alone")

	// Nothing, beside a stream whose start is gone.
	if out, err := exec.Command(tool(t, "nats"), "--server", bus.url(), "stream", "purge", "CONVERSATIONS", "-f", "--seq", "301").CombinedOutput(); err != nil {
		t.Fatalf("nats stream purge: %v\n%s", err, out)
	}
	empty := t.TempDir()
	p = startService(t, empty, env, "warehouse")
	eventually(t, "what is left is there", func() bool {
		return soon(t, empty, "SELECT count(*) FROM raw.conversations") > truth.Objects-302 && soon(t, empty, "SELECT count(*) FROM marts.dim_sessions") > 0
	})
	if got := rows(t, empty, "SELECT DISTINCT kind, from_seq, to_seq FROM meta.gaps"); len(got) != 1 || fmt.Sprint(got[0]["kind"], got[0]["from_seq"], got[0]["to_seq"]) != "stream1300" {
		t.Errorf("gaps: %v", got)
	}
	if out := mustRun(t, "status", "--data-dir", empty); !strings.Contains(out, "gap ") || !strings.Contains(out, "300") {
		t.Errorf("status tells of no gap:\n%s", out)
	}
	if !strings.Contains(p.logs(), "messages are missing") {
		t.Error("the log tells of no gap")
	}
}

// TestReplayInterrupted: Ctrl-C ends the replay in the service too, with the exit code of an interruption.
func TestReplayInterrupted(t *testing.T) {
	t.Parallel()
	if os.Getenv("LONG") == "" {
		t.Skip("LONG=1 interrupts a replay")
	}
	dir, _ := generate(t, "--sessions", "12", "--seed", "73")
	data := t.TempDir()
	untilIdle(t, data, dir)
	byHand(t, data, "DELETE FROM raw.conversations", "DELETE FROM raw.content_blocks")
	startService(t, data, []string{"BATCH_SIZE=50"}, "up", "--transcripts", dir, "--source", "test").info()
	eventually(t, "the service answers", func() bool { return soon(t, data, "SELECT 1") == 1 })
	command := startService(t, data, nil, "replay")
	eventually(t, "some rows are back", func() bool { return soon(t, data, "SELECT count(*) FROM raw.conversations") > 0 })
	_ = command.cmd.Process.Signal(syscall.SIGINT)
	code := command.wait()
	var done struct{ Running bool }
	eventually(t, "the service's replay has ended", func() bool {
		out := mustRun(t, "replay", "--json", "--dry-run", "--to-seq", "1", "--data-dir", data)
		return json.Unmarshal([]byte(out), &done) == nil && !done.Running
	})
	// It may have been done before it was told.
	if code != 130 && code != 0 {
		t.Errorf("exit code %d", code)
	}
	replay(t, data)
	if again := replay(t, data); again.Applied != 0 {
		t.Errorf("again: %+v", again)
	}
}
