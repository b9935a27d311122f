package transcript

import (
	"bytes"
	"strings"
	"testing"
	"time"

	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/redact"
	"claude-analytics/proto"
)

// Objects and broken lines lose their secrets before they are published; of a line that was cut, the last word too.
func TestSecretsAreReplaced(t *testing.T) {
	rules, err := redact.Load("")
	if err != nil {
		t.Fatal(err)
	}
	secret := "gh" + "p_" + strings.Repeat("aB3dE6gH9kL2", 3)
	c := converter{maxMessage: 1 << 20, counters: new(Counters), redact: rules}
	from := newOrigin("lane", Folder{Name: "f", Path: "/f"}, "p/s.jsonl", 0)
	text := `{"type":"user","sessionId":"s","message":{"role":"user","content":"use ` + secret + `"}}`

	entry, err := c.entry(&from, Item{Kind: Object, Data: []byte(text), Size: int64(len(text))}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var change proto.Change
	if err := protobuf.Unmarshal(entry.Data, &change); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(entry.Data, []byte(secret)) || len(change.Findings) != 1 || change.RedactionVersion != rules.Version() ||
		change.Findings[0].GetPath() != "message.content" {
		t.Errorf("published: %v", &change)
	}

	for name, item := range map[string]Item{
		"broken":                      {Kind: Broken, Data: []byte(text[:len(text)-2]), Size: int64(len(text) - 2), Reason: proto.ReasonBrokenLine},
		"cut in it":                   {Kind: Broken, Data: []byte(text[:len(text)-10]), Size: 1 << 20, Reason: proto.ReasonTooLarge},
		"in a detail":                 {Kind: Broken, Data: []byte("x"), Size: 1, Reason: proto.ReasonBrokenLine, Detail: "found " + secret},
		"not an object that converts": {Kind: Object, Data: []byte(text + "x"), Size: int64(len(text) + 1)},
	} {
		entry, err := c.entry(&from, item, time.Now())
		if err != nil || entry.Letter == nil {
			t.Fatalf("%s: no letter (%v)", name, err)
		}
		for _, text := range []string{string(entry.Letter.Payload), entry.Letter.Detail} {
			if strings.Contains(text, secret[:20]) {
				t.Errorf("%s: %q", name, text)
			}
		}
		if name == "broken" && !strings.Contains(string(entry.Letter.Payload), "use [REDACTED:") {
			t.Errorf("what is around is gone: %q", entry.Letter.Payload)
		}
	}
}
