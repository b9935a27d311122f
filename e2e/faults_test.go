package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// statusReport is the part of `status --json` that tests look at.
type statusReport struct {
	Stream struct {
		DeadLetters int64  `json:"dead_letters"`
		LastSeq     uint64 `json:"last_seq"`
	} `json:"stream"`
	Sink struct {
		Warehouse struct {
			Lag   int64  `json:"lag"`
			Epoch uint64 `json:"epoch"`
		} `json:"warehouse"`
	} `json:"sink"`
}

func statusOf(t testing.TB, dataDir string) statusReport {
	t.Helper()
	var report statusReport
	out := mustRun(t, "status", "--json", "--data-dir", dataDir)
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("status: %v\n%s", err, out)
	}
	if camel := regexp.MustCompile(`"[a-z_]+[A-Z]\w*":`).FindAllString(out, -1); camel != nil {
		t.Errorf("status names %q in another way than all else", camel)
	}
	return report
}

// refused runs the program and expects an exit code and words in its error.
func refused(t *testing.T, code int, words []string, env []string, args ...string) {
	t.Helper()
	r := runProgram(t, env, args...)
	if r.code != code {
		t.Errorf("%v: exit code %d, want %d\n%s%s", args, r.code, code, r.stdout, r.stderr)
	}
	for _, word := range words {
		if !strings.Contains(r.stderr, word) {
			t.Errorf("%v: the error does not say %q:\n%s", args, word, r.stderr)
		}
	}
	if strings.Contains(r.stderr, "panic") || strings.Contains(r.stderr, "goroutine ") {
		t.Errorf("%v: panicked:\n%s", args, r.stderr)
	}
}

// TestUnreachableBus: who gives one answer does not wait for ever, and says what was asked, without its password.
func TestUnreachableBus(t *testing.T) {
	t.Parallel()
	env := []string{"NATS_URL=nats://bob:hunter2@127.0.0.1:1", "DATA_DIR=" + t.TempDir()}
	for _, args := range [][]string{{"status"}, {"load"}, {"dlq", "list"}, {"dlq", "drop", "--all"}} {
		began := time.Now()
		refused(t, 1, []string{"nats://bob:********@127.0.0.1:1", "unset NATS_URL"}, env, args...)
		if took := time.Since(began); took > patience/4 {
			t.Errorf("%v took %s", args, took)
		}
		if r := runProgram(t, env, args...); strings.Contains(r.stderr+r.stdout, "ter2") {
			t.Errorf("%v shows the password:\n%s", args, r.stderr)
		}
	}
}

// TestMistypedPlaces: a folder that is not there is no success, and none is made.
func TestMistypedPlaces(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none")
	refused(t, 2, []string{"/etc/passwd is no folder"}, nil, "extract", "--transcripts", "/etc/passwd", "--data-dir", t.TempDir())
	refused(t, 2, []string{none}, nil, "pipeline", "--transcripts", none, "--data-dir", t.TempDir())
	refused(t, 2, []string{none}, nil, "up", "--until-idle", "--transcripts", none, "--data-dir", t.TempDir())
	refused(t, 1, []string{none}, nil, "gc", "--data-dir", none)
	if _, err := os.Stat(none); err == nil {
		t.Errorf("%s was made", none)
	}
	refused(t, 2, []string{"BATCH_SIZ", "did you mean BATCH_SIZE"}, nil, "config", "--set", "BATCH_SIZ=5")
	dir, _ := generate(t, "--sessions", "2", "--seed", "48")
	data := t.TempDir()
	mustRun(t, "pipeline", "--skip-transform", "--transcripts", dir, "--data-dir", data)
	refused(t, 1, []string{"the models are not built yet"}, nil, "report", "daily", "--data-dir", data)
	if r := runProgram(t, nil, "report", "daily", "--data-dir", data); strings.Contains(r.stderr, "SELECT") || strings.Contains(r.stderr, "LINE") {
		t.Errorf("the report shows its SQL:\n%s", r.stderr)
	}
}

