package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"claude-analytics/ingest/mongodb"
	"claude-analytics/internal/mongotest/scripted"
	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// scene is a scripted replica set and a lane that follows it.
type scene struct {
	t    testing.TB
	set  *scripted.Set
	coll *mongo.Collection
	conn *stream.Conn
	cfg  Config
	reg  *prometheus.Registry
	in   *replica
	next int
}

func newScene(t testing.TB, nodes int) *scene {
	t.Helper()
	s := &scene{t: t, set: scripted.NewSet(t, nodes), conn: openStream(t), reg: prometheus.NewRegistry()}
	client, err := mongo.Connect(options.Client().ApplyURI(s.set.URI()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	s.coll = client.Database(scripted.Database).Collection(scripted.Collection)
	s.cfg = followed(t, s.set.URI(), s.coll)
	s.in = newReplica(t, s.conn)
	s.write(10)
	return s
}

// write inserts n documents, and changes and deletes a few of the older ones.
func (s *scene) write(n int) {
	for range n {
		s.next++
		s.set.Insert(bson.D{{Key: "_id", Value: s.next}, {Key: "type", Value: "user"}, {Key: "n", Value: s.next}})
	}
	if s.next > 20 {
		s.set.Update(bson.D{{Key: "_id", Value: s.next - 15}, {Key: "type", Value: "user"}, {Key: "n", Value: -s.next}})
		s.set.Delete(s.next - 18)
	}
}

func (s *scene) start() *running {
	s.t.Helper()
	log, out := logs(s.t)
	ctx, cancel := context.WithCancel(testContext(s.t))
	r := &running{Ingest: New(s.cfg, s.conn, log, s.reg), t: s.t, logs: out, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.err = r.Run(ctx)
	}()
	s.t.Cleanup(r.stop)
	return r
}

// metric is the value of one of the lane's metrics; code is its label, or empty.
func (s *scene) metric(name, code string) float64 {
	s.t.Helper()
	families, err := s.reg.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "analytics_ingest_"+name {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, pair := range m.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			if code == "" || labels["code"] == code {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

// TestServerCodes: each code's reaction, its log line and its metric.
func TestServerCodes(t *testing.T) {
	t.Parallel()
	resumable := []string{"ResumableChangeStreamError"}
	const goesOn, isLost, refused = "goes on", "history lost", "refused"
	for _, c := range []struct {
		code    int32
		command string
		labels  []string
		times   int
		want    string
		words   string // of the log, or of the error
	}{
		{286, "getMore", nil, 1, isLost, "HISTORY_LOST=resnapshot"},
		{286, "aggregate", nil, 1, isLost, "replSetResizeOplog"},
		{260, "aggregate", nil, 1, isLost, "HISTORY_LOST"},
		{464, "aggregate", nil, 1, isLost, "HISTORY_LOST"},
		{50811, "aggregate", nil, 1, isLost, "HISTORY_LOST"},
		{280, "getMore", nil, 1, goesOn, "trying again"},
		{280, "getMore", nil, 0, isLost, "HISTORY_LOST"},
		{136, "getMore", nil, 1, goesOn, "trying again"},
		{10334, "getMore", nil, 1, goesOn, "the server splits"},
		{10334, "getMore", nil, 2, goesOn, "fetched apart"},
		{13, "aggregate", nil, 0, refused, "changeStream"},
		{18, "hello", nil, 0, refused, "authSource"},
		{166, "aggregate", nil, 0, refused, "view"},
		{73, "aggregate", nil, 0, refused, "MONGO_COLLECTION"},
		{40573, "aggregate", nil, 0, refused, "--replSet"},
		{189, "getMore", resumable, 2, goesOn, ""},
		{10107, "getMore", resumable, 2, goesOn, ""},
		{11600, "getMore", resumable, 2, goesOn, ""},
		{91, "aggregate", nil, 2, goesOn, ""},
		{6, "getMore", nil, 2, goesOn, "trying again"},
		{43, "getMore", nil, 2, goesOn, ""},
		{262, "getMore", resumable, 2, goesOn, ""},
		{11601, "getMore", nil, 2, goesOn, "trying again"},
		{8, "getMore", nil, 3, goesOn, "trying again"},
		{96, "find", nil, 3, goesOn, "trying again"},
	} {
		t.Run(fmt.Sprint(c.code, " on ", c.command, " ", c.times), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, 1)
			if c.command != "find" { // the fault comes to a lane that has a position
				once(t, s.conn, s.cfg)
			}
			fault := scripted.Fault{Command: c.command, Code: c.code, Name: "Scripted", Labels: c.labels, Times: c.times}
			if c.command == "hello" {
				// The driver's own greetings are answered: only what our program asks fails.
				fault.When = func(cmd bson.Raw) bool { _, err := cmd.LookupErr("lsid"); return err == nil }
			}
			if c.command == "find" {
				fault.When = func(cmd bson.Raw) bool { _, err := cmd.LookupErr("sort"); return err == nil } // the snapshot's
			}
			s.set.Fail(fault)
			s.write(15)
			r := s.start()
			switch c.want {
			case goesOn:
				s.in.equal(s.coll)
				s.write(15)
				s.in.equal(s.coll)
				eventually(t, "caught up", r.CaughtUp)
				if !strings.Contains(r.logs.String(), c.words) {
					t.Errorf("the log does not say %q", c.words)
				}
				eventually(t, "it follows", func() bool { return r.Status().State == StateFollowing })
			case isLost:
				var lost *mongodb.HistoryLostError
				if err := r.fails(); !errors.As(err, &lost) || lost.Code != c.code || !strings.Contains(err.Error(), c.words) {
					t.Errorf("error %v", err)
				}
				if n := s.metric("mongodb_history_lost_total", ""); n != 1 {
					t.Errorf("%v gaps by the metric", n)
				}
			case refused:
				var setup *mongodb.SetupError
				if err := r.fails(); !errors.As(err, &setup) || !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), "Remedy") {
					t.Errorf("error %v", err)
				}
			}
			if n := s.metric("mongodb_errors_total", fmt.Sprint(c.code)); n < 1 {
				t.Errorf("code %d was counted %v times", c.code, n)
			}
			if got := letters(t, s.conn); len(got) > 0 {
				t.Errorf("dead letters: %v", got)
			}
		})
	}
}

// TestNoServerIsCounted: each attempt that finds no server is an error of the network.
func TestNoServerIsCounted(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1)
	s.cfg.Collection.URI = "mongodb://127.0.0.1:1/?replicaSet=rs0&serverSelectionTimeoutMS=50"
	s.start()
	eventually(t, "it tries again", func() bool { return s.metric("mongodb_retries_total", "") >= 3 })
	if errors, retries := s.metric("mongodb_errors_total", "0"), s.metric("mongodb_retries_total", ""); errors < retries-1 {
		t.Errorf("%v errors in %v attempts", errors, retries)
	}
}

