package redact

import (
	"bytes"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// All that is wrong with a file is told at once, each with its line.
func TestFaultsOfAFile(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"several": {"[[rules]]\nid = 'Bad Id'\nregex = 'a'\n\n[[rules]]\nid = 'b'\nregex = '(('\n[[rules]]\nid = 'c'\n[[rules]]\nid='d'\nregex='x'\nsecretGroup=3\n", []string{
			"own.toml:1: id", "own.toml:5: rule b: regex", "own.toml:8: rule c: it has no regex", "own.toml:10: rule d: secretGroup",
		}},
		"path":      {"[[rules]]\nid='a'\nregex='abc'\npath='x'\n", []string{"own.toml:1:", "leave them out"}},
		"unknown":   {"[[rules]]\nid='a'\nregex='abc'\nentropie=3\n", []string{"own.toml:4: rules.entropie"}},
		"syntax":    {"[[rules]]\nid=\n", []string{"own.toml:2:"}},
		"empty":     {"[[rules]]\nid='a'\nregex='a*'\n", []string{"matches the empty text"}},
		"allowlist": {"[[rules]]\nid='a'\nregex='abc'\n[[rules.allowlists]]\ncondition='XOR'\nregexes=['a']\n", []string{"own.toml:1:", "condition"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New("own.toml", []byte(c.text))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is missing in:\n%v", want, err)
				}
			}
		})
	}
}

func TestOwnRules(t *testing.T) {
	builtIn := load(t)
	own, err := New("own.toml", []byte(`
[extend]
disabledRules = ["github-pat"]
[[rules]]
id = "ticket"
regex = '''TKT-(\d{6})'''
secretGroup = 1
[[rules]]
id = "slow"
regex = '''\d{3} \d{3} \d{5}'''
[[allowlists]]
targetRules = ["ticket"]
regexes = ['''^000''']
`))
	if err != nil {
		t.Fatal(err)
	}
	if own.Version() == builtIn.Version() || own.Version() == 0 || int32(own.Version()) < 0 {
		t.Errorf("version %d, the built-in rules' is %d", own.Version(), builtIn.Version())
	}
	if again := load(t); again.Version() != builtIn.Version() {
		t.Error("the version of the same rules differs")
	}
	doc := marshal(t, bson.D{{Key: "a", Value: "TKT-123456 TKT-000456 " + token(0)}, {Key: "b", Value: "call 123 456 78901"}})
	out, findings := own.Document(doc)
	if len(findings) != 2 || !bytes.Contains(out, []byte("TKT-[REDACTED:ticket:")) || !bytes.Contains(out, []byte("TKT-000456 "+token(0))) ||
		bytes.Contains(out, []byte("78901")) {
		t.Errorf("%v in %v", findings, out)
	}
}
