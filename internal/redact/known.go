package redact

import "hash/maphash"

// known are the windows that a scanner looked at last, with what their rule matches in them. A tool's output stands in a
// transcript twice, and a file as often as it is read; the patterns take hundreds of times as long as it takes to see
// that a window is one of those. It knows windows by their hash only, so that no secret outlives its document here.
type known struct {
	// seeds are of this scanner alone: nobody can make two windows that have both hashes in common.
	seeds   [2]maphash.Seed
	windows [knownWindows]knownWindow
}

type knownWindow struct {
	rule    *rule
	hash    [2]uint64
	matches [][]int
}

const (
	knownWindows = 256
	// knownLength is how long a window may be, bytes, and knownMatches how many matches it may have, to be known.
	knownLength, knownMatches = 4096, 8
)

func newKnown() known { return known{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}} }

// matches are those of the rule in a window, as FindAllSubmatchIndex gives them; they are not to be changed.
func (k *known) matches(r *rule, window []byte) [][]int {
	if len(window) > knownLength {
		return r.re.FindAllSubmatchIndex(window, -1)
	}
	hash := [2]uint64{maphash.Bytes(k.seeds[0], window), maphash.Bytes(k.seeds[1], window)}
	w := &k.windows[hash[0]%knownWindows]
	if w.rule == r && w.hash == hash {
		return w.matches
	}
	matches := r.re.FindAllSubmatchIndex(window, -1)
	if len(matches) <= knownMatches {
		*w = knownWindow{r, hash, matches}
	}
	return matches
}
