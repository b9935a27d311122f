package mongotest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func TestMain(m *testing.M) { Main(m) }

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func insert(t testing.TB, coll *mongo.Collection, docs ...any) {
	t.Helper()
	if _, err := coll.InsertMany(testContext(t), docs); err != nil {
		t.Fatalf("insert: %v", err)
	}
}

func watch(t testing.TB, coll *mongo.Collection, opts ...options.Lister[options.ChangeStreamOptions]) *mongo.ChangeStream {
	t.Helper()
	stream, err := coll.Watch(testContext(t), mongo.Pipeline{}, opts...)
	if err != nil {
		t.Fatalf("watch: %v", err)
	}
	t.Cleanup(func() { _ = stream.Close(context.Background()) })
	return stream
}

// next is the operation and the key of the next change, as "insert 1".
func next(t testing.TB, stream *mongo.ChangeStream) string {
	t.Helper()
	if !stream.Next(testContext(t)) {
		t.Fatalf("next change: %v", stream.Err())
	}
	return stream.Current.Lookup("operationType").StringValue() + " " + stream.Current.Lookup("documentKey", "_id").String()
}

func expect(t testing.TB, stream *mongo.ChangeStream, changes ...string) {
	t.Helper()
	for _, want := range changes {
		if got := next(t, stream); got != want {
			t.Fatalf("next change: got %s, want %s", got, want)
		}
	}
}

func key(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }

func code(err error) int32 {
	var refused mongo.CommandError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return 0
}

func TestChangeStream(t *testing.T) {
	ctx := testContext(t)
	coll := Shared(t).Database(t).Collection("conversations")
	stream := watch(t, coll, options.ChangeStream().SetFullDocument(options.UpdateLookup))
	insert(t, coll, key("a"))
	if _, err := coll.UpdateByID(ctx, "a", bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: 1}}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := coll.DeleteOne(ctx, key("a")); err != nil {
		t.Fatal(err)
	}
	expect(t, stream, `insert "a"`, `update "a"`, `delete "a"`)
}

func TestDatabasesAreApart(t *testing.T) {
	one, two := Shared(t).Database(t), Shared(t).Database(t)
	if one.Name() == two.Name() {
		t.Fatalf("two databases named %s", one.Name())
	}
}

func TestFailCommand(t *testing.T) {
	ctx := testContext(t)
	server := Shared(t)
	coll := server.Database(t).Collection("conversations")
	t.Run("getMore", func(t *testing.T) {
		stream := watch(t, coll)
		server.FailCommand(t, FailPoint{Commands: []string{"getMore"}, Times: 1, Code: 286, Labels: []string{}})
		if stream.Next(ctx) {
			t.Fatal("a change came")
		}
		if code(stream.Err()) != 286 {
			t.Fatalf("got %v, want code 286", stream.Err())
		}
	})
	t.Run("aggregate", func(t *testing.T) {
		server.FailCommand(t, FailPoint{Commands: []string{"aggregate"}, Times: 1, Code: 260})
		_, err := coll.Watch(ctx, mongo.Pipeline{})
		if code(err) != 260 {
			t.Fatalf("got %v, want code 260", err)
		}
		watch(t, coll)
	})
	t.Run("resumable", func(t *testing.T) {
		stream := watch(t, coll)
		server.FailCommand(t, FailPoint{Commands: []string{"getMore"}, Times: 1, Code: 189, Labels: []string{"ResumableChangeStreamError"}})
		insert(t, coll, key("resumed"))
		expect(t, stream, `insert "resumed"`)
	})
	t.Run("connection closed", func(t *testing.T) {
		stream := watch(t, coll)
		server.FailCommand(t, FailPoint{Commands: []string{"getMore"}, Times: 1, CloseConnection: true})
		insert(t, coll, key("reconnected"))
		expect(t, stream, `insert "reconnected"`)
	})
	t.Run("one client only", func(t *testing.T) {
		off := server.FailCommand(t, FailPoint{Commands: []string{"find"}, AppName: "other", Code: 13})
		if err := coll.FindOne(ctx, key("resumed")).Err(); err != nil {
			t.Fatalf("the fail point is not for us: %v", err)
		}
		other := server.Client(t, options.Client().SetAppName("other")).Database(coll.Database().Name()).Collection(coll.Name())
		if err := other.FindOne(ctx, key("resumed")).Err(); code(err) != 13 {
			t.Fatalf("got %v, want code 13", err)
		}
		off()
		if err := other.FindOne(ctx, key("resumed")).Err(); err != nil {
			t.Fatalf("switched off: %v", err)
		}
	})
}

