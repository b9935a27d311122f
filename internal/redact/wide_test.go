package redact

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestWide: a long text has the same spots whether it is walked through in one place or in four, wherever words stand.
func TestWide(t *testing.T) {
	rules, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	s := rules.scanner()
	pieces := []string{
		"AKIA", "ghp_", "token", "secret=", "api_key: \"", "password", "xoxb-", "sk-ant-", "-----BEGIN RSA PRIVATE KEY-----",
		"aWxsdXN0cmF0aW9u", "\x02name\x00", " ", "\n", "a", "ke", "0123456789abcdef", "Die Würde des Menschen ",
	}
	rapid.Check(t, func(t *rapid.T) {
		var text []byte
		n := rapid.IntRange(s.wide(), 24*s.wide()).Draw(t, "length")
		for len(text) < n {
			text = append(text, rapid.SampledFrom(pieces).Draw(t, "piece")...)
		}
		keys := rapid.Bool().Draw(t, "keys")
		var one, four level
		look := func(l *level, walk func()) (spots []spot, any, marks []int32, keyed bool) {
			l.present = make([]bool, len(s.rules))
			s.marks, s.keyed = nil, false
			walk()
			slices.SortFunc(l.spots, func(a, b spot) int { return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(a.at, b.at)) })
			slices.Sort(l.any)
			slices.Sort(s.marks)
			return l.spots, l.any, s.marks, s.keyed
		}
		spots, any1, marks, keyed := look(&one, func() { s.lookFrom(text, 0, 0, len(text), &one, keys) })
		wideSpots, wideAny, wideMarks, wideKeyed := look(&four, func() { s.lookWide(text, &four, keys) })
		if !slices.Equal(spots, wideSpots) || !slices.Equal(any1, wideAny) || !slices.Equal(marks, wideMarks) || keyed != wideKeyed {
			t.Fatalf("%d and %d spots, %d and %d keywords, %d and %d marks in %q",
				len(spots), len(wideSpots), len(any1), len(wideAny), len(marks), len(wideMarks), text)
		}
		if len(spots) == 0 && len(any1) == 0 {
			t.Skip("nothing to find")
		}
	})
}
