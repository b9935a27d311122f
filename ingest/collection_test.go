package ingest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"claude-analytics/ingest/mongodb"
	"claude-analytics/internal/mongotest"
	"claude-analytics/proto"
)

// TestCollection: what is there before and what happens after, every operation, ids of nine types.
func TestCollection(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t)
	coll := server.Database(t).Collection("conversations")
	oid := bson.NewObjectID()
	ids := []any{
		"text", "quoted \" text", int32(7), int64(1 << 40), 1.5, oid,
		bson.D{{Key: "a", Value: 1}, {Key: "b", Value: "x"}},
		time.UnixMilli(1700000000123), true,
		bson.Binary{Subtype: 4, Data: make([]byte, 16)},
		bson.NewDecimal128(0x3040000000000000, 12345), nil,
	}
	for _, id := range ids {
		insert(t, coll, bson.D{{Key: "_id", Value: id}, {Key: "type", Value: "user"}, {Key: "n", Value: 1}})
	}
	insert(t, coll, records(0, 50)...)
	conn := openStream(t)
	cfg := followed(t, server.URI(), coll)
	r := start(t, conn, cfg)
	in := newReplica(t, conn)
	in.equal(coll)
	eventually(t, "caught up", r.CaughtUp)

	ctx := testContext(t)
	insert(t, coll, records(50, 20)...)
	for _, id := range ids[:6] {
		must[*mongo.UpdateResult](t)(coll.UpdateByID(ctx, id, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: 2}}}}))
	}
	must[*mongo.UpdateResult](t)(coll.ReplaceOne(ctx, bson.D{{Key: "_id", Value: ids[6]}}, bson.D{{Key: "type", Value: "assistant"}}))
	for _, id := range ids[7:] {
		must[*mongo.DeleteResult](t)(coll.DeleteOne(ctx, bson.D{{Key: "_id", Value: id}}))
	}
	must[*mongo.UpdateResult](t)(coll.UpdateMany(ctx, bson.D{{Key: "n", Value: bson.D{{Key: "$gt", Value: 60}}}}, bson.D{{Key: "$set", Value: bson.D{{Key: "m", Value: 1}}}}))
	in.equal(coll)
	for _, op := range []proto.Operation{
		proto.Operation_OPERATION_SNAPSHOT, proto.Operation_OPERATION_SNAPSHOT_END, proto.Operation_OPERATION_INSERT,
		proto.Operation_OPERATION_UPDATE, proto.Operation_OPERATION_REPLACE, proto.Operation_OPERATION_DELETE,
	} {
		if in.operations[op] == 0 {
			t.Errorf("there was no %s", op)
		}
	}
	r.stop()

	// A second start goes on where the first left off.
	insert(t, coll, records(100, 5)...)
	before := in.operations[proto.Operation_OPERATION_SNAPSHOT]
	status := once(t, conn, cfg)
	in.equal(coll)
	if in.operations[proto.Operation_OPERATION_SNAPSHOT] != before || status.Documents != 5 {
		t.Errorf("the second start published %d changes, want the 5 new ones", status.Documents)
	}
	if in.position.GetCollection().GetSnapshot() != nil || in.position.GetCollection().GetNamespace() != cfg.Collection.Namespace() {
		t.Errorf("position %v", in.position)
	}
}

