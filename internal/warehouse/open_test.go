package warehouse

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/rs/zerolog"
)

// run runs statements in one write transaction.
func run(t testing.TB, db *DB, statements ...string) {
	t.Helper()
	err := db.Write(context.Background(), "test", func(ctx context.Context, tx *Tx) error {
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// value reads one value as text.
func value(t testing.TB, db *DB, query string) (text string) {
	t.Helper()
	err := db.Read(context.Background(), func(ctx context.Context, tx *Tx) error {
		return tx.QueryRow(ctx, "SELECT coalesce(("+query+")::VARCHAR, 'NULL')").Scan(&text)
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return text
}

func TestLayoutPersists(t *testing.T) {
	path := filepath.Join(t.TempDir(), "analytics.duckdb")
	db := open(t, Config{Path: path})
	run(t, db, `INSERT INTO raw.content_blocks BY NAME SELECT 's' AS source, i::VARCHAR AS _id, 0 AS block_index, DATE '2026-01-01' AS date,
		'text' AS block_type, repeat('some text ', 20) || i AS text, 1 AS char_len, i AS _key FROM range(100000) r(i)`)
	closeDB(t, db)
	before := digest(t, path)

	db = open(t, Config{Path: path})
	for query, want := range map[string]string{
		`SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'analytics'`:                                                     "v1.5.0+",
		`SELECT max(count) FROM pragma_storage_info('raw.content_blocks') WHERE column_name = 'block_index'`:                                           "16384",
		`SELECT count(DISTINCT row_group_id) FROM pragma_storage_info('raw.content_blocks')`:                                                           "7",
		`SELECT string_agg(DISTINCT compression) FROM pragma_storage_info('raw.content_blocks') WHERE column_name = 'text' AND segment_type='VARCHAR'`: "ZSTD",
		`SELECT count(*) FROM raw.content_blocks`:                                                                                                      "100000",
		`SELECT current_setting('TimeZone')`:                                                                                                           "UTC",
		`SELECT current_setting('checkpoint_threshold')`:                                                                                               "244.1 MiB",
	} {
		if got := value(t, db, query); got != want {
			t.Errorf("%s = %s, want %s", query, got, want)
		}
	}
	if err := db.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)
	if digest(t, path) != before {
		t.Error("opening and closing the file rewrote it")
	}
	if left := names(t, filepath.Dir(path)); left != "analytics.duckdb" {
		t.Errorf("left in the folder: %s", left)
	}
}

func TestLockedNamesTheHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "analytics.duckdb")
	child := holder(t, path)
	db := New(Config{Path: path}, zerolog.Nop())
	err := db.Open(context.Background())
	var fault *Fault
	if !errors.Is(err, ErrLocked) || !errors.As(err, &fault) {
		t.Fatalf("got %v, want ErrLocked", err)
	}
	if fault.PID != child.Process.Pid || fault.Remedy == "" {
		t.Errorf("pid %d, remedy %q; the holder is %d", fault.PID, fault.Remedy, child.Process.Pid)
	}
	if !strings.Contains(err.Error(), fmt.Sprint("pid ", child.Process.Pid)) {
		t.Errorf("the message does not name the holder: %v", err)
	}
}

// holder starts the other process and waits until it has the file.
func holder(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+path)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = child.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	return child
}

func TestCorruptFile(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"not DuckDB's": func([]byte) []byte { return []byte(strings.Repeat("not a database ", 1000)) },
		"header scrambled": func(b []byte) []byte {
			copy(b[4096:], "scrambled scrambled")
			copy(b[8192:], "scrambled scrambled")
			return b
		},
		"cut off": func(b []byte) []byte { return b[:len(b)/2] },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "analytics.duckdb")
			closeDB(t, open(t, Config{Path: path}))
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, spoil(content), 0o600); err != nil {
				t.Fatal(err)
			}
			db := New(Config{Path: path}, zerolog.Nop())
			var fault *Fault
			if err := db.Open(context.Background()); !errors.Is(err, ErrCorrupt) || !errors.As(err, &fault) || fault.Remedy == "" {
				t.Errorf("got %v, want ErrCorrupt with a remedy", err)
			}
			_ = db.Close()
		})
	}
}

