package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// replica is what a reader of the stream makes of a lane: the newest document of each key, mirrored deletes.
type replica struct {
	t    testing.TB
	conn *stream.Conn
	read uint64
	docs map[string]version
	gaps []proto.Gap
	// operations counts the changes by operation; order are the keys in the order in which they came.
	operations map[proto.Operation]int
	position   *proto.Position
}

type version struct {
	seq uint64
	doc bson.Raw
}

func newReplica(t testing.TB, conn *stream.Conn) *replica {
	return &replica{t: t, conn: conn, docs: map[string]version{}, operations: map[proto.Operation]int{}}
}

// update applies what is new in the stream.
func (r *replica) update() {
	r.t.Helper()
	ctx := testContext(r.t)
	state, err := r.conn.State(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	for ; r.read < state.LastSeq; r.read++ {
		m, err := r.conn.MessageAt(ctx, r.read+1)
		if errors.Is(err, stream.ErrNoMessage) {
			continue // a position that was replaced
		}
		if err != nil {
			r.t.Fatal(err)
		}
		if proto.IsPosition(m.Subject) {
			var p proto.Position
			if protobuf.Unmarshal(m.Data, &p) == nil && p.GetCollection() != nil {
				r.position = &p
			}
			continue
		}
		var change proto.Change
		if err := protobuf.Unmarshal(m.Data, &change); err != nil {
			r.t.Fatal(err)
		}
		r.apply(m.Seq, &change)
	}
}

func (r *replica) apply(seq uint64, change *proto.Change) {
	r.operations[change.GetOperation()]++
	switch change.GetOperation() {
	case proto.Operation_OPERATION_DELETE:
		delete(r.docs, change.GetId())
	case proto.Operation_OPERATION_DROP:
		clear(r.docs)
	case proto.Operation_OPERATION_SNAPSHOT_END:
		for key, v := range r.docs {
			if v.seq <= change.GetBelow() {
				delete(r.docs, key)
			}
		}
	case proto.Operation_OPERATION_GAP:
		gap, err := proto.ParseGap(change.GetDocument())
		if err != nil {
			r.t.Fatal(err)
		}
		r.gaps = append(r.gaps, gap)
	default:
		if len(change.GetDocument()) > 0 {
			r.docs[change.GetId()] = version{seq, change.GetDocument()}
		}
	}
}

// differs says how the replica differs from the collection; empty: not at all.
func (r *replica) differs(ctx context.Context, coll *mongo.Collection) string {
	r.t.Helper()
	r.update()
	cursor, err := coll.Find(ctx, bson.D{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer cursor.Close(ctx) //nolint:errcheck // read to its end
	seen := map[string]bool{}
	for cursor.Next(ctx) {
		id := cursor.Current.Lookup("_id")
		key := keyOf(r.t, id)
		seen[key] = true
		switch v, there := r.docs[key]; {
		case !there:
			return fmt.Sprintf("%s is missing", key)
		case !bytes.Equal(v.doc, cursor.Current):
			return fmt.Sprintf("%s is stale: %.200s, the source has %.200s", key, v.doc, cursor.Current)
		}
	}
	if err := cursor.Err(); err != nil {
		r.t.Fatal(err)
	}
	for key := range r.docs {
		if !seen[key] {
			return fmt.Sprintf("%s was deleted and is still there", key)
		}
	}
	return ""
}

// equal waits until the replica is what the collection is.
func (r *replica) equal(coll *mongo.Collection) {
	r.t.Helper()
	ctx := testContext(r.t)
	difference := ""
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if difference = r.differs(ctx, coll); difference == "" {
			return
		}
	}
	r.t.Fatalf("the stream is not what the collection is: %s", difference)
}

// keyOf is the row key of an _id, made in another way than the program does.
func keyOf(t testing.TB, id bson.RawValue) string {
	t.Helper()
	if oid, ok := id.ObjectIDOK(); ok {
		return oid.Hex()
	}
	text, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: id}}, true, false)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSuffix(bytes.TrimPrefix(text, []byte(`{"v":`)), []byte("}")))
}
