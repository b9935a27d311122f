package modeler_test

import (
	"strings"
	"testing"

	"claude-analytics/modeler"
)

// TestRowsInManyPlaces refreshes sessions whose rows lie in a few of many vectors, in row groups far apart and on both sides of
// their borders, in sources and stored tables: all of them are found, and nothing else.
func TestRowsInManyPlaces(t *testing.T) {
	b := &bronze{db: openWarehouse(t)}
	const sessions, documents = 37, 1500 // 27 vectors, 4 row groups
	b.fill(t, "range(0, 37)", sessions, 0, documents)
	m := newModeler(b.db, modeler.Config{})
	refresh(t, m, modeler.Options{})
	more := documents
	for _, list := range []string{"[0]", "[36]", "[1, 10, 11, 21, 32]", "[5, 36]", "range(0, 37, 2)", "[20]"} {
		b.fill(t, list, sessions, more, 3)
		more += 3
		r := refresh(t, m, modeler.Options{Reason: modeler.ReasonChange})
		sum := func() string {
			var parts []string
			for _, table := range []string{"fct_docs", "fct_calls", "dim_sessions", "dim_projects", "agg_daily"} {
				parts = append(parts, b.query(t, "SELECT count(*), sum(hash(t)) FROM marts."+table+" t")...)
			}
			return strings.Join(parts, "\n")
		}
		incremental := sum()
		if r.Kind != modeler.KindIncremental {
			t.Errorf("%s: the refresh was %s", list, r.Kind)
		}
		refresh(t, m, modeler.Options{Full: true, Reason: modeler.ReasonChange})
		if full := sum(); full != incremental {
			t.Errorf("%s: refreshed\n%s\nrebuilt\n%s", list, incremental, full)
		}
	}
}
