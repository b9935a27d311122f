package models_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/tools/txtar"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
)

// handChecked are the documents of the hand-checked sessions.
func handChecked(t *testing.T) []bronzeDocument {
	t.Helper()
	files, err := filepath.Glob("testdata/sessions/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no sessions", err)
	}
	var documents []bronzeDocument
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if f.Name == "want" {
				continue
			}
			more, err := transcript(f.Name, f.Data, uint64(len(documents)))
			if err != nil {
				t.Fatal(err)
			}
			documents = append(documents, more...)
		}
	}
	return documents
}

func (w *workshop) exec(t *testing.T, statements ...string) {
	t.Helper()
	err := w.db.Write(t.Context(), "test", func(ctx context.Context, tx *warehouse.Tx) error {
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

// notPassing are the tests that do not pass, with their status.
func (w *workshop) notPassing(t *testing.T) []string {
	t.Helper()
	results, err := w.modeler.Test(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range results {
		if r.Status != modeler.TestPass {
			out = append(out, r.Name+" "+r.Status)
		}
	}
	return out
}

// A planted fault of every kind turns its test red.
func TestPlantedFaults(t *testing.T) {
	w := newWorkshop(t)
	if err := insert(t.Context(), w.db, 1, handChecked(t)); err != nil {
		t.Fatal(err)
	}
	w.exec(t, "UPDATE raw.conversations SET extracted_at = now() - INTERVAL 1 HOUR")
	if _, err := w.modeler.Refresh(t.Context(), modeler.Options{}); err != nil {
		t.Fatal(err)
	}
	const old = "freshness_raw_conversations_by_source_clock warn" // the sessions are of 2026
	if got := w.notPassing(t); !slices.Equal(got, []string{old}) {
		t.Fatalf("without a fault: %v", got)
	}
	faults := []struct{ statement, test string }{
		{"UPDATE marts.dim_tools SET total_usage = NULL WHERE tool_name = 'Glob'", "not_null_dim_tools_total_usage fail"},
		{"INSERT INTO marts.dim_sessions SELECT * FROM marts.dim_sessions WHERE session_id = 'h1'", "unique_dim_sessions_session_key fail"},
		{"UPDATE marts.fct_file_operations SET operation_type = 'fold' WHERE session_id = 'h2'", "accepted_values_fct_file_operations_operation_type fail"},
		{"UPDATE marts.fct_messages SET project_id = 'nobody' WHERE session_id = 'h3'", "relationships_fct_messages_project_id fail"},
		{"ALTER TABLE marts.agg_code_changes ALTER operations TYPE INTEGER", "contract_agg_code_changes fail"},
		{"UPDATE marts.agg_hourly_activity SET total_tokens = total_tokens + 1", "assert_tokens_agree fail"},
		{"UPDATE raw.conversations SET extracted_at = now() - INTERVAL 49 HOUR", "freshness_raw_conversations fail"},
		{"ALTER TABLE marts.dim_date DROP COLUMN day_name", "not_null_dim_date_day_name error"},
	}
	for _, f := range faults {
		w.exec(t, f.statement)
	}
	got := w.notPassing(t)
	for _, f := range faults {
		if !slices.Contains(got, f.test) {
			t.Errorf("%s: want %s, got\n%s", f.statement, f.test, strings.Join(got, "\n"))
		}
	}
	w.exec(t, "UPDATE raw.conversations SET extracted_at = now() - INTERVAL 25 HOUR")
	if _, err := w.modeler.Refresh(t.Context(), modeler.Options{Full: true}); err != nil {
		t.Fatal(err)
	}
	if got := w.notPassing(t); !slices.Equal(got, []string{"freshness_raw_conversations warn", old}) {
		t.Errorf("rebuilt: %v", got)
	}
}

// While models are refreshed, every reader gets an answer, and one that is true: what it reads is of one refresh.
func TestDefect11ReadersWorkWhileThePipelineWrites(t *testing.T) {
	w := newWorkshop(t)
	documents := handChecked(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var readers sync.WaitGroup
	var reads [2]int
	for i := range reads {
		readers.Go(func() {
			for ctx.Err() == nil {
				var facts, sums int64
				err := w.db.Read(t.Context(), func(ctx context.Context, tx *warehouse.Tx) error {
					if err := tx.QueryRow(ctx, "SELECT count(*) FROM marts.fct_tool_calls WHERE status <> 'orphan_result'").Scan(&facts); err != nil {
						return err
					}
					return tx.QueryRow(ctx, "SELECT coalesce(sum(tool_calls), 0)::BIGINT FROM marts.agg_daily_summary").Scan(&sums)
				})
				if err != nil || facts != sums {
					t.Errorf("%d calls, %d in sum, %v", facts, sums, err)
					return
				}
				reads[i]++
				time.Sleep(5 * time.Millisecond) // two cores are all there may be
			}
		})
	}
	for batch, part := 1, len(documents)/3; len(documents) > 0; batch++ {
		n := min(part, len(documents))
		if err := insert(t.Context(), w.db, batch, documents[:n]); err != nil {
			t.Fatal(err)
		}
		if _, err := w.modeler.Refresh(t.Context(), modeler.Options{}); err != nil {
			t.Fatal(err)
		}
		documents = documents[n:]
	}
	stop()
	readers.Wait()
	if reads[0]+reads[1] < 10 {
		t.Errorf("only %v reads", reads)
	}
}

// A model is added by the README's steps: a file, an entry beside it. What is wrong with it is said with file and line, and
// the marts stay.
func TestModelAddedByTheReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, steps, found := strings.Cut(string(readme), "## Adding a model\n")
	steps, _, _ = strings.Cut(steps, "\n## ")
	blocks := strings.Split(steps, "```")
	if !found || len(blocks) < 5 {
		t.Fatal("the README's steps hold no SQL and no YAML")
	}
	// The block stands in a list, three characters deep; its first line names the language.
	unindented := func(block string) string {
		_, lines, _ := strings.Cut(strings.ReplaceAll(block, "\n   ", "\n"), "\n")
		return strings.TrimRight(lines, " \n") + "\n"
	}
	model, entry := unindented(blocks[1]), unindented(blocks[3])
	const path, schema = "marts/my_model.sql", "marts/_schema.yml"
	files := fstest.MapFS{}
	if err := copyProject(files); err != nil {
		t.Fatal(err)
	}
	files[path] = &fstest.MapFile{Data: []byte(model)}
	files[schema].Data = append(files[schema].Data, "\n"+entry...)

	w := newWorkshop(t)
	if err := insert(t.Context(), w.db, 1, handChecked(t)); err != nil {
		t.Fatal(err)
	}
	w.modeler = modeler.New(modeler.Config{ProjectFS: files}, w.db, zerolog.Nop(), nil)
	result, err := w.modeler.Refresh(t.Context(), modeler.Options{})
	if err != nil {
		t.Fatal(err)
	}
	built := rowsOf(t, w.db, "SELECT count(*) > 0 FROM marts.my_model")
	if !slices.Equal(built, []string{"true"}) || !slices.ContainsFunc(result.Models, func(m modeler.ModelResult) bool { return m.Name == "my_model" }) {
		t.Errorf("built: %v", built)
	}
	results, err := w.modeler.Test(t.Context(), []string{"my_model"}, nil)
	if err != nil || len(results) == 0 || slices.ContainsFunc(results, modeler.TestResult.Failed) {
		t.Errorf("its tests: %+v, %v", results, err)
	}
	before := contents(t, w.db)
	for _, fault := range []struct{ old, with, want string }{
		{"select", "selec", path + ":"},
		{"fct_tool_calls", "fct_no_such", path + ":"},
		{"fct_tool_calls", "my_model", "cycle: my_model"},
	} {
		files[path] = &fstest.MapFile{Data: []byte(strings.Replace(model, fault.old, fault.with, 1))}
		_, err := w.modeler.Refresh(t.Context(), modeler.Options{})
		if err == nil || !strings.Contains(err.Error(), fault.want) {
			t.Errorf("%s: %v", fault.with, err)
		}
	}
	if got := contents(t, w.db); got != before {
		t.Errorf("the marts changed:\n%s", difference(before, got))
	}
}

func copyProject(into fstest.MapFS) error {
	root := os.DirFS("../models")
	return walkFiles(root, func(path string, data []byte) { into[path] = &fstest.MapFile{Data: data} })
}

func walkFiles(root fs.FS, visit func(path string, data []byte)) error {
	return fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, path)
		visit(path, data)
		return err
	})
}