func TestWrongSettingsAreReportedTogether(t *testing.T) {
	t.Parallel()
	refused(t, 2, []string{"BATCH_SIZE", "REPORT_TZ", "LOG_LEVEL"},
		[]string{"BATCH_SIZE=many", "LOG_LEVEL=loud", "REPORT_TZ=Mars"}, "config")
	refused(t, 2, []string{"REPORT_TZ", "FULL_REFRESH_CRON"}, []string{"REPORT_TZ=Mars", "FULL_REFRESH_CRON=often"}, "up")
	refused(t, 2, []string{".env"}, nil, "config", "--env-file", "none/.env")
	refused(t, 2, []string{"--no-such-flag"}, nil, "up", "--no-such-flag")
	refused(t, 2, []string{"NATS_URL"}, nil, "ingest")
	refused(t, 2, []string{"NATS_URL"}, nil, "warehouse")
	refused(t, 2, []string{"nothing to follow", "--transcripts"}, nil, "up")
}

func TestUnreachableNATSIsRetriedVisibly(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "nats://" + listener.Addr().String()
	listener.Close()
	dir := t.TempDir()
	p := startService(t, t.TempDir(), []string{"NATS_URL=" + url}, "ingest", "--transcripts", dir, "--source", "x")
	eventually(t, "the log says that NATS is away", func() bool { return strings.Contains(p.logs(), "127.0.0.1") && strings.Contains(p.logs(), "WRN") })
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d while waiting for NATS", code)
	}
}

func TestDataDirHasOneOwner(t *testing.T) {
	t.Parallel()
	data, dir := t.TempDir(), t.TempDir()
	p := startService(t, data, nil, "up", "--transcripts", dir)
	p.info()
	refused(t, 1, []string{"in use", "pid"}, nil, "up", "--transcripts", dir, "--data-dir", data)
	if status, _ := p.get("/api/live"); status != 200 {
		t.Errorf("the first was disturbed: %d", status)
	}
}

func TestLockedWarehouse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := startService(t, t.TempDir(), []string{"DUCKDB_PATH=" + filepath.Join(dir, "shared.duckdb")}, "up", "--transcripts", t.TempDir())
	first.info()
	eventually(t, "the first has the file", func() bool { _, err := os.Stat(filepath.Join(dir, "shared.duckdb")); return err == nil })
	eventually(t, "the first is ready", func() bool { status, _ := first.get("/api/ready"); return status == 200 })
	refused(t, 1, []string{"shared.duckdb"}, []string{"DUCKDB_PATH=" + filepath.Join(dir, "shared.duckdb")},
		"up", "--transcripts", t.TempDir(), "--data-dir", t.TempDir(), "--until-idle")
}

