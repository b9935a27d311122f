package stream

import (
	"testing"

	"pgregory.net/rapid"
)

// A position takes those before it with it while they are near; one that left some behind goes on leaving until it takes all.
func TestTrail(t *testing.T) {
	var tr trail
	step := func(what string, known bool, end, seq uint64, want bool) {
		t.Helper()
		got := tr.rolls("s", end)
		if got != want {
			t.Errorf("%s: replaces those before it: %v, want %v", what, got, want)
		}
		tr.landed("s", got, known, seq)
	}
	step("the first of all, which has nothing to replace", false, 10, 11, false)
	step("soon after", false, 100, 101, true)
	step("far from it", true, 101+near, 5000, false)
	for range maxLeft - 1 {
		step("after some were left", true, 5000, 5001, false)
	}
	step("after enough were left", true, 5100, 5101, true)
	step("soon after that", true, 5200, 5201, true)

	tr = trail{}
	step("of an earlier writer's file", true, 10, 11, false)
}

// However positions follow each other, no more than maxLeft of a subject are left behind by this writer, and what is replaced
// never lies far back unless that many are.
func TestTrailIsBounded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var tr trail
		known := rapid.Bool().Draw(rt, "known")
		there, end := 0, uint64(rapid.IntRange(0, 100).Draw(rt, "end"))
		if known {
			there = 1
		}
		oldest := uint64(0)
		for range rapid.IntRange(1, 300).Draw(rt, "positions") {
			end += uint64(rapid.SampledFrom([]int{0, 1, 10, near - 2, near + 1, 100_000}).Draw(rt, "between"))
			rolled := tr.rolls("s", end)
			if rolled && there > 0 && there < maxLeft && end+1-oldest > near {
				rt.Fatalf("at %d one replaced %d, the first of which is at %d", end+1, there, oldest)
			}
			end++
			tr.landed("s", rolled, known, end)
			if rolled || there == 0 {
				there, oldest = 0, end
			}
			if there++; there > maxLeft+1 {
				rt.Fatalf("%d positions are in the stream", there)
			}
			known = true
		}
	})
}
