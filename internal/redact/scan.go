package redact

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"regexp"
	"slices"
)

// span is a part of a text.
type span struct{ from, to int }

// found is a secret in a text.
type found struct {
	span
	rule *rule
	hash [sha256.Size]byte
}

// spot is where a rule may match: a word of it stands there, and what follows does not speak against it.
type spot struct{ rule, at int32 }

// target says what a word of the automaton is for.
type target struct {
	rule, arm int32 // arm -1: the word is a keyword, whose presence is to be known
	length    int32
}

// deepest is how often what was decoded is decoded again.
const deepest = 2

// scanner finds secrets in texts. It belongs to one goroutine.
type scanner struct {
	*Rules
	levels [deepest + 1]level
	marks  []int32 // places of a document that may hold a secret
	keyed  bool    // a field's name and value together may
	known  known
}

// level is a scanner's scratch for one depth of decoding.
type level struct {
	spots   []spot
	present []bool // by rule: a keyword is there
	any     []int32
	buf     []byte
	view    view
}

// look finds the spots of a text. With keys, it notes where a field's name of a document looks as if a secret followed.
func (s *scanner) look(text []byte, l *level, keys bool) {
	l.spots = l.spots[:0]
	if l.present == nil {
		l.present = make([]bool, len(s.rules))
	}
	for _, rule := range l.any {
		l.present[rule] = false
	}
	l.any = l.any[:0]
	for _, rule := range s.always {
		l.spots = append(l.spots, spot{rule, 0})
	}
	if len(text) >= s.wide() {
		s.lookWide(text, l, keys)
		return
	}
	s.lookFrom(text, 0, 0, len(text), l, keys)
}

// lookFrom runs the automaton from one offset to another, in the state that it has there.
func (s *scanner) lookFrom(text []byte, state uint16, from, to int, l *level, keys bool) {
	words, first := s.words, s.words.first
	for i := from; i < to; i++ {
		state = words.step(state, text[i])
		if state >= first {
			s.ended(text, state, i+1, l, keys)
		}
	}
}

// ended takes up the words that end before an offset.
func (s *scanner) ended(text []byte, state uint16, end int, l *level, keys bool) {
	for _, word := range s.words.ends[state-s.words.first] {
		for _, t := range s.targets[word] {
			s.hit(text, t, end-int(t.length), l, keys)
		}
	}
}

// Each step of the automaton waits for the one before it to come out of the table, so a long text is walked through in
// four places at once.
const (
	lanes = 4
	// leastLane is how many bytes at least there are for each; below it, walking costs less than finding the states to begin in.
	leastLane = 48
)

// wide is from which length on a text is walked through in lanes, bytes: each holds the longest word.
func (s *scanner) wide() int { return lanes * max(s.words.longest, leastLane) }

// lookWide is lookFrom for all of a text of that length. Spots come in no order.
func (s *scanner) lookWide(text []byte, l *level, keys bool) {
	words, first := s.words, s.words.first
	n := len(text) / lanes
	t0, t1, t2, t3 := text[:n], text[n:2*n], text[2*n:3*n], text[3*n:4*n]
	// In each lane but the first the automaton is in the state behind what stands before; it remembers no more than its longest word.
	var a, b, c, d uint16
	for i := n - words.longest; i < n; i++ {
		b = words.step(b, t0[i])
		c = words.step(c, t1[i])
		d = words.step(d, t2[i])
	}
	for i := range t0 {
		a = words.step(a, t0[i])
		b = words.step(b, t1[i])
		c = words.step(c, t2[i])
		d = words.step(d, t3[i])
		if max(a, b, c, d) < first {
			continue
		}
		for k, state := range [lanes]uint16{a, b, c, d} {
			if state >= first {
				s.ended(text, state, k*n+i+1, l, keys)
			}
		}
	}
	s.lookFrom(text, d, lanes*n, len(text), l, keys)
}

// hit looks at one word in the text.
func (s *scanner) hit(text []byte, t target, at int, l *level, keys bool) {
	r := s.rules[t.rule]
	if t.arm < 0 {
		if !l.present[t.rule] {
			l.present[t.rule] = true
			l.any = append(l.any, t.rule)
			if r.arms == nil {
				l.spots = append(l.spots, spot{t.rule, 0})
			}
		}
		if keys && r.arms == nil {
			s.marks = append(s.marks, int32(at))
		}
		return
	}
	if r.arms[t.arm].boundary && !boundaryAt(text, at) {
		return
	}
	open, end := r.gate[t.arm].open(text[at:])
	if !open {
		seen := text[at:min(len(text), at+end+1)]
		if hasEscapes(seen) {
			open = r.gate[t.arm].openEscaped(text[at:])
		} else if keys && !s.keyed && end < len(text)-at && seen[end] == 0 {
			s.keyed = isKey(text, at)
		}
	}
	if open {
		l.spots = append(l.spots, spot{t.rule, int32(at)})
	}
}

