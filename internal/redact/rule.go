package redact

import (
	"fmt"
	"math"
	"regexp"
	"regexp/syntax"
	"strings"
)

// rule is one kind of secret, ready to be looked for.
type rule struct {
	id       string
	re       *regexp.Regexp
	group    int // of the match that is the secret; 0: the first group that holds something, else the match
	entropy  float64
	keywords []string
	allow    []allowlist
	general  bool // says little of what was found: another rule's name is better

	arms []arm
	gate []*gate // one an arm
	// apart says that a match need not hold a keyword, so that whether the text does is to be looked at by itself.
	apart bool
	// longest is the longest match, before the most of it that may stand before a word, bytes.
	longest, before int
	// letters are what matches are made of, lead what may stand before a word.
	letters, lead [256]bool
	// repeats are the letters of what goes on without bounds; all the rest of a match is rest bytes long at most.
	repeats [256]bool
	rest    int
}

// definition is a rule as it is written.
type definition struct {
	id, regex string
	group     int
	entropy   float64
	keywords  []string
	allow     []allowDefinition
}

// allowDefinition is an allowlist as it is written.
type allowDefinition struct {
	all       bool // every kind of check must hold, not any
	target    string
	regexes   []string
	stopwords []string
	rules     []string // of a list for all rules: only for these
}

// compile makes a rule of its definition.
func (d *definition) compile() (*rule, error) {
	tree, err := syntax.Parse(d.regex, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("regex: %w", err)
	}
	tree = fold(tree)
	r := &rule{id: d.id, group: d.group, entropy: d.entropy}
	if r.re, err = regexp.Compile(tree.String()); err != nil {
		return nil, fmt.Errorf("regex: %w", err)
	}
	if d.group < 0 || d.group > r.re.NumSubexp() {
		return nil, fmt.Errorf("secretGroup is %d, but the regex has %d groups", d.group, r.re.NumSubexp())
	}
	least, longest := width(tree)
	if least == 0 {
		return nil, fmt.Errorf("regex matches the empty text")
	}
	r.longest = longest
	alphabet(tree, &r.letters)
	r.rest = endless(plain(tree), &r.repeats)
	for _, word := range d.keywords {
		word = strings.ToLower(word)
		if !isASCII(word) || word == "" {
			return nil, fmt.Errorf("keyword %q is not ASCII text", word)
		}
		r.keywords = append(r.keywords, word)
	}
	var found bool
	if r.arms, found = arms(tree); found {
		for _, arm := range r.arms {
			g, err := newGate(arm.tail)
			if err != nil {
				return nil, fmt.Errorf("regex: %w", err)
			}
			r.gate = append(r.gate, g)
			r.apart = r.apart || !implied(arm, r.keywords)
			r.before = max(r.before, arm.before)
			for _, part := range arm.head {
				alphabet(part, &r.lead)
			}
		}
		r.apart = r.apart && len(r.keywords) > 0
	} else {
		r.arms = nil
		r.apart = len(r.keywords) > 0
	}
	for i := range d.allow {
		a, err := d.allow[i].compile()
		if err != nil {
			return nil, err
		}
		if a != nil {
			r.allow = append(r.allow, *a)
		}
	}
	return r, nil
}

// implied reports whether each of an arm's words holds a keyword.
func implied(a arm, keywords []string) bool {
	for _, word := range a.full {
		holds := false
		for _, keyword := range keywords {
			holds = holds || strings.Contains(word, keyword)
		}
		if !holds {
			return false
		}
	}
	return true
}

// allowlist says what is no secret although a rule found it.
type allowlist struct {
	all       bool
	target    string // match, line, or the secret
	re        *regexp.Regexp
	stopwords *automaton
}

func (d *allowDefinition) compile() (*allowlist, error) {
	a := &allowlist{all: d.all, target: d.target}
	if len(d.regexes) > 0 {
		for _, text := range d.regexes {
			if _, err := regexp.Compile(text); err != nil {
				return nil, fmt.Errorf("allowlist: regex: %w", err)
			}
		}
		var err error
		if a.re, err = regexp.Compile("(?:" + strings.Join(d.regexes, ")|(?:") + ")"); err != nil {
			return nil, fmt.Errorf("allowlist: regex: %w", err)
		}
	}
	if len(d.stopwords) > 0 {
		words := make([]string, len(d.stopwords))
		for i, word := range d.stopwords {
			words[i] = strings.ToLower(word)
		}
		var ok bool
		if a.stopwords, ok = newAutomaton(words); !ok {
			return nil, fmt.Errorf("allowlist: too many stopwords")
		}
	}
	if a.re == nil && a.stopwords == nil {
		return nil, nil
	}
	return a, nil
}

// allows reports whether what was found is none.
func (a *allowlist) allows(text []byte, match, secret span) bool {
	var byRegex, byWord bool
	if a.re != nil {
		at := secret
		switch a.target {
		case "match":
			at = match
		case "line":
			at = line(text, match)
		}
		byRegex = a.re.Match(text[at.from:at.to])
	}
	if a.stopwords != nil {
		byWord = a.stopwords.contains(text[secret.from:secret.to])
	}
	if a.all {
		return (byRegex || a.re == nil) && (byWord || a.stopwords == nil)
	}
	return byRegex || byWord
}

// line is the lines that a match lies on.
func line(text []byte, at span) span {
	for at.from > 0 && text[at.from-1] != '\n' {
		at.from--
	}
	for at.to < len(text) && text[at.to] != '\n' {
		at.to++
	}
	return at
}

// entropy is Shannon's, in bits a character.
func entropy(text []byte) float64 {
	var counts [256]int
	for _, c := range text {
		counts[c]++
	}
	var sum float64
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(text))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}
