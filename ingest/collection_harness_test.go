package ingest

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// followed is the configuration of a lane that follows a collection.
func followed(t testing.TB, uri string, coll *mongo.Collection) Config {
	return Config{
		Lane: "mongo", Identity: NewIdentity(filepath.Join(t.TempDir(), "source.json")), Heartbeat: 200 * time.Millisecond,
		Collection: &Collection{URI: uri, Database: coll.Database().Name(), Collection: coll.Name(), Turn: time.Second},
	}
}

// fails waits for the end of an ingest that cannot go on.
func (r *running) fails() error {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(time.Minute):
		r.t.Fatal("it goes on")
	}
	err := r.err
	r.err = nil // told
	if err == nil {
		r.t.Fatal("it ended without an error")
	}
	return err
}

func insert(t testing.TB, coll *mongo.Collection, docs ...any) {
	t.Helper()
	if _, err := coll.InsertMany(testContext(t), docs); err != nil {
		t.Fatal(err)
	}
}

// must is for operations on the source, whose results do not matter.
func must[R any](t testing.TB) func(R, error) {
	return func(_ R, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// records are n documents as a watcher writes them.
func records(from, n int) []any {
	docs := make([]any, n)
	for i := range docs {
		docs[i] = bson.D{{Key: "type", Value: "user"}, {Key: "sessionId", Value: fmt.Sprint("s", (from+i)%7)}, {Key: "projectId", Value: "-p"}, {Key: "n", Value: from + i}}
	}
	return docs
}
