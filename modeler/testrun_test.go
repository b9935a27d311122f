package modeler_test

import (
	"context"
	"testing"

	"claude-analytics/modeler"
)

func TestDataTests(t *testing.T) {
	b := fixture(t)
	m := newModeler(b.db, modeler.Config{})
	refresh(t, m, modeler.Options{})
	results, err := m.Test(context.Background(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 4 {
		t.Errorf("%d results", len(results))
	}
	for _, r := range results {
		if r.Status != "pass" {
			t.Errorf("%+v", r)
		}
	}
	b.exec(t, "UPDATE marts.fct_docs SET content_length = -1, doc_key = 'same'", "DROP TABLE marts.dim_projects")
	if results, err = m.Test(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range results {
		got[r.Kind] = r.Status
	}
	if got["not_null"] != "pass" || got["unique"] != "fail" || got["singular"] != "fail" || got["relationships"] != "error" {
		t.Errorf("results %v", got)
	}
	equal(t, "kept", b.query(t, "SELECT kind, status, failures FROM meta.test_results WHERE status = 'fail' ORDER BY ALL"), "singular fail 3", "unique fail 2")
	if results, err = m.Test(context.Background(), []string{"dim_projects"}, nil); err != nil || len(results) != 0 {
		t.Errorf("%v, %v", results, err)
	}
}
