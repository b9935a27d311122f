package spread

import (
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// Each number is worked on once, however they are shared out, by no more workers than there may be.
func TestOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, step, workers := rapid.IntRange(0, 500).Draw(t, "n"), rapid.IntRange(1, 70).Draw(t, "step"), rapid.IntRange(0, 6).Draw(t, "workers")
		done := make([]atomic.Int32, n)
		var made atomic.Int32
		Over(n, step, workers, func() func(int) {
			made.Add(1)
			last := -1
			return func(i int) {
				if i <= last {
					t.Errorf("%d after %d", i, last)
				}
				last = i
				done[i].Add(1)
			}
		})
		for i := range done {
			if times := done[i].Load(); times != 1 {
				t.Fatalf("%d was worked on %d times", i, times)
			}
		}
		limit := workers
		if workers == 0 {
			limit = most
		}
		if made := int(made.Load()); made > max(1, limit) {
			t.Fatalf("%d workers, at most %d may be", made, limit)
		}
	})
}
