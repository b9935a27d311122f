package sink

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"claude-analytics/internal/stream"
	"claude-analytics/sink/lake"
)

// What is left of a range is, message for message, what no batch that is elsewhere covers.
func TestWithoutBatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const end = 60
		var entries []lake.Entry
		away := map[uint64]bool{}
		for next := uint64(1); next <= end; {
			first := next + uint64(rapid.IntRange(0, 3).Draw(t, "hole"))
			last := first + uint64(rapid.IntRange(0, 12).Draw(t, "length"))
			entries = append(entries, lake.Entry{First: first, Last: last})
			away[first] = rapid.Bool().Draw(t, "elsewhere")
			next = last + 1
		}
		whole := stream.Range{Subject: "s", First: uint64(rapid.IntRange(1, end).Draw(t, "first")), Last: uint64(rapid.IntRange(1, end).Draw(t, "last"))}
		want := map[uint64]bool{}
		for seq := whole.First; seq <= whole.Last; seq++ {
			want[seq] = true
		}
		for _, e := range entries {
			for seq := e.First; seq <= e.Last && away[e.First]; seq++ {
				delete(want, seq)
			}
		}
		got := map[uint64]bool{}
		for _, part := range withoutBatches(whole, rapid.Permutation(entries).Draw(t, "order"), func(e lake.Entry) bool { return away[e.First] }) {
			if part.First > part.Last || part.Subject != "s" {
				t.Fatalf("a range %+v", part)
			}
			for seq := part.First; seq <= part.Last; seq++ {
				if got[seq] {
					t.Fatalf("%d is read twice", seq)
				}
				got[seq] = true
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}
