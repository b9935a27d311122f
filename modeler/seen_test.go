package modeler_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
)

// Whoever is told of a refresh sees what it changed, in the sessions that are named, before its rows are tested.
func TestToldWhenOthersSee(t *testing.T) {
	b := fixture(t)
	type told struct {
		sessions []string
		records  int64
		tested   int64
	}
	var got []told
	m := newModeler(b.db, modeler.Config{OnRefresh: func(r modeler.Result) {
		one := told{sessions: r.SessionIDs}
		err := b.db.Read(context.Background(), func(ctx context.Context, tx *warehouse.Tx) error {
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM meta.test_results").Scan(&one.tested); err != nil {
				return err
			}
			return tx.QueryRow(ctx, "SELECT sum(records) FROM marts.agg_daily").Scan(&one.records)
		})
		if err != nil {
			t.Error(err)
		}
		if r.Finished.Before(r.Started) || r.Seconds <= 0 {
			t.Errorf("it took from %s to %s, %v s", r.Started, r.Finished, r.Seconds)
		}
		got = append(got, one)
	}})
	refresh(t, m, modeler.Options{})
	before := got[0]
	if before.sessions != nil {
		t.Errorf("a refresh of everything names sessions: %q", before.sessions)
	}
	if before.tested != 0 {
		t.Errorf("%d tests were written down before anybody was told", before.tested)
	}
	b.apply(t, []doc{{id: "new", session: "told", project: "p", minute: 3}}, nil)
	refresh(t, m, modeler.Options{})
	if len(got) != 2 {
		t.Fatalf("told %d times of two refreshes", len(got))
	}
	if after := got[1]; after.records != before.records+1 || !slices.Equal(after.sessions, []string{"told"}) {
		t.Errorf("%+v after %+v", after, before)
	}
	refresh(t, m, modeler.Options{}) // there is nothing to do
	if len(got) != 2 {
		t.Error("told of a refresh that changed nothing")
	}
}

// Rows are tested out of the way of other writers, of whom one may want to replace the file: it is replaced, and the refresh
// is done, once.
func TestFileReplacedWhileTesting(t *testing.T) {
	b := fixture(t)
	told, replaced := 0, make(chan error, 1)
	m := newModeler(b.db, modeler.Config{OnRefresh: func(modeler.Result) {
		if told++; told != 2 {
			return
		}
		go func() {
			_, err := b.db.Rewrite(context.Background())
			replaced <- err
		}()
		time.Sleep(50 * time.Millisecond) // so that it is next in the queue
	}})
	refresh(t, m, modeler.Options{})
	b.apply(t, []doc{{id: "new", session: "told", project: "p", minute: 3}}, nil)
	if result := refresh(t, m, modeler.Options{}); result.ID != 2 || result.ChangedSessions != 1 {
		t.Errorf("%+v", result)
	}
	if err := <-replaced; err != nil {
		t.Error(err)
	}
	if result := refresh(t, m, modeler.Options{}); !result.Nothing() {
		t.Errorf("it was not done: %+v", result)
	}
	if told != 2 {
		t.Errorf("told %d times of two refreshes", told)
	}
	b.apply(t, []doc{{id: "newer", session: "told", project: "p", minute: 4}}, nil)
	if result := refresh(t, m, modeler.Options{}); result.ID != 3 {
		t.Errorf("the next: %+v", result)
	}
}
