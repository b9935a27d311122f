package redact

import "slices"

// near finds the rule's matches that hold one of the spots, which are in order. It looks at as little of the text as
// cannot lead to another result than all of it would.
func (s *scanner) near(r *rule, text []byte, spots []spot, out []found) []found {
	if r.arms == nil {
		return s.within(r, text, span{0, len(text)}, nil, out)
	}
	for i := 0; i < len(spots); {
		w := r.window(text, int(spots[i].at))
		last := i
		for last+1 < len(spots) {
			// Of the spots in the window, the last one's reaches farthest; the others' need not be known.
			next := last + 1
			for next+1 < len(spots) && int(spots[next+1].at) < w.to {
				next++
			}
			other := r.window(text, int(spots[next].at))
			if other.from > w.to {
				break
			}
			w.to, last = max(w.to, other.to), next
		}
		out = s.within(r, text, w, spots[i:last+1], out)
		i = last + 1
	}
	return out
}

// margin is what an assertion at the edge of a match may look at, and some more.
const margin = 4

// window is a part of the text that holds every match with the word at i. A match that overlaps such a one holds a word
// itself, whose window then overlaps this one.
func (r *rule) window(text []byte, i int) span {
	w := span{i, i}
	for n := 0; w.from > 0 && n < r.before && r.lead[text[w.from-1]]; n++ {
		w.from--
	}
	// What goes on for ever does so in some letters; all the rest of a match has bounds.
	rest := r.rest
	for n := 0; w.to < len(text) && n < r.longest && r.letters[text[w.to]]; n++ {
		if !r.repeats[text[w.to]] {
			if rest--; rest < 0 {
				break
			}
		}
		w.to++
	}
	return span{max(0, w.from-margin), min(len(text), w.to+margin)}
}

// within finds the rule's matches in a part of the text; those that hold none of the spots, if there are any, are left
// out: they may owe their existence to where the part was cut.
func (s *scanner) within(r *rule, text []byte, w span, spots []spot, out []found) []found {
	for _, m := range s.known.matches(r, text[w.from:w.to]) {
		m = slices.Clone(m)
		for k := range m {
			if m[k] >= 0 {
				m[k] += w.from
			}
		}
		for len(spots) > 0 && int(spots[0].at) < m[0] {
			spots = spots[1:]
		}
		if r.arms != nil && (len(spots) == 0 || int(spots[0].at) >= m[1]) {
			continue
		}
		if f, ok := r.secret(text, m, s.allow); ok {
			out = append(out, f)
		}
	}
	return out
}
