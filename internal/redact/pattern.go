package redact

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// fold makes a pattern's letters without case mean ASCII letters: Unicode's folding adds the Kelvin sign and the long s,
// which no secret holds, and which the words that are looked for first would miss.
func fold(re *syntax.Regexp) *syntax.Regexp {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return re
		}
		subs := make([]*syntax.Regexp, len(re.Rune))
		for i, r := range re.Rune {
			lower, upper := r, r
			if r >= 'A' && r <= 'Z' {
				lower += 'a' - 'A'
			} else if r >= 'a' && r <= 'z' {
				upper -= 'a' - 'A'
			}
			if lower == upper {
				subs[i] = &syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune{r}, Flags: re.Flags &^ syntax.FoldCase}
			} else {
				subs[i] = &syntax.Regexp{Op: syntax.OpCharClass, Rune: []rune{min(lower, upper), min(lower, upper), max(lower, upper), max(lower, upper)}}
			}
		}
		return &syntax.Regexp{Op: syntax.OpConcat, Sub: subs}
	case syntax.OpCharClass:
		const longS, kelvin = 0x17F, 0x212A
		var ranges []rune
		for i := 0; i < len(re.Rune); i += 2 {
			if lo, hi := re.Rune[i], re.Rune[i+1]; lo != hi || lo != longS && lo != kelvin {
				ranges = append(ranges, lo, hi)
			}
		}
		if len(ranges) == len(re.Rune) {
			return re
		}
		return &syntax.Regexp{Op: syntax.OpCharClass, Rune: ranges, Flags: re.Flags}
	}
	out := *re
	out.Sub = make([]*syntax.Regexp, len(re.Sub))
	for i, sub := range re.Sub {
		out.Sub[i] = fold(sub)
	}
	return &out
}

// plain takes the capturing groups out of a pattern, and makes concatenations flat.
func plain(re *syntax.Regexp) *syntax.Regexp {
	if re.Op == syntax.OpCapture {
		return plain(re.Sub[0])
	}
	if len(re.Sub) == 0 {
		return re
	}
	out := *re
	out.Sub = nil
	for _, sub := range re.Sub {
		sub = plain(sub)
		if re.Op == syntax.OpConcat && sub.Op == syntax.OpConcat {
			out.Sub = append(out.Sub, sub.Sub...)
		} else {
			out.Sub = append(out.Sub, sub)
		}
	}
	return &out
}

// unbounded is the width of what may go on for ever, and stays it in sums.
const unbounded = 1 << 30

// width is how many bytes a pattern matches, at least and at most.
func width(re *syntax.Regexp) (least, most int) {
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			least += max(1, utf8.RuneLen(r))
		}
		return least, least
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		least, most = 1, utf8.UTFMax
		if re.Op == syntax.OpCharClass && len(re.Rune) > 0 && re.Rune[len(re.Rune)-1] < utf8.RuneSelf {
			most = 1
		}
		return least, most
	case syntax.OpCapture:
		return width(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			l, m := width(sub)
			least, most = min(least+l, unbounded), min(most+m, unbounded)
		}
		return least, most
	case syntax.OpAlternate:
		least = unbounded
		for _, sub := range re.Sub {
			l, m := width(sub)
			least, most = min(least, l), max(most, m)
		}
		return least, most
	case syntax.OpQuest:
		_, most = width(re.Sub[0])
		return 0, most
	case syntax.OpStar, syntax.OpPlus:
		l, _ := width(re.Sub[0])
		if re.Op == syntax.OpStar {
			l = 0
		}
		return l, unbounded
	case syntax.OpRepeat:
		l, m := width(re.Sub[0])
		if re.Max < 0 || m >= unbounded {
			return min(l*re.Min, unbounded), unbounded
		}
		return min(l*re.Min, unbounded), min(m*re.Max, unbounded)
	}
	return 0, 0
}

const (
	maxWords   = 64 // that one place of a pattern may stand for
	wordLength = 10 // of a word that is looked for; the rest is seen to by what follows
)

// spell lists everything that a pattern can match, in lower case, if that is a few ASCII words.
func spell(re *syntax.Regexp) ([]string, bool) {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return []string{""}, true
	case syntax.OpLiteral:
		word := strings.ToLower(string(re.Rune))
		return []string{word}, isASCII(word)
	case syntax.OpCharClass:
		var words []string
		for i := 0; i < len(re.Rune); i += 2 {
			if re.Rune[i+1] >= utf8.RuneSelf || re.Rune[i+1]-re.Rune[i] > 8 {
				return nil, false
			}
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				words = append(words, strings.ToLower(string(r)))
			}
		}
		return distinct(words), len(words) > 0 && len(words) <= 12
	case syntax.OpCapture:
		return spell(re.Sub[0])
	case syntax.OpConcat:
		words := []string{""}
		for _, sub := range re.Sub {
			more, ok := spell(sub)
			if !ok || len(words)*len(more) > maxWords {
				return nil, false
			}
			words = cross(words, more)
		}
		return words, true
	case syntax.OpAlternate:
		var words []string
		for _, sub := range re.Sub {
			more, ok := spell(sub)
			if !ok || len(words)+len(more) > maxWords {
				return nil, false
			}
			words = append(words, more...)
		}
		return distinct(words), true
	case syntax.OpQuest:
		words, ok := spell(re.Sub[0])
		return distinct(append([]string{""}, words...)), ok && len(words) < maxWords
	case syntax.OpRepeat:
		if re.Min == re.Max && re.Max <= 4 {
			return spell(&syntax.Regexp{Op: syntax.OpConcat, Sub: slices.Repeat(re.Sub[:1], re.Min)})
		}
	}
	return nil, false
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func cross(a, b []string) []string {
	all := make([]string, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			all = append(all, x+y)
		}
	}
	return distinct(all)
}

