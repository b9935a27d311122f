package redact

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// token is of a form that a rule knows by itself, put together here so that nothing finds it in this file.
func token(n int) string { return "gh" + "p_" + strings.Repeat("aB3dE6gH9", 4)[n%3:][:30] + "Zz81Qw" }

func marshal(t testing.TB, doc any) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestNothingFoundIsTheSameSlice(t *testing.T) {
	rules := load(t)
	doc := marshal(t, bson.M{"type": "user", "message": bson.M{"role": "user", "content": "what is the key of the token api? See https://example.net/a/b"}})
	out, findings := rules.Document(doc)
	if findings != nil || &out[0] != &doc[0] {
		t.Errorf("%d findings, another slice: %v", len(findings), &out[0] != &doc[0])
	}
	if n := testing.AllocsPerRun(100, func() { rules.Document(doc) }); n > 0 {
		t.Errorf("%v allocations where there is nothing to find", n)
	}
}

// Every type of BSON that holds text, every depth, names of fields; identities stay.
func TestPlaces(t *testing.T) {
	rules := load(t)
	secret := token(0)
	for name, c := range map[string]struct {
		doc  any
		path string // of the finding; empty: it is to stay
	}{
		"string":        {bson.D{{Key: "a", Value: "x " + secret}}, "a"},
		"deep":          {bson.D{{Key: "a", Value: bson.A{1, bson.D{{Key: "b", Value: secret}}}}}, "a.1.b"},
		"name":          {bson.D{{Key: secret, Value: 1}}, "[REDACTED:github-pat:"},
		"below a name":  {bson.D{{Key: secret, Value: bson.D{{Key: "a", Value: token(1)}}}}, "[REDACTED:github-pat:"},
		"symbol":        {bson.D{{Key: "a", Value: bson.Symbol(secret)}}, "a"},
		"code":          {bson.D{{Key: "a", Value: bson.JavaScript("f('" + secret + "')")}}, "a"},
		"code in scope": {bson.D{{Key: "a", Value: bson.CodeWithScope{Code: "f()", Scope: bson.D{{Key: "b", Value: secret}}}}}, "a.b"},
		"binary":        {bson.D{{Key: "a", Value: bson.Binary{Data: []byte("x" + "=" + secret)}}}, "a"},
		"pattern":       {bson.D{{Key: "a", Value: bson.Regex{Pattern: secret, Options: "i"}}}, "a"},
		"id in input":   {bson.D{{Key: "message", Value: bson.D{{Key: "content", Value: bson.A{bson.D{{Key: "input", Value: bson.D{{Key: "id", Value: secret}}}}}}}}}, "message.content.0.input.id"},
		"by its name":   {bson.D{{Key: "client_secret", Value: "Zk81QwXc93" + "LmNbV72ty"}}, "client_secret"},
		"uuid":          {bson.D{{Key: "uuid", Value: secret}}, ""},
		"_id":           {bson.D{{Key: "_id", Value: secret}}, ""},
		"message id":    {bson.D{{Key: "message", Value: bson.D{{Key: "id", Value: secret}}}}, ""},
		"signature":     {bson.D{{Key: "message", Value: bson.D{{Key: "content", Value: bson.A{bson.D{{Key: "signature", Value: secret}, {Key: "type", Value: "thinking"}}}}}}}, ""},
		"no signature":  {bson.D{{Key: "message", Value: bson.D{{Key: "content", Value: bson.A{bson.D{{Key: "signature", Value: secret}, {Key: "type", Value: "text"}}}}}}}, "message.content.0.signature"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := marshal(t, c.doc)
			out, findings := rules.Document(doc)
			if c.path == "" {
				if len(findings) != 0 || !bytes.Equal(out, doc) {
					t.Errorf("an identity was changed: %v", out)
				}
				return
			}
			if len(findings) == 0 || bytes.Contains(out, []byte(secret)) {
				t.Fatalf("%d findings, left %v", len(findings), out)
			}
			if err := out.Validate(); err != nil {
				t.Error(err)
			}
			for _, f := range findings {
				if !strings.HasPrefix(f.GetPath(), c.path) || strings.Contains(f.GetPath(), secret) {
					t.Errorf("path %q, want %q", f.GetPath(), c.path)
				}
			}
			if again, more := rules.Document(out); len(more) != 0 || !bytes.Equal(again, out) {
				t.Errorf("redacting again finds %v", more)
			}
		})
	}
}

func TestSplitOverBlocks(t *testing.T) {
	rules := load(t)
	secret := token(0)
	text := func(s string) bson.D { return bson.D{{Key: "type", Value: "text"}, {Key: "text", Value: s}} }
	doc := marshal(t, bson.D{{Key: "message", Value: bson.D{{Key: "content", Value: bson.A{
		text("use " + secret[:15]), text(secret[15:30]), text(secret[30:] + " now"),
	}}}}})
	out, findings := rules.Document(doc)
	if len(findings) != 3 {
		t.Errorf("%d findings, want one a block", len(findings))
	}
	for _, part := range []string{secret[:15], secret[15:30], secret[30:]} {
		if bytes.Contains(out, []byte(part)) {
			t.Errorf("%q is left in %v", part, out)
		}
	}
	if !bytes.Contains(out, []byte("use [")) || !bytes.Contains(out, []byte("] now")) {
		t.Errorf("the text around is gone: %v", out)
	}
}

func FuzzRedact(f *testing.F) {
	rules, err := Load("")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("hello"), false)
	f.Add([]byte(`{"a":"\"password\": \"x9$kLm2pQr7\" `+token(1)+`"}`), false)
	f.Add([]byte(marshal(f, bson.D{{Key: "a", Value: token(0)}})), true)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		text, _, _ := example(rng, rules.rules[rng.IntN(len(rules.rules))], rules.allow)
		f.Add([]byte(text), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, raw bool) {
		doc := bson.Raw(data)
		if !raw {
			doc = marshal(t, bson.D{{Key: "x", Value: string(data)}, {Key: "y", Value: bson.A{string(data)}}})
		}
		valid := doc.Validate() == nil
		before := bytes.Clone(doc)
		out, findings := rules.Document(doc)
		if !bytes.Equal(doc, before) {
			t.Fatal("the input was written to")
		}
		if (len(findings) == 0) != bytes.Equal(out, before) {
			t.Fatalf("%d findings, changed: %v", len(findings), !bytes.Equal(out, before))
		}
		if valid && out.Validate() != nil {
			t.Fatalf("no BSON any more: %q", []byte(out))
		}
		if again, more := rules.Document(out); len(more) != 0 {
			t.Fatalf("redacting again finds %v in %q, giving %q", more, []byte(out), []byte(again))
		}
		rules.Text(data)
	})
}
