package mongodb

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/redact"
	"claude-analytics/proto"
)

// Documents of snapshots and events lose their secrets before they are published, and so do letters.
func TestSecretsAreReplaced(t *testing.T) {
	rules, err := redact.Load("")
	if err != nil {
		t.Fatal(err)
	}
	secret := "gh" + "p_" + strings.Repeat("aB3dE6gH9kL2", 3)
	marshal := func(doc any) bson.Raw {
		raw, err := bson.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	doc := marshal(bson.D{{Key: "_id", Value: "a"}, {Key: "sessionId", Value: "s"}, {Key: "message", Value: bson.D{{Key: "content", Value: "use " + secret}}}})
	c := encoder{lane: "mongo", namespace: "d.c", maxMessage: 1 << 20, counters: new(Counters), redact: rules}

	out := c.entry(&item{document: doc}, time.Now())
	var change proto.Change
	if err := protobuf.Unmarshal(out.change.Data, &change); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(out.change.Data, []byte(secret)) || len(change.Findings) != 1 || change.RedactionVersion != rules.Version() {
		t.Errorf("published: %v", &change)
	}

	unknown, err := parseEvent(marshal(bson.D{
		{Key: "_id", Value: bson.D{{Key: "_data", Value: "01"}}}, {Key: "operationType", Value: "teleport"}, {Key: "fullDocument", Value: doc},
	}))
	if err != nil {
		t.Fatal(err)
	}
	c.maxMessage = 60
	for name, it := range map[string]item{"unknown operation": {event: unknown}, "too large": {document: doc}} {
		letter := c.entry(&it, time.Now()).letter
		if letter == nil || bytes.Contains(letter.Payload, []byte(secret)) || !bytes.Contains(letter.Payload, []byte("[REDACTED:")) {
			t.Errorf("%s: %+v", name, letter)
		}
	}
}