// TestCannotSplit: a server that is asked to split and does not know how.
func TestCannotSplit(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1)
	once(t, s.conn, s.cfg)
	s.set.Fail(scripted.Fault{Command: "getMore", Code: 10334, Times: 1})
	s.set.Fail(scripted.Fault{Command: "aggregate", Code: 40324, When: func(cmd bson.Raw) bool {
		return strings.Contains(cmd.Lookup("pipeline").String(), "$changeStreamSplitLargeEvent")
	}})
	s.write(15)
	r := s.start()
	s.in.equal(s.coll)
	s.set.Fail(scripted.Fault{Command: "getMore", Code: 10334, Times: 1})
	s.write(15)
	s.in.equal(s.coll)
	for _, words := range []string{"the server splits", "cannot split", "fetched apart"} {
		if !strings.Contains(r.logs.String(), words) {
			t.Errorf("the log does not say %q", words)
		}
	}
}

// TestElections: the primary changes while the lane follows, and while it makes its snapshot.
func TestElections(t *testing.T) {
	t.Parallel()
	s := newScene(t, 3)
	r := s.start()
	for round := range 4 {
		s.write(12)
		if round == 2 {
			s.set.StepDown(-1) // nobody is, for a while
			s.write(3)
			time.Sleep(300 * time.Millisecond)
		}
		s.set.StepDown((round + 1) % 3)
		s.write(12)
		s.in.equal(s.coll)
	}
	eventually(t, "caught up", r.CaughtUp)
	for op, n := range s.in.operations {
		if op == proto.Operation_OPERATION_INSERT && n > s.next {
			t.Errorf("%d inserts of %d documents: some came twice", n, s.next)
		}
	}
}

// TestCutReplies: replies end in the middle, the server cannot be reached for a while: visible, and nothing is lost.
func TestCutReplies(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1)
	for _, command := range []string{"find", "getMore", "aggregate", "hello"} {
		s.set.CutReply(command, 2)
	}
	r := s.start()
	s.in.equal(s.coll)
	s.set.CutReply("getMore", 3)
	s.write(30)
	s.in.equal(s.coll)

	s.set.Refuse(true)
	s.set.Hangup()
	eventually(t, "it is seen that the server is away", func() bool {
		status := r.Status()
		return status.State == StateRetrying && status.Detail != "" && status.Collection.Attempts > 0
	})
	if s.metric("mongodb_retrying", "") != 1 || s.metric("mongodb_retries_total", "") < 1 {
		t.Error("the metrics do not show that the server is away")
	}
	s.write(10)
	s.set.Heal()
	s.in.equal(s.coll)
	eventually(t, "it is seen that the server is back", func() bool { return r.Status().State == StateFollowing })
	if s.metric("mongodb_retrying", "") != 0 {
		t.Error("the metrics still show that the server is away")
	}
	if log := r.logs.String(); !strings.Contains(log, "answers again") {
		t.Error("the log does not say that the server is back")
	}
}

