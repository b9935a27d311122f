package models_test

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"claude-analytics/modeler"
)

// The defects of the platform that this one replaces, by their numbers. Beside what is wanted, a case has the old rule
// ("old"), as a query on bronze: its answer must be another, so that the case would fail on it. The ninth and the eleventh
// are no questions of rules: TestDefect09LoadReadsOnlyWhatIsNew and TestDefect11ReadersWorkWhileThePipelineWrites.
func TestDefects(t *testing.T) { runTogether(t, "testdata/defects/*.txtar", true) }

// Small sessions that were worked out by hand; the reasoning stands beside the lines.
func TestHandCheckedSessions(t *testing.T) { runTogether(t, "testdata/sessions/*.txtar", false) }

// runTogether builds the transcripts of all cases in one warehouse, so that they share a refresh: each case has sessions and
// projects of its own, and asks for those.
func runTogether(t *testing.T, pattern string, old bool) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	var documents []bronzeDocument
	archives := map[string]*txtar.Archive{}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		archives[file] = archive
		for _, f := range archive.Files {
			if f.Name == "want" || f.Name == "old" {
				continue
			}
			more, err := transcript(f.Name, f.Data, uint64(len(documents)))
			if err != nil {
				t.Fatal(err)
			}
			documents = append(documents, more...)
		}
	}
	w := newWorkshop(t)
	if err := insert(t.Context(), w.db, 1, documents); err != nil {
		t.Fatal(err)
	}
	if _, err := w.modeler.Refresh(t.Context(), modeler.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			checkNamed(t, w, file, archives[file], old)
		})
	}
}

func checkNamed(t *testing.T, w *workshop, file string, archive *txtar.Archive, old bool) {
	answered := map[string]string{}
	for i := range archive.Files {
		f := &archive.Files[i]
		if f.Name != "want" && f.Name != "old" {
			continue
		}
		got := answers(t, w.db, string(f.Data))
		answered[f.Name] = got
		if got == string(f.Data) {
			continue
		}
		if !*update {
			t.Errorf("%s says otherwise:\n%s", f.Name, difference(string(f.Data), got))
			continue
		}
		f.Data = []byte(got)
		rewrite(t, file, archive)
	}
	if old && firstRows(answered["old"]) == firstRows(answered["want"]) {
		t.Errorf("the old rule gives the same:\n%s", firstRows(answered["old"]))
	}
}

// firstRows are the rows of the first query.
func firstRows(text string) string {
	block, _, _ := strings.Cut(strings.TrimSpace(text), "\n\n")
	_, rows, _ := strings.Cut(block, "\n----")
	return strings.TrimSpace(rows)
}
