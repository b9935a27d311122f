package warehouse

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
)

// sandboxArgument makes the test binary a process of a sandbox. Its limit is none: the race detector maps more than any.
const sandboxArgument = "serve-sandbox"

func confined(t testing.TB, path string, command ...string) *Copy {
	t.Helper()
	if command == nil {
		command = []string{os.Args[0], sandboxArgument}
	}
	c := NewCopy(path, openCopy(t, path).log)
	c.sandbox = &Sandbox{Command: command, Memory: 1 << 46}
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// What comes from another process is what the same question gives in this one: values, errors, and what they are taken for.
func TestSandboxAnswersAlike(t *testing.T) {
	db, path := marts(t)
	publish(t, db, path)
	c := confined(t, path)
	for _, query := range []string{
		"FROM marts.dim_sessions ORDER BY 1 LIMIT 3",
		`SELECT NULL AS nothing, true AS b, 1::TINYINT AS i, 2::UBIGINT AS u, 1.5::FLOAT AS f, 'NaN'::DOUBLE AS nan, 170141183460469231731687303715884105727::HUGEINT AS h,
			1.25::DECIMAL(9,2) AS d, 'ü' AS s, '\x00\xff'::BLOB AS bytes, ''::BLOB AS none, '' AS empty, [] AS nil, [1, NULL] AS list, {'a': 1} AS struct, '{"x":[1]}'::JSON AS json,
			TIMESTAMPTZ '2026-01-02 03:04:05Z' AS at, DATE '2026-01-02' AS day, INTERVAL 3 DAY AS span, uuid() IS NULL AS u2`,
		"SELECT 1 WHERE false",
		"EXPLAIN SELECT 1",
		"SHOW TABLES",
		"SELECT repeat('x', 1000) FROM range(100)",
		"SELECT " + strings.Repeat("i::DECIMAL(9,2), [i], '', ", 12) + "i FROM range(20) r(i)", // more on the way than it counts for
		"SELECT 'no number'::INTEGER",
		"SELECT nothing",
		"FROM raw.conversations",
		"DROP TABLE marts.dim_sessions",
		"SELECT list(i) FROM range(1000000000) r(i)",
	} {
		limits := Limits{Rows: 50, Bytes: 5000}
		want, version, wantErr := c.Query(t.Context(), query, limits)
		got, version2, gotErr := c.Ask(t.Context(), query, limits)
		if !reflect.DeepEqual(encoded(t, want), encoded(t, got)) {
			t.Errorf("%s\n in this process %s\n in the sandbox %s", query, encoded(t, want), encoded(t, got))
		}
		if (wantErr == nil) != (gotErr == nil) || wantErr == nil && version != version2 {
			t.Errorf("%s: %v, %v; want %v, %v", query, gotErr, version2, wantErr, version)
		} else if wantErr != nil && (wantErr.Error() != gotErr.Error() || kinds(wantErr) != kinds(gotErr)) {
			t.Errorf("%s:\n%v %+v\nwant\n%v %+v", query, gotErr, kinds(gotErr), wantErr, kinds(wantErr))
		}
	}
	if left, err := filepath.Glob(spillPath(path, "ask-*")); err != nil || left != nil {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func encoded(t *testing.T, result *Result) string {
	t.Helper()
	text, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func kinds(err error) any {
	return [...]bool{errors.Is(err, ErrRefused), errors.Is(err, ErrOutOfMemory), IsBadSQL(err), IsBadValue(err)}
}

func TestSandboxArrow(t *testing.T) {
	db, path := marts(t)
	publish(t, db, path)
	c := confined(t, path)
	var rows int64
	truncated, version, err := c.AskArrow(t.Context(), "SELECT i FROM range(10000) r(i)", Limits{Rows: 5000}, func(records array.RecordReader) error {
		for records.Next() {
			rows += records.RecordBatch().NumRows()
		}
		return records.Err()
	})
	if err != nil || rows != 5000 || !truncated || version.Refresh != 1 {
		t.Errorf("%d rows of refresh %d, truncated %v, %v", rows, version.Refresh, truncated, err)
	}
}

// A process that works for too long is ended, whatever it does; so is one that nobody waits for any more.
func TestSandboxIsEnded(t *testing.T) {
	db, path := marts(t)
	publish(t, db, path)
	c := confined(t, path)
	endless := "SELECT count(*) FROM range(100000000000) a(i), range(100000) b(j) WHERE hash(i + j) = 7"
	if _, _, err := c.Ask(t.Context(), endless, Limits{Timeout: 500 * time.Millisecond}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a deadline", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	if _, _, err := c.Ask(gone, endless, Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want to be told that nobody waits", err)
	}

	asked, err := json.Marshal(question{Path: path, Scratch: filepath.Join(t.TempDir(), "spill"), SQL: endless, Limits: Limits{}.complete(), Memory: 1 << 46})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], sandboxArgument)
	cmd.Stdin = bytes.NewReader(asked) // ends at once, as when the service is killed
	if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("its input ended, and it went on: %v", err)
	}
}

// A process that ends without an answer is an error with what it wrote.
func TestSandboxWithoutAnAnswer(t *testing.T) {
	db, path := marts(t)
	publish(t, db, path)
	for said, want := range map[string]string{
		"what():  std::bad_alloc":         ErrOutOfMemory.Error(),
		"fatal error: out of memory":      ErrOutOfMemory.Error(),
		"no such thing":                   "no such thing",
		strings.Repeat("x", 3*maxSaid):    "exit status 3",
		"runtime: cannot allocate memory": ErrOutOfMemory.Error(),
	} {
		c := confined(t, path, "sh", "-c", `echo "$0" >&2; exit 3`, said)
		if _, _, err := c.Ask(t.Context(), "SELECT 1", Limits{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20s: %v, want %s", said, err, want)
		}
	}
	if _, _, err := confined(t, path, "/no/such/program").Ask(t.Context(), "SELECT 1", Limits{}); err == nil {
		t.Error("a program that is not there answered")
	}
}