// isKey reports whether what stands at i of a document may be part of the name of a field that holds text.
func isKey(doc []byte, i int) bool {
	for n := 0; i > 0 && n < 256; n++ {
		i--
		if doc[i] < 0x20 {
			return doc[i] == typeString
		}
	}
	return false
}

// text finds the secrets of a text.
func (s *scanner) text(text []byte, depth int, out []found) []found {
	l := &s.levels[depth]
	s.look(text, l, false)
	if len(l.spots) > 0 {
		before := len(out)
		escaped := s.escaped(text, l.spots)
		out = s.match(text, l, out)
		if v := &l.view; escaped && v.unescape(text) {
			s.look(v.text, l, false)
			n := len(out)
			out = s.match(v.text, l, out)
			for i := n; i < len(out); i++ {
				out[i].from, out[i].to = int(v.from[out[i].from]), int(v.from[out[i].to])
			}
		}
		out = dropMarkers(text, out, before)
	}
	if depth < deepest {
		eachRun(text, func(from, to int) {
			l.buf = decoded(text[from:to], l.buf, func(plain []byte) bool {
				n := len(out)
				if out = s.text(plain, depth+1, out); len(out) > n {
					out = out[:n+1]
					out[n].span = span{from, padded(text, to)}
					return false
				}
				return true
			})
		})
	}
	return out
}

// escaped reports whether an escape stands where it could keep a rule from matching.
func (s *scanner) escaped(text []byte, spots []spot) bool {
	if !hasEscapes(text) {
		return false
	}
	for _, spot := range spots {
		r, at := s.rules[spot.rule], int(spot.at)
		if r.arms == nil || hasEscapes(text[max(0, at-escapeReach):min(len(text), at+min(r.longest, escapeReach)+margin)]) {
			return true
		}
	}
	return false
}

// escapeReach is how far from a word an escape may stand and still matter, bytes.
const escapeReach = 256

// padded is the end of a run with what fills it up.
func padded(text []byte, to int) int {
	for n := 0; n < 2 && to < len(text) && text[to] == '='; n++ {
		to++
	}
	return to
}

// match lets the rules that have spots look for themselves.
func (s *scanner) match(text []byte, l *level, out []found) []found {
	slices.SortFunc(l.spots, func(a, b spot) int {
		return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(a.at, b.at))
	})
	for i := 0; i < len(l.spots); {
		j := i + 1
		for j < len(l.spots) && l.spots[j].rule == l.spots[i].rule {
			j++
		}
		r := s.rules[l.spots[i].rule]
		if !r.apart || l.present[l.spots[i].rule] {
			out = s.near(r, text, l.spots[i:j], out)
		}
		i = j
	}
	return out
}

// secret is what of a match is secret, if it is.
func (r *rule) secret(text []byte, m []int, global []allowlist) (found, bool) {
	match := span{m[0], m[1]}
	for match.from < match.to && text[match.from] == '\n' {
		match.from++
	}
	for match.to > match.from && text[match.to-1] == '\n' {
		match.to--
	}
	at := match
	for g := 1; 2*g < len(m); g++ {
		if (r.group == 0 && m[2*g] < m[2*g+1] || g == r.group) && m[2*g] >= 0 {
			at = span{m[2*g], m[2*g+1]}
			break
		}
	}
	if at.from == at.to {
		return found{}, false
	}
	secret := text[at.from:at.to]
	if r.entropy != 0 && entropy(secret) <= r.entropy {
		return found{}, false
	}
	for _, list := range [][]allowlist{global, r.allow} {
		for i := range list {
			if list[i].allows(text, match, at) {
				return found{}, false
			}
		}
	}
	return found{span: at, rule: r, hash: sha256.Sum256(secret)}, true
}

var marker = regexp.MustCompile(`\[REDACTED:[a-z0-9_-]{1,64}:[0-9a-f]{12}\]`)

const markerBegin = "[REDACTED:"

// dropMarkers takes out what was found inside of what redaction itself has left.
func dropMarkers(text []byte, list []found, from int) []found {
	if len(list) == from || !bytes.Contains(text, []byte(markerBegin)) {
		return list
	}
	marks := marker.FindAllIndex(text, -1)
	kept := slices.DeleteFunc(list[from:], func(f found) bool {
		return slices.ContainsFunc(marks, func(m []int) bool { return f.from >= m[0] && f.to <= m[1] })
	})
	return list[:from+len(kept)]
}

// settle orders what was found in one text, and makes one of what overlaps: the most telling rule gives it its name.
func settle(list []found) []found {
	if len(list) < 2 {
		return list
	}
	slices.SortStableFunc(list, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to))
	})
	kept := list[:1]
	for _, f := range list[1:] {
		last := &kept[len(kept)-1]
		if f.from >= last.to {
			kept = append(kept, f)
			continue
		}
		to := max(last.to, f.to)
		if last.rule.general && !f.rule.general {
			last.rule, last.hash = f.rule, f.hash
		}
		last.to = to
	}
	return kept
}