func TestCorruptFilesAreNamed(t *testing.T) {
	t.Parallel()
	dir, _ := generate(t, "--sessions", "3", "--seed", "41")
	t.Run("warehouse", func(t *testing.T) {
		data := t.TempDir()
		if err := os.WriteFile(filepath.Join(data, "analytics.duckdb"), []byte("this is not a database, not even nearly one"), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, 1, []string{"analytics.duckdb"}, nil, "up", "--until-idle", "--transcripts", dir, "--data-dir", data)
	})
	t.Run("parquet", func(t *testing.T) {
		data := t.TempDir()
		mustRun(t, "pipeline", "--skip-transform", "--skip-validate", "--data-dir", data, "--transcripts", dir)
		files, err := filepath.Glob(filepath.Join(data, "raw", "date=*", "*.parquet"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no lake: %v", err)
		}
		if err := os.WriteFile(files[0], []byte("PAR1 not really PAR1"), 0o600); err != nil {
			t.Fatal(err)
		}
		before := number(t, data, "SELECT count(*) FROM raw.conversations")
		refused(t, 1, []string{filepath.Base(files[0]), "load --repair-lake", "left as it is"}, nil, "load", "--full-refresh", "--data-dir", data)
		if n := number(t, data, "SELECT count(*) FROM raw.conversations"); n != before {
			t.Errorf("%d rows after a rebuild that was refused, %d before", n, before)
		}
		refused(t, 1, []string{filepath.Base(files[0]), "load --repair-lake"}, nil, "load", "--full-refresh", "--leave-out", "--data-dir", data)
		if n := number(t, data, "SELECT count(*) FROM raw.conversations"); n >= before {
			t.Errorf("%d rows without a file, %d with it", n, before)
		}
		const told = "left out 1 files of the lake"
		if out := mustRun(t, "status", "--data-dir", data); !strings.Contains(out, told) {
			t.Errorf("status does not say that rows are missing:\n%s", out)
		}
		if r := runProgram(t, nil, "doctor", "--data-dir", data); r.code != 3 || !strings.Contains(r.stdout, told) {
			t.Errorf("doctor does not say that rows are missing: %d\n%s", r.code, r.stdout)
		}
		mustRun(t, "load", "--repair-lake", "--full-refresh", "--data-dir", data)
		if n := number(t, data, "SELECT count(*) FROM raw.conversations"); n != before {
			t.Errorf("%d rows after the repair, want %d", n, before)
		}
		if out := mustRun(t, "status", "--data-dir", data); strings.Contains(out, told) {
			t.Errorf("status says that rows are missing after the repair:\n%s", out)
		}
	})
	t.Run("stream", func(t *testing.T) {
		data := t.TempDir()
		untilIdle(t, data, dir)
		blocks, err := filepath.Glob(filepath.Join(data, "jetstream", "*", "streams", "CONVERSATIONS", "msgs", "*.blk"))
		if err != nil || len(blocks) == 0 {
			t.Fatalf("no blocks: %v", err)
		}
		before := martSums(t, data)
		for _, block := range blocks {
			if err := os.Truncate(block, 100); err != nil {
				t.Fatal(err)
			}
		}
		// Whatever the server makes of its damaged store: either a clear refusal, or everything is there again.
		r := runProgram(t, nil, "up", "--until-idle", "--transcripts", dir, "--data-dir", data, "--source", "test")
		if r.code == 0 {
			sameMarts(t, martSums(t, data), before, "after the store was damaged")
		} else if !strings.Contains(r.stderr, "jetstream") {
			t.Errorf("exit code %d, the store is not named:\n%s", r.code, r.stderr)
		}
	})
}

func TestReadOnlyDataDir(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		refused(t, 1, []string{"/proc"}, nil, "up", "--transcripts", t.TempDir(), "--data-dir", "/proc/claude-analytics")
		return
	}
	data := t.TempDir()
	if err := os.Chmod(data, 0o500); err != nil {
		t.Fatal(err)
	}
	refused(t, 1, []string{data}, nil, "up", "--transcripts", t.TempDir(), "--data-dir", data)
}

// TestLookingOnAReadOnlyDisk: what lies on a disk that is read-only can be looked at.
func TestLookingOnAReadOnlyDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=128m"); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	dir, _ := generate(t, "--sessions", "2", "--seed", "49")
	data := filepath.Join(disk, "data")
	untilIdle(t, data, dir)
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("it cannot be made read-only: %v", err)
	}
	for _, args := range [][]string{{"query", "SELECT 1"}, {"query", "--raw", "SELECT count(*) FROM raw.conversations"}, {"report", "daily"}} {
		mustRun(t, append(args, "--data-dir", data)...)
	}
	if out := mustRun(t, "status", "--data-dir", data); !strings.Contains(out, "warehouse ") || !strings.Contains(out, "cannot be written") {
		t.Errorf("status:\n%s", out)
	}
}

// TestFullDisk runs on a file system of a few megabytes: the service reports it, and goes on when there is space.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	long(t)
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("no small file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) })
	dir, truth := generate(t, "--bytes", "30MB", "--seed", "43")
	data := filepath.Join(small, "data")
	p := startService(t, data, nil, "up", "--transcripts", dir, "--source", "test")
	eventually(t, "the full disk is reported", func() bool {
		text := strings.ToLower(p.logs())
		return strings.Contains(text, "no space") || strings.Contains(text, "disk full") || strings.Contains(text, "insufficient")
	})
	if p.running() {
		if code := p.stop(); code != 0 && code != 1 {
			t.Errorf("exit code %d", code)
		}
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT, "size=1g"); err != nil {
		t.Fatal(err)
	}
	untilIdle(t, data, dir)
	if n := number(t, data, "SELECT count(*) FROM raw.conversations"); n != truth.Objects {
		t.Errorf("%d rows after the disk had space again, want %d", n, truth.Objects)
	}
	if n := number(t, data, "SELECT count(DISTINCT (source, _id)) FROM raw.conversations"); n != truth.Objects {
		t.Errorf("%d keys, want %d", n, truth.Objects)
	}
}

