// Package redact finds secrets in documents and texts, and replaces them by their kind and a part of their hash, before
// anything is published. Rules are gitleaks' own, some more, and the user's.
//
// Nearly all documents hold none, so what matters is how fast that is seen: one pass looks for the words without which no
// rule can match (automaton), what follows such a word is held against the rule by a small automaton of its own (gate),
// and only where that does not speak against it, the rule's regular expression looks at the text around. The result is the
// same as if every expression had looked at the whole of every text; a test holds one against the other.
package redact

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"sync"
)

// engine is the version of how rules are applied. It is raised when the same rules would find something else.
const engine = 1

// Rules are compiled. They are safe for concurrent use.
type Rules struct {
	rules  []*rule
	always []int32 // rules that must look at every text
	allow  []allowlist
	words  *automaton
	// targets says for each word what it is for.
	targets [][]target
	version uint32
	pool    sync.Pool
}

// Load returns the built-in rules and those of a file in gitleaks' format; "" is no file. Its error joins all that is
// wrong with the file, each with its line.
func Load(file string) (*Rules, error) {
	if file == "" {
		return New("", nil)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the rules: %w", err)
	}
	return New(file, data)
}

// New is Load for a file that has been read; name is its name in errors.
func New(name string, data []byte) (*Rules, error) {
	set, err := builtIn()
	if err != nil {
		return nil, fmt.Errorf("built-in rules: %w", err)
	}
	if len(data) > 0 {
		own, err := readFile(name, data)
		if err != nil {
			return nil, err
		}
		set = own.over(set)
	}
	return set.compile()
}

// Version tells sets of rules apart that may find different things. It is never 0, and fits a signed integer of 32 bits.
func (r *Rules) Version() uint32 { return r.version }

// Len is how many rules there are.
func (r *Rules) Len() int { return len(r.rules) }

func (r *Rules) scanner() *scanner {
	if s, ok := r.pool.Get().(*scanner); ok {
		return s
	}
	return &scanner{Rules: r, known: newKnown()}
}

// definitions are rules as they are written.
type definitions struct {
	rules []definition
	allow []allowDefinition // for all rules
	// faultAt is where a rule stands, for messages.
	place func(rule int) string
	// replaceAll and without say what of the built-in rules is not wanted.
	replaceAll bool
	without    []string
	general    map[string]bool
}

// over is these rules in addition to others, in place of those that have the same id.
func (d *definitions) over(others *definitions) *definitions {
	out := *d
	gone := map[string]bool{}
	for _, id := range d.without {
		gone[id] = true
	}
	for i := range d.rules {
		gone[d.rules[i].id] = true
	}
	out.general = others.general
	own := len(d.rules)
	out.rules = slices.Clone(d.rules)
	if !d.replaceAll {
		for _, rule := range others.rules {
			if !gone[rule.id] {
				out.rules = append(out.rules, rule)
			}
		}
		out.allow = append(slices.Clone(d.allow), others.allow...)
	}
	out.place = func(i int) string {
		if i < own {
			return d.place(i)
		}
		return "built-in"
	}
	return &out
}

func (d *definitions) compile() (*Rules, error) {
	out := &Rules{}
	var faults []error
	for i := range d.rules {
		rule, err := d.rules[i].compile()
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: rule %s: %w", d.place(i), d.rules[i].id, err))
			continue
		}
		rule.general = d.general[rule.id]
		out.rules = append(out.rules, rule)
	}
	for i := range d.allow {
		list, err := d.allow[i].compile()
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", d.place(-1), err))
			continue
		}
		if list == nil {
			continue
		}
		if len(d.allow[i].rules) == 0 {
			out.allow = append(out.allow, *list)
		}
		for _, rule := range out.rules {
			if slices.Contains(d.allow[i].rules, rule.id) {
				rule.allow = append(rule.allow, *list)
			}
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	slices.SortStableFunc(out.rules, func(a, b *rule) int { return cmp.Compare(a.id, b.id) })
	if err := out.index(); err != nil {
		return nil, err
	}
	out.version = d.version()
	return out, nil
}

// index builds the automaton of all words.
func (r *Rules) index() error {
	var words []string
	numbers := map[string]int{}
	add := func(word string, t target) {
		n, ok := numbers[word]
		if !ok {
			n = len(words)
			numbers[word] = n
			words = append(words, word)
			r.targets = append(r.targets, nil)
		}
		t.length = int32(len(word))
		r.targets[n] = append(r.targets[n], t)
	}
	for i, rule := range r.rules {
		for a, arm := range rule.arms {
			for _, word := range arm.words {
				add(word, target{rule: int32(i), arm: int32(a)})
			}
		}
		if rule.apart {
			for _, word := range rule.keywords {
				add(word, target{rule: int32(i), arm: -1})
			}
		}
		if rule.arms == nil && len(rule.keywords) == 0 {
			r.always = append(r.always, int32(i))
		}
	}
	var ok bool
	if r.words, ok = newAutomaton(words); !ok {
		return errors.New("the rules have too many keywords")
	}
	return nil
}

// version is a hash of everything that decides what is found.
func (d *definitions) version() uint32 {
	texts := make([]string, 0, len(d.rules)+len(d.allow))
	for i := range d.rules {
		texts = append(texts, d.rules[i].String())
	}
	slices.Sort(texts)
	for i := range d.allow {
		texts = append(texts, d.allow[i].String())
	}
	h := fnv.New32a()
	_ = binary.Write(h, binary.LittleEndian, uint32(engine))
	for _, text := range texts {
		_, _ = h.Write([]byte(text))
		_, _ = h.Write([]byte{0})
	}
	return max(1, h.Sum32()&0x7FFF_FFFF)
}

// String is the rule as one text.
func (d *definition) String() string {
	lists := make([]string, len(d.allow))
	for i := range d.allow {
		lists[i] = d.allow[i].String()
	}
	text, _ := json.Marshal([]any{d.id, d.regex, d.group, d.entropy, d.keywords, lists})
	return string(text)
}

// String is the list as one text.
func (d *allowDefinition) String() string {
	text, _ := json.Marshal([]any{d.all, d.target, d.regexes, d.stopwords, d.rules})
	return string(text)
}
