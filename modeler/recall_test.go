package modeler_test

import (
	"context"
	"testing"
	"testing/fstest"
	"time"

	"claude-analytics/modeler"
)

// TestRecorded: another process knows of the last refresh, of the tests, and of failures since, what the first one knew.
func TestRecorded(t *testing.T) {
	b := fixture(t)
	ctx := context.Background()
	if s, err := modeler.Recorded(ctx, b.db); err != nil || s.Last != nil || s.Failures != 0 || !s.Newest.IsZero() {
		t.Fatalf("before the first refresh: %+v, %v", s, err)
	}
	files := testedProject(t)
	m := newModeler(b.db, modeler.Config{ProjectFS: files})
	want := refresh(t, m, modeler.Options{})
	check := func(what string, s modeler.Status) {
		t.Helper()
		if s.Last == nil || s.Last.ID != want.ID || s.Last.Kind != want.Kind || s.Last.Reason != want.Reason || s.Last.Batch != want.Batch ||
			s.Last.ChangedSessions != want.ChangedSessions || len(s.Last.Models) == 0 {
			t.Errorf("%s: the last refresh is %+v, want %+v", what, s.Last, want)
		}
		if own := m.Status(); !s.Newest.Equal(own.Newest) {
			t.Errorf("%s: newest document %s, want %s", what, s.Newest, own.Newest)
		}
	}
	s, err := modeler.Recorded(ctx, b.db)
	if err != nil {
		t.Fatal(err)
	}
	check("recorded", s)
	if own := m.Status(); s.Tests.Passed != own.Tests.Passed || s.Tests.Passed == 0 {
		t.Errorf("%d tests passed, want %d", s.Tests.Passed, own.Tests.Passed)
	}

	files["marts/dim_sessions.sql"] = &fstest.MapFile{Data: []byte(replaced(t, "marts/dim_sessions.sql", "count(*) as records", "count(*) as records, nope"))}
	for i := range 2 {
		b.apply(t, []doc{{id: "9", session: "z", project: "p", minute: 3, length: i}}, nil)
		if _, err := m.Refresh(ctx, modeler.Options{}); err == nil {
			t.Fatal("a model that names no column was built")
		}
	}
	if s, err = modeler.Recorded(ctx, b.db); err != nil {
		t.Fatal(err)
	}
	check("after failures", s)
	if s.Failures != 2 || s.LastError == "" || time.Since(s.LastErrorAt) > time.Hour {
		t.Errorf("failures: %+v", s)
	}

	next := newModeler(b.db, modeler.Config{ProjectFS: smallProject})
	if err := next.Recall(ctx); err != nil {
		t.Fatal(err)
	}
	check("recalled", next.Status())
	if s := next.Status(); s.Failures != 0 || s.LastError != "" {
		t.Errorf("another process's failures are its own: %+v", s)
	}
}