// TestCollectionGoes: drop, rename away, another collection under the name, dropDatabase, and back again each time.
func TestCollectionGoes(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t)
	db := server.Database(t)
	coll := db.Collection("conversations")
	admin := db.Client().Database("admin")
	insert(t, coll, records(0, 10)...)
	conn := openStream(t)
	r := start(t, conn, followed(t, server.URI(), coll))
	in := newReplica(t, conn)
	in.equal(coll)
	ctx := testContext(t)
	rename := func(from, to string, target bool) {
		t.Helper()
		command := bson.D{{Key: "renameCollection", Value: db.Name() + "." + from}, {Key: "to", Value: db.Name() + "." + to}, {Key: "dropTarget", Value: target}}
		if err := admin.RunCommand(ctx, command).Err(); err != nil {
			t.Fatal(err)
		}
	}
	steps := []struct {
		name string
		do   func()
	}{
		{"drop", func() {
			if err := coll.Drop(ctx); err != nil {
				t.Fatal(err)
			}
		}},
		{"recreate", func() { insert(t, coll, records(20, 10)...) }},
		{"rename away", func() { rename("conversations", "old", false) }},
		{"recreate", func() { insert(t, coll, records(40, 10)...) }},
		{"rename onto", func() {
			insert(t, db.Collection("new"), records(60, 10)...)
			rename("new", "conversations", true)
		}},
		{"go on", func() { insert(t, coll, records(80, 10)...) }},
		{"dropDatabase", func() {
			if err := db.Drop(ctx); err != nil {
				t.Fatal(err)
			}
		}},
		{"recreate", func() { insert(t, coll, records(90, 10)...) }},
	}
	for _, step := range steps {
		step.do()
		t.Log(step.name)
		in.equal(coll)
	}
	eventually(t, "caught up", r.CaughtUp)
	if got := letters(t, conn); len(got) > 0 {
		t.Errorf("dead letters: %v", got)
	}
}

// TestHistoryLost: the oplog was cut off while the lane was away.
func TestHistoryLost(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t, mongotest.Options{OplogMaxEntries: 200})
	ctx := testContext(t)
	for _, policy := range []string{mongodb.HistoryFail, mongodb.HistoryResnapshot, mongodb.HistoryReset} {
		coll := server.Database(t).Collection("conversations")
		insert(t, coll, records(0, 30)...)
		conn := openStream(t)
		cfg := followed(t, server.URI(), coll)
		once(t, conn, cfg)
		in := newReplica(t, conn)
		in.equal(coll)

		must[*mongo.DeleteResult](t)(coll.DeleteMany(ctx, bson.D{{Key: "n", Value: bson.D{{Key: "$lt", Value: 5}}}}))
		must[*mongo.UpdateResult](t)(coll.UpdateMany(ctx, bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "m", Value: 1}}}}))
		for i := range 20 {
			insert(t, coll, records(1000+50*i, 50)...)
		}
		cfg.Collection.HistoryLost = policy
		cfg.Once = true
		r := start(t, conn, cfg)
		<-r.ended
		in.update()
		switch policy {
		case mongodb.HistoryFail:
			var lost *mongodb.HistoryLostError
			if err := r.fails(); !errors.As(err, &lost) || lost.Code != 286 || !strings.Contains(err.Error(), "HISTORY_LOST=resnapshot") {
				t.Errorf("error %v", err)
			}
			if told, err := cfg.Identity.Lost(); err != nil || told["mongo"] == "" {
				t.Errorf("it was not kept that the history is lost: %v, %v", told, err)
			}
			if len(in.gaps) != 0 {
				t.Errorf("a gap was published: %v", in.gaps)
			}
		case mongodb.HistoryResnapshot:
			in.equal(coll)
			if len(in.gaps) != 1 || in.gaps[0].Action != proto.GapResnapshot || in.gaps[0].Code != 286 {
				t.Errorf("gaps: %+v", in.gaps)
			}
		case mongodb.HistoryReset:
			if len(in.gaps) != 1 || in.gaps[0].Action != proto.GapReset || len(in.docs) != 30 {
				t.Errorf("gaps: %+v, %d documents", in.gaps, len(in.docs))
			}
			insert(t, coll, records(5000, 3)...)
			once(t, conn, cfg)
			if in.update(); len(in.docs) != 33 {
				t.Errorf("%d documents, want the 30 of before and the 3 of after the gap", len(in.docs))
			}
		}
		r.stop()
	}
}