func TestRestart(t *testing.T) {
	ctx := testContext(t)
	server := Start(t, Options{Dir: t.TempDir()})
	coll := server.Client(t).Database("test").Collection("conversations")
	stream := watch(t, coll)
	insert(t, coll, key("a"), key("b"))
	expect(t, stream, `insert "a"`)
	token := stream.ResumeToken()
	if err := server.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	expect(t, watch(t, coll, options.ChangeStream().SetResumeAfter(token)), `insert "b"`)
	if n, err := coll.CountDocuments(ctx, bson.D{}); err != nil || n != 2 {
		t.Fatalf("%d documents after the restart: %v", n, err)
	}
	expect(t, stream, `insert "b"`) // the driver's own way back
	server.Kill()
	if err := server.Restart(ctx); err != nil {
		t.Fatalf("after a kill: %v", err)
	}
	insert(t, coll, key("c"))
	expect(t, stream, `insert "c"`)
}

func TestUser(t *testing.T) {
	ctx := testContext(t)
	server := Start(t, Options{User: "analytics", Password: "p@ss/word"})
	coll := server.Database(t).Collection("conversations")
	insert(t, coll, key("a"))
	_, hostAndMore, _ := strings.Cut(server.URI(), "@")
	stranger, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + hostAndMore))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Disconnect(ctx) }()
	if err := stranger.Database(coll.Database().Name()).Collection(coll.Name()).FindOne(ctx, bson.D{}).Err(); code(err) != 13 {
		t.Fatalf("a stranger's find: got %v, want code 13", err)
	}
}

func TestStandalone(t *testing.T) {
	server := Start(t, Options{Standalone: true})
	stream, err := server.Database(t).Collection("conversations").Watch(testContext(t), mongo.Pipeline{})
	if err == nil {
		_ = stream.Close(context.Background())
		t.Fatal("a standalone server gave a change stream")
	}
	t.Log(err)
}

func TestHistoryLost(t *testing.T) {
	ctx := testContext(t)
	server := Start(t, Options{OplogMaxEntries: 50})
	coll := server.Database(t).Collection("conversations")
	stream := watch(t, coll)
	insert(t, coll, key("a"))
	next(t, stream)
	token := stream.ResumeToken()
	_ = stream.Close(ctx)
	for deadline := time.Now().Add(patience); ; {
		docs := make([]any, 200)
		for i := range docs {
			docs[i] = bson.D{}
		}
		insert(t, coll, docs...)
		again, err := coll.Watch(ctx, mongo.Pipeline{}, options.ChangeStream().SetResumeAfter(token))
		if err == nil {
			_ = again.Close(ctx)
		}
		if code(err) == 286 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("resume after the oplog's end: got %v, want code 286", err)
		}
	}
}

func TestMissing(t *testing.T) {
	t.Setenv("MONGODB_URI", "")
	t.Setenv("SECANTUSD", filepath.Join(t.TempDir(), "absent"))
	if _, err := Launch(testContext(t), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v, want a missing file", err)
	}
}

func TestExitsAtOnce(t *testing.T) {
	_, err := Launch(testContext(t), Options{Args: []string{"--no-such-flag"}})
	if !errors.Is(err, errExited) || !strings.Contains(err.Error(), "--no-such-flag") {
		t.Fatalf("got %v, want what the program wrote", err)
	}
}

func TestExternal(t *testing.T) {
	server := Start(t, Options{Standalone: true}) // any server that runs already
	t.Setenv("MONGODB_URI", server.URI())
	other := Start(t, Options{})
	if other.Own() || other.URI() != server.URI() {
		t.Fatalf("own %v, %s", other.Own(), other.URI())
	}
	other.Stop()
	insert(t, server.Database(t).Collection("conversations"), key("a"))
	if err := other.Restart(testContext(t)); err == nil {
		t.Fatal("restarted a server that is not ours")
	}
}
