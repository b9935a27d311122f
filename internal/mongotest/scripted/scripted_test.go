package scripted

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func connect(t testing.TB, s *Set) *mongo.Collection {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(s.URI()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database(Database).Collection(Collection)
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

func expect(t testing.TB, stream *mongo.ChangeStream, changes ...string) {
	t.Helper()
	for _, want := range changes {
		if !stream.Next(testContext(t)) {
			t.Fatalf("next change, want %s: %v", want, stream.Err())
		}
		got := stream.Current.Lookup("operationType").StringValue()
		if id, err := stream.Current.LookupErr("documentKey", "_id"); err == nil {
			got += " " + id.String()
		}
		if got != want {
			t.Fatalf("next change: got %s, want %s", got, want)
		}
	}
}

func doc(id any) bson.D { return bson.D{{Key: "_id", Value: id}, {Key: "text", Value: "hello"}} }

func code(err error) int32 {
	var refused mongo.CommandError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return 0
}

func TestChangeStream(t *testing.T) {
	s := NewSet(t, 1)
	stream := watch(t, connect(t, s), options.ChangeStream().SetFullDocument(options.UpdateLookup))
	inserted := s.Insert(doc(1))
	s.Update(doc(1))
	expect(t, stream, `insert {"$numberInt":"1"}`)
	if at, ok := tokenTime(stream.Current.Lookup("_id")); !ok || at != inserted {
		t.Fatalf("the token's time: got %v, want %v", at, inserted)
	}
	expect(t, stream, `update {"$numberInt":"1"}`)
	if text, _ := stream.Current.Lookup("fullDocument", "text").StringValueOK(); text != "hello" {
		t.Fatalf("no document in %s", stream.Current)
	}
	s.Update(doc(1))
	s.Delete(1)
	expect(t, stream, `update {"$numberInt":"1"}`)
	if stream.Current.Lookup("fullDocument").Type != bson.TypeNull {
		t.Fatalf("want null for a document that is gone: %s", stream.Current)
	}
	expect(t, stream, `delete {"$numberInt":"1"}`)
	s.Emit("invalidate")
	expect(t, stream, "invalidate")
	if stream.Next(testContext(t)) || stream.Err() != nil {
		t.Fatalf("after an invalidation: %s %v", stream.Current, stream.Err())
	}
}

func TestStartingPoints(t *testing.T) {
	ctx := testContext(t)
	s := NewSet(t, 1)
	coll := connect(t, s)
	stream := watch(t, coll)
	idle := stream.ResumeToken()
	second := bson.Timestamp{}
	for i := range 3 {
		if at := s.Insert(doc(fmt.Sprint(i))); i == 1 {
			second = at
		}
	}
	expect(t, stream, `insert "0"`)
	token := stream.ResumeToken()
	expect(t, watch(t, coll, options.ChangeStream().SetResumeAfter(idle)), `insert "0"`)
	expect(t, watch(t, coll, options.ChangeStream().SetResumeAfter(token)), `insert "1"`, `insert "2"`)
	expect(t, watch(t, coll, options.ChangeStream().SetStartAfter(token).SetBatchSize(1)), `insert "1"`, `insert "2"`)
	expect(t, watch(t, coll, options.ChangeStream().SetStartAtOperationTime(&second)), `insert "1"`, `insert "2"`)

	s.Emit("invalidate")
	expect(t, stream, `insert "1"`, `insert "2"`, "invalidate")
	_, err := coll.Watch(ctx, mongo.Pipeline{}, options.ChangeStream().SetResumeAfter(stream.ResumeToken()))
	if code(err) != 260 {
		t.Fatalf("resume after an invalidation: got %v, want code 260", err)
	}
	watch(t, coll, options.ChangeStream().SetStartAfter(stream.ResumeToken()))
	_, err = coll.Watch(ctx, mongo.Pipeline{}, options.ChangeStream().SetResumeAfter(bson.D{{Key: "_data", Value: "82"}}))
	if code(err) != 50811 {
		t.Fatalf("a token that is none: got %v, want code 50811", err)
	}
}

func TestIdleTokensMoveOn(t *testing.T) {
	s := NewSet(t, 1)
	stream := watch(t, connect(t, s), options.ChangeStream().SetMaxAwaitTime(10*time.Millisecond))
	first := stream.ResumeToken()
	for deadline := time.Now().Add(10 * time.Second); stream.ResumeToken().String() == first.String(); {
		if stream.TryNext(testContext(t)) || stream.Err() != nil || time.Now().After(deadline) {
			t.Fatalf("change %s, error %v, token still %s", stream.Current, stream.Err(), first)
		}
	}
}

func TestHistoryLost(t *testing.T) {
	ctx := testContext(t)
	s := NewSet(t, 1)
	coll := connect(t, s)
	quiet := watch(t, coll)
	at := s.Insert(doc("a"))
	expect(t, quiet, `insert "a"`)
	token := quiet.ResumeToken()
	s.Truncate()
	s.Insert(doc("b"))
	expect(t, quiet, `insert "b"`)
	s.Truncate()
	for name, opts := range map[string]*options.ChangeStreamOptionsBuilder{
		"startAtOperationTime": options.ChangeStream().SetStartAtOperationTime(&at),
		"startAfter":           options.ChangeStream().SetStartAfter(token),
		"resumeAfter":          options.ChangeStream().SetResumeAfter(token),
	} {
		if _, err := coll.Watch(ctx, mongo.Pipeline{}, opts); code(err) != 286 {
			t.Errorf("%s: got %v, want code 286", name, err)
		}
	}
}

func TestElection(t *testing.T) {
	s := NewSet(t, 3)
	coll := connect(t, s)
	stream := watch(t, coll)
	written, read := 0, 0
	write := func(n int) {
		for range n {
			s.Insert(doc(fmt.Sprint(written)))
			written++
		}
	}
	for _, election := range []func(){
		func() { s.StepDown(1) },
		func() { s.StepDown(-1); time.AfterFunc(50*time.Millisecond, func() { s.StepDown(2) }) },
		func() { s.StepDown(0) },
	} {
		write(5)
		for ; read < written-2; read++ { // some were read, some are on their way, some come later
			expect(t, stream, fmt.Sprintf("insert %q", fmt.Sprint(read)))
		}
		election()
		write(5)
		for ; read < written; read++ {
			expect(t, stream, fmt.Sprintf("insert %q", fmt.Sprint(read)))
		}
	}
	if n := len(s.Commands("aggregate")); n < 4 {
		t.Errorf("%d aggregates, want the first and one after each election", n)
	}
	// A query's cursor ends too, and the driver does not repeat its getMore.
	cursor, err := coll.Find(testContext(t), bson.D{}, options.Find().SetBatchSize(10))
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Close(context.Background())
	s.StepDown(1)
	for cursor.Next(testContext(t)) {
	}
	if code(cursor.Err()) != 189 {
		t.Fatalf("got %v, want code 189", cursor.Err())
	}
}

func TestCutReply(t *testing.T) {
	ctx := testContext(t)
	s := NewSet(t, 1)
	coll := connect(t, s)
	stream := watch(t, coll)
	s.CutReply("getMore", 2)
	s.Insert(doc("a"))
	s.Insert(doc("b"))
	expect(t, stream, `insert "a"`, `insert "b"`) // the driver resumes

	s.CutReply("find", 2)
	err := coll.FindOne(context.Background(), bson.D{}).Err() // a read is repeated once
	if !mongo.IsNetworkError(err) {
		t.Fatalf("got %v, want a network error", err)
	}
	s.CutReply("find", 2)
	if err := coll.FindOne(ctx, bson.D{}).Err(); err != nil { // and until the deadline, if there is one
		t.Fatal(err)
	}
}

func TestFaults(t *testing.T) {
	ctx := testContext(t)
	s := NewSet(t, 1)
	coll := connect(t, s)
	at := s.Insert(doc("a"))
	token := Token(s.Now())
	asked := func(option string) func(bson.Raw) bool {
		return func(cmd bson.Raw) bool {
			_, err := cmd.LookupErr("pipeline", "0", "$changeStream", option)
			return err == nil
		}
	}
	s.Fail(Fault{Command: "aggregate", When: asked("startAtOperationTime"), Code: 286, Name: "ChangeStreamHistoryLost"})
	s.Fail(Fault{Command: "aggregate", When: asked("startAfter"), Code: 260, Name: "InvalidResumeToken", Times: 1})
	_, err := coll.Watch(ctx, mongo.Pipeline{}, options.ChangeStream().SetStartAtOperationTime(&at))
	if code(err) != 286 {
		t.Fatalf("startAtOperationTime: got %v, want code 286", err)
	}
	_, err = coll.Watch(ctx, mongo.Pipeline{}, options.ChangeStream().SetStartAfter(token))
	if code(err) != 260 {
		t.Fatalf("startAfter: got %v, want code 260", err)
	}
	watch(t, coll, options.ChangeStream().SetStartAfter(token)) // once only
	s.Heal()
	stream := watch(t, coll, options.ChangeStream().SetStartAtOperationTime(&at))
	expect(t, stream, `insert "a"`)
	if n := len(s.Commands("aggregate")); n != 4 {
		t.Errorf("%d aggregates were recorded, want 4", n)
	}

	s.Fail(Fault{Command: "getMore", Code: 280, Labels: []string{"NonResumableChangeStreamError"}})
	if stream.Next(ctx); code(stream.Err()) != 280 {
		t.Fatalf("getMore: got %v, want code 280", stream.Err())
	}
}

func TestHang(t *testing.T) {
	s := NewSet(t, 1)
	coll := connect(t, s)
	s.Hang("find", time.Hour)
	ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	if err := coll.FindOne(ctx, bson.D{}).Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want the deadline", err)
	}
	found := make(chan error)
	go func() { found <- coll.FindOne(testContext(t), bson.D{}).Err() }()
	for len(s.Commands("find")) < 2 {
		time.Sleep(time.Millisecond)
	}
	s.Heal()
	if err := <-found; !errors.Is(err, mongo.ErrNoDocuments) {
		t.Fatalf("after the hang: %v", err)
	}
	s.Hang("find", time.Hour) // the set stops all the same
	ctx, cancel = context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	_ = coll.FindOne(ctx, bson.D{}).Err()
}

func TestRefuse(t *testing.T) {
	s := NewSet(t, 1)
	coll := connect(t, s)
	token := watch(t, coll).ResumeToken()
	s.Refuse(true)
	s.Hangup()
	s.Insert(doc("a"))
	ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	if err := coll.FindOne(ctx, bson.D{}).Err(); err == nil {
		t.Fatal("an answer from a set that refuses connections")
	}
	s.Refuse(false)
	// Not on the open stream: the driver may give it up when its pool is cleared meanwhile.
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stream, err := coll.Watch(testContext(t), mongo.Pipeline{}, options.ChangeStream().SetResumeAfter(token))
		if err == nil {
			expect(t, stream, `insert "a"`)
			_ = stream.Close(context.Background())
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("watch: %v", err)
		}
	}
}

func TestStandaloneAndNames(t *testing.T) {
	ctx := testContext(t)
	s := NewSet(t, 1)
	s.SetName("")
	s.SetVersion("6.0.8")
	coll := connect(t, s)
	if _, err := coll.Watch(ctx, mongo.Pipeline{}); code(err) != 40573 {
		t.Fatalf("got %v, want code 40573", err)
	}
	var info struct {
		Version string
	}
	if err := coll.Database().RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info); err != nil || info.Version != "6.0.8" {
		t.Fatalf("version %q: %v", info.Version, err)
	}
	names, err := coll.Database().ListCollectionNames(ctx, bson.D{})
	if err != nil || len(names) != 1 || names[0] != Collection {
		t.Fatalf("collections %v: %v", names, err)
	}
	if err := coll.Database().RunCommand(ctx, bson.D{{Key: "shutdown", Value: 1}}).Err(); code(err) != 59 {
		t.Fatalf("got %v, want code 59", err)
	}

	s.SetName("other")
	uri := s.URI()
	s.SetName("scripted")
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetServerSelectionTimeout(50 * time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(ctx) }()
	if err := client.Ping(ctx, nil); err == nil {
		t.Fatal("a set of another name was taken")
	}
}
