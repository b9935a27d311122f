package redact

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// Every rule that can be given an example finds it in a document, in the middle of a text and at its end, and nothing
// of the secret is left.
func TestEveryRuleFindsItsKind(t *testing.T) {
	rules := load(t)
	rng := rand.New(rand.NewPCG(1, 2))
	without := 0
	for _, r := range rules.rules {
		text, secret, ok := example(rng, r, rules.allow)
		if !ok {
			without++
			t.Logf("no example of %s", r.id)
			continue
		}
		for _, after := range []string{"\nafter", ""} {
			doc, err := bson.Marshal(bson.D{{Key: "message", Value: bson.D{{Key: "content", Value: "before\n" + text + after}}}})
			if err != nil {
				t.Fatal(err)
			}
			out, findings := rules.Document(doc)
			if len(findings) == 0 || bytes.Contains(out, []byte(secret)) {
				t.Errorf("%s: %d findings in %q, secret %q, left %q", r.id, len(findings), text+after, secret, bson.Raw(out))
				continue
			}
			if err := bson.Raw(out).Validate(); err != nil {
				t.Errorf("%s: %v", r.id, err)
			}
		}
	}
	if without > 3 {
		t.Errorf("%d of %d rules could not be given an example", without, len(rules.rules))
	}
}

// everywhere is what match must find: every rule looks at the whole text if that holds one of its keywords.
func everywhere(rules *Rules, text []byte) (all []string) {
	lower := bytes.ToLower(text)
	for _, r := range rules.rules {
		if len(r.keywords) > 0 && !slices.ContainsFunc(r.keywords, func(k string) bool { return bytes.Contains(lower, []byte(k)) }) {
			continue
		}
		for _, m := range r.re.FindAllSubmatchIndex(text, -1) {
			if f, ok := r.secret(text, m, rules.allow); ok {
				all = append(all, fmt.Sprintf("%s %d-%d", r.id, f.from, f.to))
			}
		}
	}
	slices.Sort(all)
	return all
}

// What is found near words is what is found everywhere.
func TestNearEqualsEverywhere(t *testing.T) {
	rules := load(t)
	s := rules.scanner()
	common := []string{
		"the key points to that fact: ", "token", "secret", " = ", ": \"", "\", ", "password", "api", "\n", "\t", " ", "auth=", "é", "\xff", "ſ", "K",
		"ghp_", "AKIA", "curl -H 'Authorization: Bearer ", "kind: Secret\ndata:\n  a: ", "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----",
		"https://user:", "@host/", "eyJ", ".eyJ", "x", "0123456789abcdef", "$", "`", ";", "adafruit", "sourcegraph ", "facebook ",
	}
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		var text []byte
		for range rapid.IntRange(1, 12).Draw(rt, "pieces") {
			switch rng.IntN(4) {
			case 0:
				example, _, _ := example(rng, rules.rules[rng.IntN(len(rules.rules))], rules.allow)
				if rng.IntN(4) == 0 && len(example) > 0 {
					example = example[rng.IntN(len(example)):]
				}
				text = append(text, example...)
			case 1:
				for range rng.IntN(60) {
					text = append(text, "abcXYZ0123456789+/=_-. "[rng.IntN(23)])
				}
			case 2:
				text = append(text, strings.Repeat(common[rng.IntN(len(common))], 1+rng.IntN(40))...)
			default:
				text = append(text, common[rng.IntN(len(common))]...)
			}
		}
		l := &s.levels[0]
		s.look(text, l, false)
		var near []string
		for _, f := range s.match(text, l, nil) {
			near = append(near, fmt.Sprintf("%s %d-%d", f.rule.id, f.from, f.to))
		}
		slices.Sort(near)
		if all := everywhere(rules, text); !slices.Equal(near, all) {
			rt.Fatalf("in %q\nnear words: %v\neverywhere: %v", text, near, all)
		}
	})
}

// A text full of words whose rules look far takes time in proportion to its length.
func TestManyWordsInALongText(t *testing.T) {
	rules := load(t)
	for _, word := range []string{"curl -s x\n", "-----BEGIN RSA " + "PRIVATE KEY-----\n", "eyJ", "token=", `\"`, "kind: Secret data: "} {
		text := append(bytes.Repeat([]byte(word), 100_000/len(word)), " "+token(0)...)
		if out, _ := rules.Text(text); bytes.Contains(out, []byte(token(0))) {
			t.Errorf("the secret behind many %q is left", word)
		}
	}
}
