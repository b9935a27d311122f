package redact

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestKnownWindows: what a window matches is the same whether it was looked at before or not, for few windows and for
// more than are known.
func TestKnownWindows(t *testing.T) {
	rules := load(t)
	k := newKnown()
	rapid.Check(t, func(rt *rapid.T) {
		r := rules.rules[rapid.IntRange(0, min(len(rules.rules), 5)-1).Draw(rt, "rule")]
		// Few letters, so that windows come again.
		window := rapid.StringOfN(rapid.SampledFrom([]rune("ab= '")), 0, 4, -1).Draw(rt, "window")
		window = "token = '" + window + "0123456789abcdefghij'"
		for range 2 {
			if got, want := fmt.Sprint(k.matches(r, []byte(window))), fmt.Sprint(r.re.FindAllSubmatchIndex([]byte(window), -1)); got != want {
				rt.Fatalf("%s in %q: %s, want %s", r.id, window, got, want)
			}
		}
	})
	general := rules.rules[0]
	for _, r := range rules.rules {
		if r.id == "generic-api-key" {
			general = r
		}
	}
	for round := range 2 {
		for i := range 3 * knownWindows {
			window := fmt.Appendf(nil, "token = 'z8Kq%dTr5Wm2Xv9B' ", i)
			if got := k.matches(general, window); len(got) != 1 {
				t.Fatalf("round %d, window %d: %v", round, i, got)
			}
		}
	}
}
