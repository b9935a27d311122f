package mongodb

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.mongodb.org/mongo-driver/v2/bson"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/mongotest/scripted"
	"claude-analytics/proto"
)

// TestStalledStream: the stream takes nothing for longer than a reply may take. What was read meanwhile waits; none of it
// is passed over.
func TestStalledStream(t *testing.T) {
	set := scripted.NewSet(t, 1)
	began := set.Now()
	const documents = 400
	text := strings.Repeat("x", 200<<10) // more in all than may be read ahead
	for n := range documents {
		set.Insert(bson.D{{Key: "_id", Value: n}, {Key: "text", Value: text}})
	}
	tailer, err := New(Config{
		Lane: "mongo", URI: set.URI(), Database: scripted.Database, Collection: scripted.Collection, MaxMessage: 1 << 20, Once: true,
	}, &proto.CollectionPosition{Namespace: scripted.Database + "." + scripted.Collection, ClusterTime: clusterTime(began.T, began.I)}, nil, "", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	tailer.patience = 300 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- tailer.Run(ctx) }()
	time.Sleep(4 * tailer.patience)
	seen := map[string]bool{}
	for piece := range tailer.Pieces() {
		for i := range piece.Len() {
			out, letter, _ := piece.Entry(i)
			if letter != nil {
				t.Fatalf("set aside: %s", letter.Detail)
			}
			var change proto.Change
			if err := protobuf.Unmarshal(out.Data, &change); err != nil {
				t.Fatal(err)
			}
			if change.GetId() != "" {
				seen[change.GetId()] = true
			}
		}
		piece.Done(1)
	}
	if err := <-ended; err != nil || ctx.Err() != nil {
		t.Fatalf("run: %v, %v", err, ctx.Err())
	}
	if len(seen) != documents {
		t.Errorf("%d documents came, want %d", len(seen), documents)
	}
}