func distinct(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

// begin lists the words with which everything that a pattern can match begins; whole says that they are all of it.
func begin(re *syntax.Regexp) (words []string, whole bool) {
	if words, ok := spell(re); ok {
		return words, true
	}
	switch re.Op {
	case syntax.OpCapture:
		return begin(re.Sub[0])
	case syntax.OpPlus:
		words, _ = begin(re.Sub[0])
		return words, false
	case syntax.OpRepeat:
		if re.Min > 0 {
			words, _ = begin(re.Sub[0])
			return words, false
		}
	case syntax.OpConcat:
		words, whole = []string{""}, true
		for _, sub := range re.Sub {
			var more []string
			more, whole = begin(sub)
			if len(words)*len(more) > maxWords {
				return words, false
			}
			if words = cross(words, more); !whole {
				break
			}
		}
		return words, whole
	case syntax.OpAlternate:
		whole = true
		for _, sub := range re.Sub {
			more, ok := begin(sub)
			words, whole = append(words, more...), whole && ok
		}
		if words = distinct(words); len(words) <= maxWords {
			return words, whole
		}
	}
	return []string{""}, false
}

// arm is one of the alternatives of a pattern, with the words of which each of its matches holds one.
type arm struct {
	words []string
	// full are the words before they were cut to a length that is enough.
	full []string
	// before is how many bytes of a match may stand before the word.
	before int
	// boundary says that the match begins with the word, and that at a word boundary.
	boundary bool
	// head is the pattern before the word, tail from it on.
	head []*syntax.Regexp
	tail *syntax.Regexp
}

// arms takes a pattern apart. It returns false if a match need not hold any word worth looking for.
func arms(re *syntax.Regexp) ([]arm, bool) {
	re = plain(re)
	alternatives := []*syntax.Regexp{re}
	if re.Op == syntax.OpAlternate {
		alternatives = re.Sub
	}
	var all []arm
	for _, alternative := range alternatives {
		found, ok := armOf(alternative)
		if !ok {
			return nil, false
		}
		all = append(all, found)
	}
	return all, true
}

// armOf chooses the run of a pattern's parts whose words are rarest.
func armOf(re *syntax.Regexp) (arm, bool) {
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	best, bestScore := arm{}, 0
	before, least := 0, 0
	for i := range parts {
		words, whole := []string{""}, true
		for j := i; j < len(parts) && whole; j++ {
			var more []string
			if more, whole = begin(parts[j]); len(words)*len(more) > maxWords {
				break
			}
			words = cross(words, more)
			if len(more) == 1 && more[0] == "" && j == i {
				break // an assertion, or anything: the run begins behind it
			}
			shortest := unbounded
			for _, word := range words {
				shortest = min(shortest, len(word))
			}
			score := 10*min(shortest, wordLength) - len(words)/2
			if before < unbounded {
				score += 25
			}
			if shortest >= 2 && score > bestScore {
				bestScore = score
				best = arm{
					words: slices.Clone(words), before: before,
					boundary: least == 0 && before == 0 && i > 0 && parts[i-1].Op == syntax.OpWordBoundary,
					head:     parts[:i],
					tail:     &syntax.Regexp{Op: syntax.OpConcat, Sub: parts[i:]},
				}
			}
		}
		l, m := width(parts[i])
		least, before = least+l, min(before+m, unbounded)
	}
	best.full = slices.Clone(best.words)
	for i, word := range best.words {
		best.words[i] = word[:min(len(word), wordLength)]
		best.boundary = best.boundary && isWord(word[0])
	}
	best.words = distinct(best.words)
	return best, bestScore > 0
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// alphabet adds the bytes that a match can hold.
func alphabet(re *syntax.Regexp, set *[256]bool) {
	add := func(lo, hi rune) {
		for r := lo; r <= min(hi, 0x7F); r++ {
			set[r] = true
		}
		if hi >= utf8.RuneSelf {
			for c := utf8.RuneSelf; c < 256; c++ {
				set[c] = true
			}
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			add(r, r)
			if re.Flags&syntax.FoldCase != 0 {
				for _, c := range strings.ToLower(string(r)) + strings.ToUpper(string(r)) {
					add(c, c)
				}
			}
		}
	case syntax.OpCharClass:
		for i := 0; i < len(re.Rune); i += 2 {
			add(re.Rune[i], re.Rune[i+1])
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		add(0, utf8.MaxRune)
		set['\n'] = set['\n'] || re.Op == syntax.OpAnyChar
	}
	for _, sub := range re.Sub {
		alphabet(sub, set)
	}
}

// endless adds what the unbounded parts of a pattern are made of, and returns how long the rest is at most.
func endless(re *syntax.Regexp, set *[256]bool) (rest int) {
	_, most := width(re)
	if most < unbounded {
		return most
	}
	if re.Op == syntax.OpConcat {
		for _, part := range re.Sub {
			rest += endless(part, set)
		}
		return rest
	}
	alphabet(re, set)
	return 0
}
