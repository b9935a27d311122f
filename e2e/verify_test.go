package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"claude-analytics/internal/stream"
	"claude-analytics/internal/warehouse"
)

// verification is what verify --json says, as far as a test reads it.
type verification struct {
	Differences int64
	Levels      []struct {
		Level, Name, State, Why string
		Differences             []verifiedDifference
	}
}

type verifiedDifference struct {
	Level, Kind, Where, Repair, Otherwise string
	Count                                 int64
	Examples                              []string
}

func (v verification) all() (list []verifiedDifference) {
	for _, l := range v.Levels {
		list = append(list, l.Differences...)
	}
	return list
}

// verifyArgs are those of every command on the corpus.
func verifyArgs(data, dir string, args ...string) []string {
	return append(args, "--data-dir", data, "--transcripts", dir, "--source", "test")
}

// verified runs verify and expects its exit code.
func verified(t testing.TB, data, dir string, code int, extra ...string) verification {
	t.Helper()
	r := runProgram(t, nil, verifyArgs(data, dir, append([]string{"verify", "--json"}, extra...)...)...)
	if r.code != code {
		t.Fatalf("verify: exit code %d, want %d\n%s%s", r.code, code, r.stdout, r.stderr)
	}
	var v verification
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil {
		t.Fatalf("verify --json: %v\n%s", err, r.stdout)
	}
	for _, l := range v.Levels {
		if l.State != "checked" && (l.Level != "marts" || code != 3) { // marts of rows that differ are looked at later
			t.Fatalf("level %s was not looked at: %s %s", l.Level, l.State, l.Why)
		}
	}
	return v
}

