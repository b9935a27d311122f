package models_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"claude-analytics/modeler"
)

// Golden totals of real transcripts: TRANSCRIPTS names their folder, by default the one beside the repository.
func TestSample(t *testing.T) {
	folder := os.Getenv("TRANSCRIPTS")
	if folder == "" {
		folder = "../../../shared/transcripts/projects"
	}
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("no sample transcripts: %v; TRANSCRIPTS names their folder", err)
	}
	var documents []bronzeDocument
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".jsonl") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		more, err := transcript(filepath.ToSlash(below), data, uint64(len(documents)))
		documents = append(documents, more...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorkshop(t)
	if err := insert(t.Context(), w.db, 1, documents); err != nil {
		t.Fatal(err)
	}
	if _, err := w.modeler.Refresh(t.Context(), modeler.Options{}); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"select count(*) from raw.conversations":                                                              "2789",
		"select count(*) from marts.dim_sessions":                                                             "15",
		"select sum(total_tokens) from marts.fct_api_requests":                                                "24084636",
		"select sum(total_tokens) from marts.agg_daily_summary":                                               "24084636",
		"select count(*), count(*) filter (status <> 'pending') from marts.fct_tool_calls":                    "588 | 587",
		"select sum(subagent_count) = (select count(*) from marts.fct_subagent_runs) from marts.dim_sessions": "true",
	} {
		if got := strings.Join(rowsOf(t, w.db, query), "\n"); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	results, err := w.modeler.Test(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Status != "pass" && r.Kind != "freshness" { // the sample is old
			t.Errorf("test %s: %s, %d rows %s", r.Name, r.Status, r.Failures, r.Message)
		}
	}
}
