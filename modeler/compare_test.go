package modeler_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"claude-analytics/modeler"
)

// compared are the models that differ, with their examples.
func compared(t testing.TB, m *modeler.Modeler, limit int64) map[string]modeler.ModelDifference {
	t.Helper()
	c, err := m.Compare(context.Background(), limit, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]modeler.ModelDifference{}
	for _, d := range c.Differences {
		found[d.Model] = d
	}
	return found
}

func TestCompare(t *testing.T) {
	b := fixture(t)
	m := newModeler(b.db, modeler.Config{})
	if _, err := m.Compare(context.Background(), 0, nil); !errors.Is(err, modeler.ErrNotBuilt) {
		t.Fatalf("before the first refresh: %v", err)
	}
	refresh := func(opts modeler.Options) {
		t.Helper()
		if _, err := m.Refresh(context.Background(), opts); err != nil {
			t.Fatal(err)
		}
	}
	refresh(modeler.Options{})
	if found := compared(t, m, 0); len(found) > 0 {
		t.Errorf("as refreshed: %+v", found)
	}
	// A change that no refresh has taken up yet is no difference.
	b.apply(t, []doc{{id: "9", session: "a", project: "p", minute: 3, length: 2}}, nil)
	if found := compared(t, m, 0); len(found) > 0 {
		t.Errorf("with a change waiting: %+v", found)
	}
	refresh(modeler.Options{})
	for _, fault := range []struct{ model, statement, example string }{
		{"fct_docs", "UPDATE marts.fct_docs SET content_length = content_length + 1 WHERE rowid = (SELECT min(rowid) FROM marts.fct_docs)", "changed"},
		{"fct_docs", "DELETE FROM marts.fct_docs WHERE rowid = (SELECT min(rowid) FROM marts.fct_docs)", "missing"},
		{"dim_sessions", "INSERT INTO marts.dim_sessions FROM marts.dim_sessions LIMIT 1", "not computed"},
		{"dim_sessions", "UPDATE marts.dim_sessions SET session_id = 'nobody' WHERE session_id = 'a'", "nobody"},
		{"agg_daily", "DELETE FROM marts.agg_daily", "missing"},
	} {
		b.exec(t, fault.statement)
		found := compared(t, m, 0)
		d, named := found[fault.model]
		if !named || len(found) != 1 || !strings.Contains(strings.Join(d.Examples, "\n"), fault.example) {
			t.Errorf("%s: %+v", fault.statement, found)
		}
		refresh(modeler.Options{Select: []string{fault.model + "+"}, Full: true})
		if found := compared(t, m, 0); len(found) > 0 {
			t.Fatalf("repaired after %s: %+v", fault.statement, found)
		}
	}
}