// corpus is a DATA_DIR whose lake has three batches, and the folder it was read from.
func corpus(t testing.TB, sessions, seed string) (data, dir string) {
	t.Helper()
	from, _ := generate(t, "--hard", "--sessions", sessions, "--seed", seed)
	data, dir = t.TempDir(), filepath.Join(t.TempDir(), "projects")
	var files []string
	_ = filepath.WalkDir(from, func(path string, _ fs.DirEntry, _ error) error {
		if strings.HasSuffix(path, ".jsonl") {
			files = append(files, path)
		}
		return nil
	})
	for i := range 3 {
		for _, file := range files[i*len(files)/3 : (i+1)*len(files)/3] {
			below, _ := filepath.Rel(from, file)
			copyFile(t, file, filepath.Join(dir, below))
		}
		untilIdle(t, data, dir)
	}
	return data, dir
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, content, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// fault is one plantedFault fault: what it is found as, and what is done to the DATA_DIR.
type fault struct {
	kind  string
	plant func(t testing.TB, data string)
}

// plantedFault changes the warehouse's file.
func plantedFault(statement string) func(testing.TB, string) {
	return func(t testing.TB, data string) {
		t.Helper()
		db := warehouse.New(warehouse.Config{Path: filepath.Join(data, "analytics.duckdb"), Threads: 2}, zerolog.Nop())
		err := db.Open(t.Context())
		if err == nil {
			err = db.Write(t.Context(), "plant a fault", func(ctx context.Context, tx *warehouse.Tx) error {
				n, err := tx.Exec(ctx, statement)
				if err == nil && n == 0 {
					err = fmt.Errorf("nothing was changed: %s", statement)
				}
				return err
			})
		}
		if closed := db.Close(); err == nil {
			err = closed
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// lakeFiles are the lake's files that match a pattern, in order.
func lakeFiles(t testing.TB, data, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "raw", pattern))
	if err != nil || len(files) < 3 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	slices.SortFunc(files, func(a, b string) int { return strings.Compare(filepath.Base(a)+a, filepath.Base(b)+b) })
	return files
}

func faults() []fault {
	pick := func(n int) string {
		return fmt.Sprintf("(SELECT rowid FROM raw.conversations ORDER BY _seq LIMIT 1 OFFSET %d)", n)
	}
	return []fault{
		{"row_missing", plantedFault("DELETE FROM raw.conversations WHERE rowid = " + pick(3))},
		{"row_twice", plantedFault("INSERT INTO raw.conversations FROM raw.conversations WHERE rowid = " + pick(11))},
		{"row_stale", plantedFault("UPDATE raw.conversations SET _seq = 0 WHERE rowid = " + pick(17))},
		{"blocks_differ", plantedFault("DELETE FROM raw.content_blocks WHERE rowid = (SELECT min(rowid) FROM raw.content_blocks WHERE block_type = 'text')")},
		{"mart_differs", plantedFault("UPDATE marts.fct_messages SET role = 'nobody' WHERE rowid = (SELECT min(rowid) FROM marts.fct_messages)")},
		{"file_missing", func(t testing.TB, data string) {
			if err := os.Remove(lakeFiles(t, data, "date=*/*.parquet")[0]); err != nil {
				t.Fatal(err)
			}
		}},
		{"file_damaged", func(t testing.TB, data string) {
			files := lakeFiles(t, data, "date=*/*.parquet")
			if err := os.Truncate(files[len(files)-1], 1000); err != nil {
				t.Fatal(err)
			}
		}},
		{"stream_hole", func(t testing.TB, data string) {
			// Of another batch than those whose files are gone: what nobody holds any more, no command brings back.
			var epoch, first, last int
			name := filepath.Base(lakeFiles(t, data, "_manifest/*-*.json")[1])
			if _, err := fmt.Sscanf(name, "%d-%d-%d.json", &epoch, &first, &last); err != nil {
				t.Fatal(err)
			}
			removeMessages(t, data, first, first+1)
		}},
		{"entry_lost", func(t testing.TB, data string) {
			if err := os.Remove(lakeFiles(t, data, "_manifest/*-*.json")[1]); err != nil {
				t.Fatal(err)
			}
		}},
	}
}

// removeMessages takes messages out of the embedded stream, with the nats command line tool.
func removeMessages(t testing.TB, data string, seqs ...int) {
	t.Helper()
	conn := stream.New(stream.Config{Dir: filepath.Join(data, "jetstream"), Port: -1}, zerolog.Nop())
	if err := conn.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	for _, seq := range seqs {
		out, err := exec.Command(tool(t, "nats"), "--server", conn.URL(), "stream", "rmm", "CONVERSATIONS", fmt.Sprint(seq), "--force").CombinedOutput()
		if err != nil {
			t.Fatalf("nats stream rmm: %v\n%s", err, out)
		}
	}
}

// repair runs the commands that a difference prints.
func repair(t testing.TB, data, dir, commands string) {
	t.Helper()
	for _, command := range strings.Split(commands, " && ") {
		args := strings.Fields(command)
		if args[0] != "claude-analytics" {
			t.Fatalf("not a command of ours: %s", command)
		}
		args = append(args[1:], "--data-dir", data)
		if args[0] == "extract" {
			args = append(args, "--transcripts", dir, "--source", "test")
		}
		mustRun(t, args...)
	}
}

// TestVerifyNamesAndRepairs plants one fault of each kind: verify names it, and the printed command repairs it. LONG=1
// plants each alone, else all stand at once.
func TestVerifyNamesAndRepairs(t *testing.T) {
	t.Parallel()
	long(t)
	data, dir := corpus(t, "6", "71")
	if v := verified(t, data, dir, 0, "--deep"); v.Differences != 0 {
		t.Fatalf("a fresh DATA_DIR differs: %+v", v.all())
	}
	// Under another REPORT_TZ the marts are to be built anew: nothing differs, and they were not looked at.
	refused(t, 1, []string{"not everything could be looked at"}, []string{"REPORT_TZ=Asia/Tokyo"}, verifyArgs(data, dir, "verify")...)
	before := martSums(t, data)
	if os.Getenv("LONG") == "" {
		// A rebuild of the rows computes the marts anew, so the marts' fault has its turn afterwards.
		ofMarts := func(f fault) bool { return f.kind == "mart_differs" }
		all := faults()
		plantAndRepair(t, data, dir, slices.DeleteFunc(slices.Clone(all), ofMarts)...)
		plantAndRepair(t, data, dir, all[slices.IndexFunc(all, ofMarts)])
		sameMarts(t, martSums(t, data), before, "repaired")
		return
	}
	for _, f := range faults() {
		t.Run(f.kind, func(t *testing.T) {
			own := t.TempDir()
			if err := os.CopyFS(own, os.DirFS(data)); err != nil {
				t.Fatal(err)
			}
			plantAndRepair(t, own, dir, f)
			sameMarts(t, martSums(t, own), before, "repaired")
		})
	}
}

func plantAndRepair(t *testing.T, data, dir string, plantedFault ...fault) {
	t.Helper()
	for _, f := range plantedFault {
		f.plant(t, data)
	}
	found := verified(t, data, dir, 3).all()
	named, done := map[string]bool{}, map[string]bool{}
	for round := 0; len(found) > 0; round++ {
		if round == 4 {
			t.Fatalf("not repaired: %+v", found)
		}
		for _, d := range found {
			named[d.Kind] = named[d.Kind] || d.Count > 0 && d.Repair != ""
			// Rows are rebuilt from the lake, so that is made whole first.
			if lakeFirst := slices.ContainsFunc(found, func(d verifiedDifference) bool { return d.Level == "lake" }); lakeFirst && d.Level != "lake" {
				continue
			}
			if !done[d.Repair] {
				done[d.Repair] = true
				t.Logf("%s: %s", d.Kind, d.Repair)
				repair(t, data, dir, d.Repair)
			}
		}
		clear(done)
		r := runProgram(t, nil, verifyArgs(data, dir, "verify", "--json")...)
		var v verification
		if err := json.Unmarshal([]byte(r.stdout), &v); err != nil {
			t.Fatalf("verify: %v\n%s", err, r.stderr)
		}
		if found = v.all(); (r.code == 0) != (len(found) == 0) {
			t.Fatalf("exit code %d with %+v", r.code, found)
		}
	}
	for _, f := range plantedFault {
		if !named[f.kind] {
			t.Errorf("%s was not named: %v", f.kind, named)
		}
	}
}

// TestVerifySaysWhatItCouldNotSee: a source that shows nothing is no source that agrees.
func TestVerifySaysWhatItCouldNotSee(t *testing.T) {
	t.Parallel()
	dir, _ := generate(t, "--sessions", "6", "--seed", "73")
	data := t.TempDir()
	untilIdle(t, data, dir)
	projects, err := filepath.Glob(filepath.Join(dir, "*", "*.jsonl"))
	if err != nil || len(projects) < 2 {
		t.Fatal(projects, err)
	}
	// A transcript that Claude Code has removed since is no difference.
	if err := os.Remove(projects[0]); err != nil {
		t.Fatal(err)
	}
	if r := runProgram(t, nil, verifyArgs(data, dir, "verify")...); r.code != 0 || !strings.Contains(r.stdout, "are no longer in folder "+dir) {
		t.Errorf("a removed transcript: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	unseen := func(what string, wants []string, args ...string) {
		t.Helper()
		r := runProgram(t, nil, append([]string{"verify", "--data-dir", data}, args...)...)
		for _, want := range append(wants, "failed", "Nothing differs in what could be looked at") {
			if r.code != 1 || !strings.Contains(r.stdout, want) {
				t.Errorf("%s: exit code %d, and not told: %s\n%s%s", what, r.code, want, r.stdout, r.stderr)
			}
		}
	}
	unseen("no source is named", []string{"source test", "--transcripts DIR"})
	unseen("another lane", []string{"source test", "--source test"}, "--transcripts", dir)
	unseen("an empty folder", []string{"was moved"}, "--transcripts", t.TempDir(), "--source", "test")
	unseen("no such folder", []string{"no such file"}, "--transcripts", filepath.Join(dir, "none"), "--source", "test")
}

// TestVerifyKnowsOfUnfinishedSwaps: a kill in the middle of a change of files in the lake is no damage.
func TestVerifyKnowsOfUnfinishedSwaps(t *testing.T) {
	t.Parallel()
	dir, _ := generate(t, "--sessions", "3", "--seed", "74")
	data := t.TempDir()
	untilIdle(t, data, dir)
	files, err := filepath.Glob(filepath.Join(data, "raw", "date=*", "*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	below, _ := filepath.Rel(filepath.Join(data, "raw"), files[0])
	journal, _ := json.Marshal(map[string]any{"version": 1, "moves": []string{filepath.ToSlash(below)}})
	if err := os.Rename(files[0], files[0]+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "raw", "_manifest", "rewrite.json"), journal, 0o600); err != nil {
		t.Fatal(err)
	}
	if v := verified(t, data, dir, 0); v.Differences != 0 {
		t.Errorf("differences: %+v", v.all())
	}
	if _, err := os.Stat(files[0]); err != nil {
		t.Error(err)
	}
}
