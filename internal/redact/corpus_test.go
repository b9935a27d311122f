package redact_test

import (
	"cmp"
	"maps"
	"slices"
	"testing"

	"claude-analytics/internal/redact"
)

// What the rules find in a folder of transcripts (TRANSCRIPTS), by rule and place, without what it is.
func TestCorpus(t *testing.T) {
	docs := corpus(t)
	rules, err := redact.Load("")
	if err != nil {
		t.Fatal(err)
	}
	type place struct{ rule, path string }
	places, hashes := map[place]int{}, map[string]bool{}
	size := 0
	for _, doc := range docs {
		size += len(doc)
		out, findings := rules.Document(doc)
		if err := out.Validate(); err != nil {
			t.Errorf("no BSON any more: %v", err)
		}
		if _, more := rules.Document(out); len(more) > 0 {
			t.Errorf("redacting again finds %s at %s", more[0].GetRule(), more[0].GetPath())
		}
		for _, f := range findings {
			places[place{f.GetRule(), f.GetPath()}]++
			hashes[f.GetHash()] = true
		}
	}
	t.Logf("%d documents, %.1f MB, %d different findings", len(docs), float64(size)/1e6, len(hashes))
	for _, p := range slices.SortedFunc(maps.Keys(places), func(a, b place) int { return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(a.path, b.path)) }) {
		t.Logf("%4d × %s at %s", places[p], p.rule, p.path)
	}
}
