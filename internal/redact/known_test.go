package redact

import (
	"fmt"
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

// TestKnownWindows: what a window matches is the same whether it was looked at before or not, for few windows and for
// more than are known.
func TestKnownWindows(t *testing.T) {
	k := newKnown()
	// Two rules that match some of the same windows, at other places.
	byID := map[string]*rule{}
	for _, r := range load(t).rules {
		byID[r.id] = r
	}
	general, other := byID["generic-api-key"], &rule{id: "letters", re: regexp.MustCompile(`(a+)b`)}
	matched := map[*rule]int{}
	rapid.Check(t, func(rt *rapid.T) {
		r := rapid.SampledFrom([]*rule{general, other}).Draw(rt, "rule")
		// Few letters, so that windows come again.
		window := "token = '" + rapid.StringOfN(rapid.SampledFrom([]rune("ab= '")), 0, 4, -1).Draw(rt, "window") + "z8Kq4dTr5Wm2Xv9B' "
		want := r.re.FindAllSubmatchIndex([]byte(window), -1)
		matched[r] += len(want)
		for range 2 {
			if got := k.matches(r, []byte(window)); fmt.Sprint(got) != fmt.Sprint(want) {
				rt.Fatalf("%s in %q: %v, want %v", r.id, window, got, want)
			}
		}
	})
	if matched[general] == 0 || matched[other] == 0 {
		t.Errorf("nothing was matched: %v", matched)
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