func TestSettingsAreLocked(t *testing.T) {
	db := open(t, Config{Threads: 1, MemoryLimit: "300MB"})
	if got := value(t, db, `SELECT current_setting('threads')`); got != "1" {
		t.Errorf("threads = %s", got)
	}
	for _, statement := range []string{"SET lock_configuration = false", "SET enable_external_access = true", "SET temp_directory = '/tmp'", "ATTACH '/tmp/other.duckdb'", "COPY (SELECT 1) TO '/tmp/other.csv'", "INSTALL httpfs", "LOAD httpfs"} {
		err := db.Write(context.Background(), "test", func(ctx context.Context, tx *Tx) error {
			_, err := tx.Exec(ctx, statement)
			return err
		})
		if err == nil {
			t.Errorf("%s was not refused", statement)
		}
	}
}

func TestThreadsChange(t *testing.T) {
	db := open(t, Config{Threads: 4})
	for _, c := range []struct {
		use  int
		want string
	}{{2, "2"}, {9, "4"}, {1, "1"}, {0, "4"}} {
		if err := db.UseThreads(t.Context(), c.use); err != nil {
			t.Fatal(err)
		}
		if got := value(t, db, `SELECT current_setting('threads')`); got != c.want {
			t.Errorf("use %d: %s threads, want %s", c.use, got, c.want)
		}
	}
	if _, err := db.Query(t.Context(), "SET threads = 1", Limits{}); !errors.Is(err, ErrRefused) {
		t.Errorf("user SQL set threads: %v", err)
	}
}