// TestRereadIsMadeAgain: cut off by an error, a second reading begins again.
func TestRereadIsMadeAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1)
	s.write(60)
	once(t, s.conn, s.cfg)
	s.in.equal(s.coll)
	documents := int64(len(s.in.docs))
	s.set.Fail(scripted.Fault{Command: "getMore", Code: 96, Times: 2, When: func(cmd bson.Raw) bool {
		_, err := cmd.LookupErr("maxTimeMS") // the change stream's have it
		return err != nil
	}})
	s.cfg.Reread = &Reread{}
	if got := once(t, s.conn, s.cfg); got.Documents < documents {
		t.Errorf("%d documents were read again, of %d", got.Documents, documents)
	}
	s.in.equal(s.coll)
}

// TestSnapshotIsNotOlder: a snapshot that goes on reads nothing as it was before a change that is already published,
// whichever member answers.
func TestSnapshotIsNotOlder(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1)
	once(t, s.conn, s.cfg)
	s.write(20)
	s.cfg.Backfill = true
	once(t, s.conn, s.cfg)
	s.in.equal(s.coll)
	published := s.in.position.GetCollection().GetClusterTime()
	finds := s.set.Commands("find")
	last := finds[len(finds)-1]
	for _, find := range finds {
		if _, err := find.LookupErr("sort"); err == nil {
			last = find
		}
	}
	level, _ := last.Lookup("readConcern", "level").StringValueOK()
	at, i, ok := last.Lookup("readConcern", "afterClusterTime").TimestampOK()
	if level != "majority" || !ok || uint64(at)<<32|uint64(i) < published {
		t.Errorf("the snapshot read with %s, %d is published", last.Lookup("readConcern"), published)
	}
}

// TestHistoryShorterThanSnapshot: a history that is lost again and again before a snapshot is complete ends loudly.
func TestHistoryShorterThanSnapshot(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1)
	once(t, s.conn, s.cfg)
	s.cfg.Collection.HistoryLost = mongodb.HistoryResnapshot
	s.set.Fail(scripted.Fault{Command: "getMore", Code: 286, Name: "ChangeStreamHistoryLost"})
	s.set.Fail(scripted.Fault{Command: "find", Code: 286, Name: "ChangeStreamHistoryLost"})
	var lost *mongodb.HistoryLostError
	if err := s.start().fails(); !errors.As(err, &lost) || !strings.Contains(err.Error(), "too short") {
		t.Errorf("error %v", err)
	}
}

// TestSetup: servers that cannot be followed are refused with a remedy.
func TestSetup(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(*scene)
		words []string
	}{
		{"standalone", func(s *scene) { s.set.SetName("") }, []string{"standalone", "rs.initiate()"}},
		{"other replica set", func(s *scene) { s.set.SetName("other") }, []string{`"other"`, "replicaSet=other"}},
		{"no URI", func(s *scene) { s.cfg.Collection.URI = "mongodb://" }, []string{"MONGO_URI"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, 1)
			c.spoil(s)
			var setup *mongodb.SetupError
			err := s.start().fails()
			if !errors.As(err, &setup) {
				t.Fatalf("error %v", err)
			}
			for _, word := range c.words {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the error does not say %q: %v", word, err)
				}
			}
		})
	}
}

// TestOddEvents: what cannot be understood is set aside, and the rest goes on.
func TestOddEvents(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1)
	s.start()
	s.in.equal(s.coll)
	s.set.Emit("teleport", bson.E{Key: "documentKey", Value: bson.D{{Key: "_id", Value: 1}}})
	s.set.Emit("insert") // of what?
	s.set.Emit("createIndexes")
	s.set.Emit("update", bson.E{Key: "documentKey", Value: bson.D{{Key: "_id", Value: 2}}}, bson.E{Key: "fullDocument", Value: nil})
	s.write(5)
	s.in.equal(s.coll)
	got := letters(t, s.conn)
	if len(got) != 2 || !strings.HasPrefix(got[0], proto.ReasonNotDecodable) || !strings.HasPrefix(got[1], proto.ReasonOperation) {
		t.Errorf("dead letters: %.100q", got)
	}
	if n := s.metric("mongodb_updates_without_document_total", ""); n != 1 {
		t.Errorf("%v updates without a document", n)
	}
}
