package document

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestChangedLines(t *testing.T) {
	for _, c := range []struct {
		name, from, to string
		want           lineChange
	}{
		{"nothing", "", "", lineChange{}},
		{"the same", "a\nb", "a\nb\n", lineChange{}},
		{"added at the end", "a", "a\nb", lineChange{added: 1}},
		{"all removed", "a\nb\n", "", lineChange{removed: 2}},
		{"one replaced", "a\nb\nc", "a\nx\nc", lineChange{1, 1}},
		{"moved", "a\nb\nc", "b\nc\na", lineChange{1, 1}},
		{"common lines between", "1\na\n2\nb\n3", "4\na\n5\nb\n6", lineChange{3, 3}},
		{"empty lines are lines", "a\n\n\nb", "a\n\nb", lineChange{removed: 1}},
		{"long and nearly alike", strings.Repeat("a\nb\n", 600), "x\n" + strings.Repeat("b\na\n", 600) + "y", lineChange{3, 1}},
		{"long, the first line last", numbered(0, 3000), numbered(1, 3000) + "0\n", lineChange{1, 1}},
		{"too much to compare", numbered(0, 2000), "x\n" + numbered(2000, 4000) + "y\n", lineChange{2002, 2000}},
	} {
		if got := changedLines(c.from, c.to); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// numbered are the numbers of a range, one a line.
func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.String()
}

// Both ways to count what is common give the same.
func TestNearlyAlike(t *testing.T) {
	list := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 40)
	rapid.Check(t, func(rt *rapid.T) {
		a, b := list.Draw(rt, "a"), list.Draw(rt, "b")
		if got, want := nearlyAlike(a, b), commonLines(a, b); got != want {
			rt.Fatalf("%d, want %d", got, want)
		}
	})
}

func TestChangedLinesProperties(t *testing.T) {
	text := rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", ""}), 0, 12), func(lines []string) string { return strings.Join(lines, "\n") })
	rapid.Check(t, func(rt *rapid.T) {
		from, to := text.Draw(rt, "from"), text.Draw(rt, "to")
		there, back := changedLines(from, to), changedLines(to, from)
		if there.added != back.removed || there.removed != back.added {
			rt.Fatalf("there %+v, back %+v", there, back)
		}
		if there.added-there.removed != int64(len(splitLines(to))-len(splitLines(from))) {
			rt.Fatalf("%+v does not lead from %d to %d lines", there, len(splitLines(from)), len(splitLines(to)))
		}
		if there.added < 0 || there.removed < 0 || there.removed > int64(len(splitLines(from))) {
			rt.Fatalf("%+v of %d lines", there, len(splitLines(from)))
		}
	})
}