func TestFoldersMayBeRead(t *testing.T) {
	lake := t.TempDir()
	if err := os.WriteFile(filepath.Join(lake, "a.csv"), []byte("a\n1\n2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, Config{Folders: []string{lake}})
	if got := value(t, db, "SELECT sum(a) FROM read_csv("+Literal(filepath.Join(lake, "*.csv"))+")"); got != "3" {
		t.Errorf("sum = %s", got)
	}
	if _, err := db.Query(context.Background(), "SELECT * FROM read_csv("+Literal(filepath.Join(lake, "a.csv"))+")", Limits{}); !errors.Is(err, ErrRefused) {
		t.Errorf("user SQL read a file: %v", err)
	}
}

// Sorting more than fits into memory spills, although DuckDB may touch no other files; nothing of it stays.
func TestSpills(t *testing.T) {
	path := filepath.Join(t.TempDir(), "analytics.duckdb")
	leftover := filepath.Join(path+".spill-1", "duckdb_temp_storage_DEFAULT-0.tmp")
	if err := os.MkdirAll(filepath.Dir(leftover), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(leftover, []byte("of a killed process"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, Config{Path: path, MemoryLimit: "60MB", Threads: 2})
	if _, err := os.Stat(leftover); err == nil {
		t.Error("the scratch folder of a killed process is still there")
	}
	got := value(t, db, `SELECT count(*) FROM (SELECT h, row_number() OVER (ORDER BY h) AS r FROM (SELECT md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS h FROM range(600000) t(i))) WHERE r % 2 = 0`)
	if got != "300000" {
		t.Errorf("count = %s", got)
	}
	closeDB(t, db)
	if left := names(t, filepath.Dir(path)); left != "analytics.duckdb" {
		t.Errorf("left in the folder: %s", left)
	}
}

// asKilled copies an open file and its log, as a kill leaves them.
func asKilled(t *testing.T, path string) string {
	t.Helper()
	killed := filepath.Join(t.TempDir(), "analytics.duckdb")
	for _, suffix := range []string{"", ".wal"} {
		content, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(killed+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return killed
}

// A killed process leaves a log that may be larger than the memory: what of it spills while the file is opened is read
// afterwards.
func TestLogSpills(t *testing.T) {
	path := filepath.Join(t.TempDir(), "analytics.duckdb")
	db := open(t, Config{Path: path})
	run(t, db, `CREATE TABLE raw.t (i BIGINT, s VARCHAR)`)
	for range 120 { // each too small to be written into the file beside the log
		run(t, db, `INSERT INTO raw.t SELECT i, repeat(md5(random()::VARCHAR), 32) FROM range(1000) t(i)`)
	}
	killed := asKilled(t, path)
	again := open(t, Config{Path: killed, MemoryLimit: "64MB", Threads: 1})
	if got := value(t, again, `SELECT sum(length(s)) FROM raw.t`); got != fmt.Sprint(120*1000*1024) {
		t.Errorf("%s characters, want %d", got, 120*1000*1024)
	}
	got := value(t, again, `SELECT count(*) FROM (SELECT h, row_number() OVER (ORDER BY h) AS r FROM (SELECT md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS h FROM range(600000) t(i))) WHERE r % 2 = 0`)
	if got != "300000" {
		t.Errorf("count = %s", got)
	}
	run(t, again, `DELETE FROM raw.t WHERE i % 2 = 0`)
	if err := again.Checkpoint(context.Background()); err != nil {
		t.Error(err)
	}
	closeDB(t, again)
	if left := names(t, filepath.Dir(killed)); left != "analytics.duckdb" {
		t.Errorf("left in the folder: %s", left)
	}
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "analytics.duckdb")
	if err := New(Config{Path: path, ReadOnly: true}, zerolog.Nop()).Open(context.Background()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opening what does not exist: %v", err)
	}
	closeDB(t, open(t, Config{Path: path}))
	a, b := open(t, Config{Path: path, ReadOnly: true}), open(t, Config{Path: path, ReadOnly: true})
	if got := value(t, a, `SELECT count(*) FROM raw.conversations`) + value(t, b, `SELECT count(*) FROM raw.conversations`); got != "00" {
		t.Errorf("counts %s", got)
	}
	if err := a.Write(context.Background(), "test", func(context.Context, *Tx) error { return nil }); !errors.Is(err, ErrReadOnly) {
		t.Errorf("write: %v", err)
	}
}

// A killed process leaves a log; reading takes it into account without writing.
func TestReadOnlyAfterKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "analytics.duckdb")
	db := open(t, Config{Path: path})
	run(t, db, `CREATE TABLE raw.t AS SELECT 7 AS i`)
	killed := asKilled(t, path)
	before := digest(t, killed)
	reader := open(t, Config{Path: killed, ReadOnly: true})
	if got := value(t, reader, `SELECT i FROM raw.t`); got != "7" {
		t.Errorf("i = %s", got)
	}
	closeDB(t, reader)
	if digest(t, killed) != before {
		t.Error("reading wrote")
	}
}

// What DuckDB declares unusable is opened anew by the next caller, once nobody uses it any more.
func TestOpensAgainWhenBroken(t *testing.T) {
	db := open(t, Config{})
	run(t, db, `CREATE TABLE raw.t AS SELECT 1 AS i`)
	err := db.Read(context.Background(), func(context.Context, *Tx) error {
		return &duckdb.Error{Type: duckdb.ErrorTypeFatal, Msg: "FATAL Error: test"}
	})
	if err == nil || !db.broken.Load() {
		t.Fatalf("%v, broken %v", err, db.broken.Load())
	}
	old := db.inst
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if got := value(t, db, `SELECT i FROM raw.t`); got != "1" {
				t.Errorf("i = %s", got)
			}
		})
	}
	wg.Wait()
	if db.inst == old || db.broken.Load() {
		t.Error("it was not opened anew")
	}
	run(t, db, `INSERT INTO raw.t VALUES (2)`)
}

func TestIndexes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "analytics.duckdb")
	for _, on := range []bool{true, true, false} {
		db := open(t, Config{Path: path, Indexes: on})
		want := "0"
		if on {
			want = "6"
		}
		if got := value(t, db, `SELECT count(*) FROM duckdb_indexes()`); got != want {
			t.Errorf("with RAW_INDEXES=%v there are %s indexes", on, got)
		}
		closeDB(t, db)
	}
}

func TestCloseIsIdempotent(t *testing.T) {
	db := open(t, Config{})
	closeDB(t, db)
	closeDB(t, db)
	if err := db.Read(context.Background(), func(context.Context, *Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
}

func closeDB(t testing.TB, db *DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func digest(t testing.TB, path string) [32]byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(content)
}

func names(t testing.TB, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return strings.Join(list, " ")
}

// holderRefused checks that another process cannot open the file.
func holderRefused(t *testing.T, path string) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+path)
	out, err := child.Output()
	if err != nil || !strings.Contains(string(out), ErrLocked.Error()) {
		t.Errorf("another process could open the file: %s %v", out, err)
	}
}