// TestStreamForgotCollection: a lane that had begun and finds no position does not begin silently.
func TestStreamForgotCollection(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t)
	coll := server.Database(t).Collection("conversations")
	insert(t, coll, records(0, 10)...)
	cfg := followed(t, server.URI(), coll)
	once(t, openStream(t), cfg)

	conn := openStream(t) // another one, empty
	var lost *mongodb.HistoryLostError
	if err := start(t, conn, cfg).fails(); !errors.As(err, &lost) || !strings.Contains(err.Error(), "stream holds no position") {
		t.Fatalf("error %v", err)
	}
	cfg.Collection.HistoryLost = mongodb.HistoryResnapshot
	once(t, conn, cfg)
	in := newReplica(t, conn)
	in.equal(coll)
	if len(in.gaps) != 1 || in.gaps[0].Reason != proto.GapStreamLost {
		t.Errorf("gaps: %+v", in.gaps)
	}
	if told, err := cfg.Identity.Lost(); err != nil || len(told) != 0 {
		t.Errorf("%v, %v: all is well again", told, err)
	}
}

// TestReread: a part is published again, under the same keys, and deletes nothing.
func TestReread(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t)
	coll := server.Database(t).Collection("conversations")
	for day := 1; day <= 9; day++ {
		at := time.Date(2026, 11, day, 12, 0, 0, 0, time.UTC)
		insert(t, coll, bson.D{{Key: "timestamp", Value: at.Format(time.RFC3339)}, {Key: "projectId", Value: fmt.Sprint("p", day%2)}, {Key: "n", Value: day}})
	}
	conn := openStream(t)
	cfg := followed(t, server.URI(), coll)
	once(t, conn, cfg)
	for _, c := range []struct {
		part Reread
		want int64
	}{
		{Reread{Since: time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 11, 5, 0, 0, 0, 0, time.UTC)}, 2},
		{Reread{Project: "p1"}, 5},
		{Reread{Since: time.Date(2026, 11, 8, 0, 0, 0, 0, time.UTC), Project: "p1"}, 1},
		{Reread{Project: "none"}, 0},
	} {
		again := cfg
		again.Reread = &c.part
		if got := once(t, conn, again); got.Documents != c.want {
			t.Errorf("%+v: %d documents, want %d", c.part, got.Documents, c.want)
		}
	}
	in := newReplica(t, conn)
	in.equal(coll)
	if in.operations[proto.Operation_OPERATION_SNAPSHOT_END] != 1 {
		t.Errorf("%d snapshots ended, want the first one's", in.operations[proto.Operation_OPERATION_SNAPSHOT_END])
	}
	again := cfg
	again.Backfill = true
	if got := once(t, conn, again); got.Documents < 9 {
		t.Errorf("a backfill published %d", got.Documents)
	}
	in.equal(coll)
}

// TestRereadBegins: asking for a part of a collection that was never read leaves nothing of the rest out.
func TestRereadBegins(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t)
	coll := server.Database(t).Collection("conversations")
	insert(t, coll, records(0, 40)...)
	conn := openStream(t)
	cfg := followed(t, server.URI(), coll)
	cfg.Reread = &Reread{Project: "no such project"}
	once(t, conn, cfg)
	newReplica(t, conn).equal(coll)
}

// TestOtherNamespace: a lane does not change what it follows without being told.
func TestOtherNamespace(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t)
	db := server.Database(t)
	insert(t, db.Collection("a"), records(0, 2)...)
	conn := openStream(t)
	cfg := followed(t, server.URI(), db.Collection("a"))
	once(t, conn, cfg)
	other := *cfg.Collection
	other.Collection, cfg.Collection = "b", &other
	var setup *mongodb.SetupError
	if err := start(t, conn, cfg).fails(); !errors.As(err, &setup) || !strings.Contains(err.Error(), "--source") {
		t.Errorf("error %v", err)
	}
}