// TestOddDocuments: what a document may be, all of it arrives or becomes a dead letter.
func TestOddDocuments(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	project := filepath.Join(root, "-odd")
	if err := os.MkdirAll(project, 0o755); err != nil {
		t.Fatal(err)
	}
	session := `"sessionId":"s1","uuid":"u%d",`
	lines := []string{
		`{"type":"user","uuid":"no-session","timestamp":"2026-01-02T03:04:05Z","message":{"role":"user","content":"no session id"}}`,
		`{"type":"user",` + fmt.Sprintf(session, 1) + `"timestamp":"2026-01-02T03:04:05Z","message":42}`,
		`{"type":"user",` + fmt.Sprintf(session, 2) + `"timestamp":"+292278994-08-17T07:12:55.807Z","message":{"role":"user","content":"far future"}}`,
		`{"type":"user",` + fmt.Sprintf(session, 3) + `"timestamp":9223372036854775807,"message":{"role":"user","content":"further"}}`,
		`{"type":"user",` + fmt.Sprintf(session, 4) + `"timestamp":{"$date":1},"message":null}`,
		`{"type":17,` + fmt.Sprintf(session, 5) + `"message":["a","b"]}`,
		`{"sessionId":{"a":1},"cost":1e999,"n":123456789012345678901234567890,"a.b":{"$c":1},"":{"":[]}}`,
		`not json at all`,
		`{"type":"assistant","message":{"content":[{"type":"text","text":"cut`,
		`[1,2,3]`,
	}
	if err := os.WriteFile(filepath.Join(project, "file-stem.jsonl"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	odd := filepath.Join(project, "\xff\xfe name\nwith everything ☃.jsonl")
	if err := os.WriteFile(odd, []byte(lines[0]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	untilIdle(t, data, root)
	if n := number(t, data, "SELECT count(*) FROM raw.conversations"); n != 8 {
		t.Errorf("%d rows, want 8", n)
	}
	if n := deadLetters(t, data); n != 3 {
		t.Errorf("%d dead letters, want 3", n)
	}
	if n := number(t, data, "SELECT count(*) FROM raw.conversations WHERE session_id = 'file-stem'"); n != 1 {
		t.Errorf("%d rows with the file's stem as session, want 1", n)
	}
	if n := number(t, data, "SELECT count(*) FROM raw.conversations WHERE \"timestamp\" IS NULL"); n != 5 {
		t.Errorf("%d rows without a readable timestamp, want 5", n)
	}
}

func TestShutdownIsOrderly(t *testing.T) {
	t.Parallel()
	dir, _ := generate(t, "--bytes", "12MB", "--seed", "44")
	data := t.TempDir()
	for range 3 { // in the middle of the work
		p := startService(t, data, nil, "up", "--transcripts", dir, "--source", "test")
		p.info()
		time.Sleep(700 * time.Millisecond)
		if code := p.stop(); code != 0 {
			t.Fatalf("exit code %d:\n%s", code, tail(p.logs(), 30))
		}
		if !strings.Contains(p.logs(), "stopped") {
			t.Errorf("the log does not say that it stopped")
		}
	}
	want := reference(t, dir)
	untilIdle(t, data, dir)
	sameContent(t, content(t, data), want)
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	p := startService(t, t.TempDir(), nil, "up", "--transcripts", t.TempDir())
	p.info()
	_ = p.cmd.Process.Signal(os.Interrupt)
	if code := p.wait(); code != 130 {
		t.Errorf("exit code after SIGINT: %d, want 130", code)
	}
}
