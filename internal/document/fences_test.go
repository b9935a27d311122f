package document

import (
	"strings"
	"testing"
)

func TestFencedBlocks(t *testing.T) {
	for _, c := range []struct {
		name, text string
		count      int
		languages  string
	}{
		{"none", "text with ``` in a line", 0, ""},
		{"one", "a\n```go\nx\n```\nb", 1, "go"},
		{"to the end", "```\nx", 1, ""},
		{"two", "```Python\nx\n```\n~~~sql title\ny\n~~~\n```python\n```", 3, "python,sql"},
		{"attributes", "```rust,ignore\n```\n```{.js}\n```\n```ts {1,2}\n```", 3, "rust,ts"},
		{"indented by three", "   ```\n   ```", 1, ""},
		{"indented by four", "    ```\n    ```", 0, ""},
		{"close is longer", "````\n```\nstill inside\n`````\nout", 1, ""},
		{"close is of the same kind", "```\n~~~\n```\n~~~\n~~~", 2, ""},
		{"close has no info", "```\n``` go\n```", 1, ""},
		{"inline", "```code``` in a line", 0, ""},
		{"tildes may hold backticks", "~~~ `x`\n~~~", 1, "`x`"},
		{"CRLF", "```go\r\nx\r\n```\r\nb\r\n```sh\r\n", 2, "go,sh"},
		{"two backticks", "``\nx\n``", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			count, languages := fencedBlocks(c.text)
			if got := strings.Join(languages, ","); count != c.count || got != c.languages {
				t.Errorf("%d, %q, want %d, %q", count, got, c.count, c.languages)
			}
		})
	}
}

func TestWithoutReminders(t *testing.T) {
	for in, want := range map[string]string{
		"plain\n": "plain\n",
		"a <system-reminder>x\ny</system-reminder>\n":                                "a",
		"<system-reminder>x</system-reminder>":                                       "",
		"a<system-reminder>x</system-reminder>b<system-reminder>":                    "ab<system-reminder>",
		"<system-reminder>never closed":                                              "<system-reminder>never closed",
		"<system-reminder><system-reminder>x</system-reminder> rest":                 "rest",
		"1<system-reminder></system-reminder>2<system-reminder>x</system-reminder>3": "123",
	} {
		if got := withoutReminders(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
