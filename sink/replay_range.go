package sink

import (
	"cmp"
	"slices"
	"sort"

	"claude-analytics/internal/document"
	"claude-analytics/internal/stream"
	"claude-analytics/sink/lake"
)

// elsewhere reports whether a batch of the lake surely holds nothing of the part, so that its messages need not be read
// from the stream: the lake knows the days of all its rows. Of those that other rules made it knows them no longer, and
// of messages that could not be converted (letters, in order) it never did.
func (r *replay) elsewhere(e lake.Entry, letters []uint64) bool {
	if e.Epoch != r.extent.epoch || e.Rules != document.RulesVersion {
		return false
	}
	if at := sort.Search(len(letters), func(i int) bool { return letters[i] >= e.First }); at < len(letters) && letters[at] <= e.Last {
		return false
	}
	return !slices.ContainsFunc(e.Files, func(f lake.EntryFile) bool { return !r.skipFile(f.Path, e.Rules) })
}

// withoutBatches is what is left of a range once the batches that are elsewhere are taken out.
func withoutBatches(whole stream.Range, entries []lake.Entry, elsewhere func(lake.Entry) bool) []stream.Range {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b lake.Entry) int { return cmp.Compare(a.First, b.First) })
	var left []stream.Range
	for _, e := range entries {
		if whole.First > whole.Last {
			return left
		}
		if e.Last < whole.First || e.First > whole.Last || !elsewhere(e) {
			continue
		}
		if e.First > whole.First {
			before := whole
			before.Last = e.First - 1
			left = append(left, before)
		}
		whole.First = e.Last + 1
	}
	if whole.First <= whole.Last {
		left = append(left, whole)
	}
	return left
}
