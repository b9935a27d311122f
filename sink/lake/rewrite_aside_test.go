package lake_test

import (
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"claude-analytics/sink/lake"
)

// Looking at the disk anew takes nothing away that a rewriting or a record has begun.
func TestOpenedWhileRewriting(t *testing.T) {
	dir := t.TempDir()
	l := open(t, nil, dir)
	for first := uint64(1); first < 41; first += 4 {
		mustWrite(t, l, batch(1, first, first+3))
	}
	again := func() {
		if err := l.Open(t.Context()); err != nil || l.Stats().Removed > 0 || len(l.Faults()) > 0 {
			t.Errorf("%v, %d files removed, faults %v", err, l.Stats().Removed, l.Faults())
		}
	}
	if _, err := l.Rewrite(t.Context(), lake.RewriteOptions{
		Groups: byDate(l), Columns: []string{"_seq"}, Keep: without(fifth), Progress: func(int) { again() },
	}); err != nil {
		t.Fatal(err)
	}
	again()
	if got := sequences(t, open(t, nil, dir), lake.ScanOptions{}); !slices.Equal(got, survivors(40)) {
		t.Errorf("rows %v", got)
	}

	var others sync.WaitGroup
	defer others.Wait()
	done := make(chan struct{})
	others.Go(func() {
		defer close(done)
		for n := range 100 {
			if err := l.RecordErasure(t.Context(), lake.Erasure{Number: n + 1}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for {
		select {
		case <-done:
			return
		default:
			again()
		}
	}
}

// What a rewriting wrote that comes to nothing is gone when it returns.
func TestRewriteThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	l := open(t, nil, dir)
	for first := uint64(1); first < 41; first += 4 {
		mustWrite(t, l, batch(1, first, first+3))
	}
	groups := byDate(l)
	last := groups[len(groups)-1]
	failure := errors.New("no more")
	_, err := l.Rewrite(t.Context(), lake.RewriteOptions{Groups: groups, Columns: []string{"_seq"}, Keep: func(path string, rows arrow.RecordBatch) ([]bool, error) {
		if slices.Contains(last, path) {
			return nil, failure
		}
		return without(fifth)(path, rows)
	}})
	if err == nil {
		t.Fatal("no error")
	}
	if left, err := filepath.Glob(filepath.Join(dir, "date=*", "*.new")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
