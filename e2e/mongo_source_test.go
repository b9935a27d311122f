package e2e_test

import (
	"context"
	"crypto/md5" //nolint:gosec // what DuckDB has too; nothing depends on its strength
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"claude-analytics/internal/mongotest"
)

// writers change a collection as careless clients do: inserts, updates, replaces and deletes, several at a time.
type writers struct {
	t    testing.TB
	coll *mongo.Collection
	stop chan struct{}
	wg   sync.WaitGroup
	mu   sync.Mutex
	ids  []bson.ObjectID
	next int
	ops  map[string]int
}

func newWriters(t testing.TB, coll *mongo.Collection) *writers {
	w := &writers{t: t, coll: coll, stop: make(chan struct{}), ops: map[string]int{}}
	t.Cleanup(w.end)
	return w
}

// document is a record of a session, with a number that every change of it raises.
func (w *writers) document(id bson.ObjectID, n int) bson.D {
	session := fmt.Sprintf("5b7c1d2e-0000-4000-8000-%012d", n%500)
	return bson.D{
		{Key: "_id", Value: id},
		{Key: "type", Value: "user"},
		{Key: "uuid", Value: id.Hex()},
		{Key: "sessionId", Value: session},
		{Key: "projectId", Value: fmt.Sprintf("-home-p%d", n%7)},
		{Key: "timestamp", Value: time.Now().UTC().Format("2006-01-02T15:04:05.000Z")},
		{Key: "ingestedAt", Value: time.Now()},
		{Key: "n", Value: n},
		{Key: "message", Value: bson.D{{Key: "role", Value: "user"}, {Key: "content", Value: fmt.Sprintf("please look at %d %s", n, strings.Repeat("again ", n%40))}}},
	}
}

// insert adds documents, up to 500 at once.
func (w *writers) insert(ctx context.Context, count int) error {
	for count > 0 {
		part := min(count, 500)
		docs := make([]any, part)
		ids := make([]bson.ObjectID, part)
		w.mu.Lock()
		for i := range docs {
			ids[i] = bson.NewObjectID()
			docs[i] = w.document(ids[i], w.next)
			w.next++
		}
		w.mu.Unlock()
		if _, err := w.coll.InsertMany(ctx, docs); err != nil {
			return err
		}
		w.mu.Lock()
		w.ids = append(w.ids, ids...)
		w.ops["insert"] += part
		w.mu.Unlock()
		count -= part
	}
	return nil
}

// change does one random operation.
func (w *writers) change(ctx context.Context, random *rand.Rand) error {
	w.mu.Lock()
	at := random.IntN(len(w.ids))
	id := w.ids[at]
	w.next++
	n := w.next
	op := []string{"insert", "update", "update", "replace", "delete"}[random.IntN(5)]
	if op == "delete" {
		w.ids[at] = w.ids[len(w.ids)-1]
		w.ids = w.ids[:len(w.ids)-1]
	}
	w.ops[op]++
	w.mu.Unlock()
	filter := bson.D{{Key: "_id", Value: id}}
	var err error
	switch op {
	case "insert":
		err = w.insert(ctx, 1+random.IntN(20))
	case "update":
		_, err = w.coll.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: n}}}})
	case "replace":
		_, err = w.coll.ReplaceOne(ctx, filter, w.document(id, n))
	case "delete":
		_, err = w.coll.DeleteOne(ctx, filter)
	}
	return err
}

// begin starts clients that go on until end.
func (w *writers) begin(clients int, pause time.Duration, seed uint64) {
	for i := range clients {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		w.wg.Go(func() {
			for {
				select {
				case <-w.stop:
					return
				case <-time.After(pause):
				}
				if err := w.change(context.Background(), random); err != nil {
					w.t.Errorf("change the source: %v", err)
					return
				}
			}
		})
	}
}

func (w *writers) end() {
	select {
	case <-w.stop:
	default:
		close(w.stop)
	}
	w.wg.Wait()
}

// sourceContent is what the collection holds: the hash of each document by row key.
func sourceContent(t testing.TB, coll *mongo.Collection) map[string]string {
	t.Helper()
	ctx := context.Background()
	cursor, err := coll.Find(ctx, bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Close(ctx) //nolint:errcheck // read to its end
	found := map[string]string{}
	for cursor.Next(ctx) {
		id, ok := cursor.Current.Lookup("_id").ObjectIDOK()
		if !ok {
			t.Fatalf("an _id that is no ObjectId: %s", cursor.Current)
		}
		sum := md5.Sum(cursor.Current) //nolint:gosec // as above
		found[id.Hex()] = hex.EncodeToString(sum[:])
	}
	if err := cursor.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// warehouseContent is the same of the warehouse, which must have STORE_RAW=on.
func warehouseContent(t testing.TB, dataDir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	all := rows(t, dataDir, "SELECT _id, md5(doc_raw) AS sum FROM raw.conversations")
	for _, row := range all {
		found[row["_id"].(string)] = fmt.Sprint(row["sum"])
	}
	if len(found) != len(all) {
		t.Errorf("%d rows of %d keys: some stand twice", len(all), len(found))
	}
	return found
}

// sameAsSource fails and names a few of the differences.
func sameAsSource(t testing.TB, got, want map[string]string) {
	t.Helper()
	missing, stale, extra := 0, 0, 0
	for key, sum := range want {
		switch have, there := got[key]; {
		case !there:
			missing++
		case have != sum:
			stale++
		}
	}
	for key := range got {
		if _, there := want[key]; !there {
			extra++
		}
	}
	if missing+stale+extra > 0 {
		t.Errorf("of %d documents %d are missing, %d stale, %d there that were deleted", len(want), missing, stale, extra)
	}
}

// mongoEnv are the settings that point the program at a collection.
func mongoEnv(server *mongotest.Server, coll *mongo.Collection, more ...string) []string {
	return append([]string{
		"MONGO_URI=" + server.URI(), "MONGO_DB=" + coll.Database().Name(), "MONGO_COLLECTION=" + coll.Name(), "STORE_RAW=on",
	}, more...)
}
