package e2e_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/internal/warehouse"
)

// plant changes a stopped service's warehouse, as nobody should.
func plantFault(t *testing.T, dataDir string, statements ...string) {
	t.Helper()
	db := warehouse.New(warehouse.Config{Path: filepath.Join(dataDir, "analytics.duckdb")}, zerolog.Nop())
	if err := db.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	err := db.Write(t.Context(), "plant", func(ctx context.Context, tx *warehouse.Tx) error {
		for _, s := range statements {
			if _, err := tx.Exec(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A failing test of the models gives transform and pipeline the exit code of a data check, and is named.
func TestFailingTestsOfTheModels(t *testing.T) {
	t.Parallel()
	long(t)
	dir, _ := generate(t, "--sessions", "3", "--seed", "5")
	data := t.TempDir()
	untilIdle(t, data, dir)
	if r := runProgram(t, nil, "transform", "--data-dir", data); r.code != 0 || !strings.Contains(r.stdout, "0 failed") {
		t.Fatalf("before: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	plantFault(t, data, "INSERT INTO marts.dim_tools SELECT * FROM marts.dim_tools LIMIT 1")
	var answer struct {
		Tests struct {
			Failed  int
			Failing []struct{ Name, Status string }
		}
	}
	r := runProgram(t, nil, "transform", "--json", "--data-dir", data)
	if err := json.Unmarshal([]byte(r.stdout), &answer); err != nil {
		t.Fatalf("%v\n%s", err, r.stdout)
	}
	if r.code != 3 || answer.Tests.Failed < 2 || !strings.Contains(r.stderr, "unique_dim_tools_tool_key") {
		t.Errorf("a fault planted: exit %d, %+v\n%s", r.code, answer, r.stderr)
	}
	if r := runProgram(t, nil, "pipeline", "--skip-extract", "--skip-load", "--data-dir", data); r.code != 3 || !strings.Contains(r.stdout, "unique_dim_tools_tool_key") {
		t.Errorf("pipeline: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := runProgram(t, nil, "transform", "--full-refresh", "--data-dir", data); r.code != 0 {
		t.Errorf("rebuilt: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// A load reads what is new and nothing else, however much there is; what cannot be read is set aside and the rest goes on.
// The platform before read every file of its lake again at each load, and one bad record ended it.
func TestDefect09LoadReadsOnlyWhatIsNew(t *testing.T) {
	t.Parallel()
	long(t)
	dir, truth := generate(t, "--sessions", "3", "--seed", "6")
	data := t.TempDir()
	untilIdle(t, data, dir)
	loaded := func() int64 {
		t.Helper()
		var answer struct {
			Sink struct{ Warehouse struct{ Rows int64 } }
		}
		out := mustRun(t, "load", "--json", "--data-dir", data)
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return answer.Sink.Warehouse.Rows
	}
	if n := loaded(); n != 0 {
		t.Errorf("nothing is new, and %d of %d rows were loaded", n, truth.Objects)
	}
	file := filepath.Join(dir, truth.PerFile[0].File)
	appendLine(t, file, "{\"type\": \"user\", broken\n")
	appendLine(t, file, promptLine("5b7c1d2e-0000-4000-8000-000000000009", "u1", "go on", time.Now()))
	mustRun(t, "extract", "--data-dir", data, "--transcripts", dir, "--source", "test")
	if n := loaded(); n != 1 {
		t.Errorf("one line is new, and %d rows were loaded", n)
	}
	if n := deadLetters(t, data); n != 1 {
		t.Errorf("%d dead letters", n)
	}
}
