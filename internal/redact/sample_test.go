package redact

import (
	"math/rand/v2"
	"regexp/syntax"
	"strings"
	"testing"
	"unicode/utf8"
)

// sample makes a text that a pattern matches, as far as its assertions allow.
func sample(rng *rand.Rand, re *syntax.Regexp, out *strings.Builder) {
	times := func(least, most int) {
		for range least + rng.IntN(most-least+1) {
			sample(rng, re.Sub[0], out)
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		out.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		out.WriteRune(sampleRune(rng, re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		out.WriteByte(byte(' ' + rng.IntN(95)))
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range re.Sub {
			sample(rng, sub, out)
		}
	case syntax.OpAlternate:
		sample(rng, re.Sub[rng.IntN(len(re.Sub))], out)
	case syntax.OpQuest:
		times(0, 1)
	case syntax.OpStar:
		times(0, 3)
	case syntax.OpPlus:
		times(1, 4)
	case syntax.OpRepeat:
		most := re.Max
		if most < 0 || most > re.Min+12 {
			most = re.Min + 12
		}
		times(re.Min, most)
	}
}

func sampleRune(rng *rand.Rand, ranges []rune) rune {
	var fit []rune
	for i := 0; i < len(ranges); i += 2 {
		for r := ranges[i]; r <= min(ranges[i+1], utf8.RuneSelf-1); r++ {
			if r >= ' ' && r < 0x7F || r == '\n' || r == '\t' {
				fit = append(fit, r)
			}
		}
	}
	if len(fit) == 0 {
		return ranges[0]
	}
	return fit[rng.IntN(len(fit))]
}

// example is a text that holds a secret of a rule, and the secret; false if none was found in many tries.
func example(rng *rand.Rand, r *rule, global []allowlist) (text, secret string, ok bool) {
	tree, err := syntax.Parse(r.re.String(), syntax.Perl)
	if err != nil {
		return "", "", false
	}
	for range 400 {
		var b strings.Builder
		if len(r.keywords) > 0 && r.apart {
			b.WriteString(r.keywords[rng.IntN(len(r.keywords))] + " ")
		}
		sample(rng, tree, &b)
		text := b.String()
		for _, m := range r.re.FindAllSubmatchIndex([]byte(text), -1) {
			if f, found := r.secret([]byte(text), m, global); found && f.to-f.from >= 8 {
				return text, text[f.from:f.to], true
			}
		}
	}
	return "", "", false
}

func load(t testing.TB) *Rules {
	t.Helper()
	rules, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	return rules
}
