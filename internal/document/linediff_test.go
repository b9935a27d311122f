package document

import (
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
		{"too many to compare", strings.Repeat("a\nb\n", 600), "x\n" + strings.Repeat("b\na\n", 600) + "y", lineChange{1202, 1200}},
	} {
		if got := changedLines(c.from, c.to); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
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