// TestLargeMongoDocuments: a document at MongoDB's limit, with its image before each change on record.
func TestLargeMongoDocuments(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t, mongotest.Options{})
	db := server.Database(t)
	ctx := testContext(t)
	images := bson.D{{Key: "create", Value: "conversations"}, {Key: "changeStreamPreAndPostImages", Value: bson.D{{Key: "enabled", Value: true}}}}
	if err := db.RunCommand(ctx, images).Err(); err != nil {
		t.Fatal(err)
	}
	coll := db.Collection("conversations")
	large := func(id string, fill byte) bson.D {
		text := make([]byte, 16<<20-200)
		for i := range text {
			text[i] = fill
		}
		return bson.D{{Key: "_id", Value: id}, {Key: "type", Value: "user"}, {Key: "sessionId", Value: "s"}, {Key: "text", Value: string(text)}}
	}
	insert(t, coll, large("before", 'a'))
	conn := openStream(t)
	r := start(t, conn, followed(t, server.URI(), coll))
	in := newReplica(t, conn)
	in.equal(coll)
	// From here on the server splits what is too large.
	server.FailCommand(t, mongotest.FailPoint{Commands: []string{"getMore"}, Times: 1, Code: 10334, Labels: []string{}})
	insert(t, coll, large("after", 'b'))
	must[*mongo.UpdateResult](t)(coll.ReplaceOne(ctx, bson.D{{Key: "_id", Value: "before"}}, large("before", 'c')))
	must[*mongo.UpdateResult](t)(coll.UpdateByID(ctx, "after", bson.D{{Key: "$set", Value: bson.D{{Key: "type", Value: "none"}}}}))
	in.equal(coll)
	must[*mongo.DeleteResult](t)(coll.DeleteOne(ctx, bson.D{{Key: "_id", Value: "before"}}))
	insert(t, coll, records(0, 5)...)
	in.equal(coll)
	if got := letters(t, conn); len(got) > 0 {
		t.Errorf("%d dead letters", len(got))
	}
	r.stop()
}

// TestOddMongoDocuments: no session, a session that is no text, dates out of range, keys with dots and dollars, text that
// is not UTF-8. Each arrives, byte for byte.
func TestOddMongoDocuments(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t)
	coll := server.Database(t).Collection("conversations")
	odd := []any{
		bson.D{{Key: "_id", Value: 1}},
		bson.D{{Key: "_id", Value: 2}, {Key: "sessionId", Value: 17}, {Key: "projectId", Value: bson.A{"p"}}},
		bson.D{{Key: "_id", Value: 3}, {Key: "timestamp", Value: bson.DateTime(1 << 60)}, {Key: "ingestedAt", Value: bson.DateTime(-1 << 60)}},
		bson.D{{Key: "_id", Value: 4}, {Key: "a.b", Value: 1}, {Key: "$c", Value: bson.D{{Key: "$d.e", Value: 2}}}},
		bson.D{{Key: "_id", Value: 5}, {Key: "sessionId", Value: "bad \xff\xfe text"}, {Key: "message", Value: bson.D{{Key: "content", Value: "\xc3\x28"}}}},
		bson.D{{Key: "_id", Value: 6}, {Key: "sessionId", Value: strings.Repeat("long.*>", 100)}, {Key: "projectId", Value: "a b.c>*"}},
		bson.D{{Key: "_id", Value: 7}, {Key: "sessionId", Value: nil}, {Key: "type", Value: bson.D{}}},
	}
	conn := openStream(t)
	r := start(t, conn, followed(t, server.URI(), coll))
	eventually(t, "it follows", func() bool { return r.Status().State == StateFollowing })
	for _, doc := range odd {
		// Some servers and drivers refuse a few of them: what got in has to come out.
		if _, err := coll.InsertOne(testContext(t), doc); err != nil {
			t.Logf("%v: %v", doc.(bson.D)[0], err)
		}
	}
	in := newReplica(t, conn)
	in.equal(coll)
	if len(in.docs) < 5 {
		t.Errorf("only %d documents came", len(in.docs))
	}
	once(t, openStream(t), followed(t, server.URI(), coll)) // and by a snapshot
	if got := letters(t, conn); len(got) > 0 {
		t.Errorf("dead letters: %v", got)
	}
}
