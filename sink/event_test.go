package sink

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
	"claude-analytics/sink/bronze"
)

// snapshotEnd ends a snapshot that began at message below and saw those documents.
func (w *world) snapshotEnd(below uint64, seen ...int) stream.Outgoing {
	w.t.Helper()
	still := map[string]string{}
	for _, i := range seen {
		key := fmt.Sprintf("%x", [12]byte{byte(i >> 16), byte(i >> 8), byte(i)})
		if text, there := w.want[key]; there {
			still[key] = text
		}
	}
	w.want = still
	w.published++
	return w.change(&proto.Change{Operation: proto.Operation_OPERATION_SNAPSHOT_END, Below: below, SourceOffset: -1}, "")
}

// gap tells of missing history.
func (w *world) gap(g proto.Gap) stream.Outgoing {
	w.t.Helper()
	doc, err := g.Document()
	if err != nil {
		w.t.Fatal(err)
	}
	w.published++
	return w.change(&proto.Change{Operation: proto.Operation_OPERATION_GAP, Document: doc, SourceOffset: -1}, "")
}

var lostHistory = proto.Gap{
	Reason: proto.GapHistoryLost, Action: proto.GapResnapshot, Code: 286, Detail: "resume point may no longer be in the oplog",
	From: day.Add(-time.Hour), To: day,
}

// resnapshot is what a source does that lost its place: a gap, then all documents of a snapshot, then its end. The
// snapshot sees documents 0 to n-1; one changes while it goes on, one comes, one of each goes.
func (w *world) resnapshot(n int) {
	w.t.Helper()
	w.publish(position(0))
	began := w.seq
	out := []stream.Outgoing{w.gap(lostHistory)}
	seen := []int{w.ids, w.ids + 1}
	for i := range n {
		out = append(out, w.document(i, fmt.Sprintf("seen %d", i)))
		seen = append(seen, i)
	}
	out = append(out, w.document(2, "changed meanwhile"), w.document(w.ids, "new"), w.document(w.ids+1, "new and gone"), w.delete(w.ids+1), w.delete(3))
	out = append(out, w.snapshotEnd(began, seen...), w.document(w.ids+2, "behind the end"))
	w.ids += 3
	w.publish(out...)
}

func TestSnapshotEnd(t *testing.T) {
	for _, size := range []int{1, 7, 500} { // of a micro-batch: the end alone, with some, with all
		w := newWorld(t)
		w.cfg.BatchSize = size
		w.documents(60)
		w.resnapshot(40)
		w.drain()
		w.checkWarehouse()
		w.checkLake(w.published)
		if got := w.query(`SELECT namespace FROM raw.tombstones WHERE _id IS NULL`); len(got) != 1 || got[0][0] != testSpace {
			t.Errorf("namespaces dropped: %v", got)
		}
	}
}

func TestSnapshotEndIsKept(t *testing.T) {
	w := newWorld(t)
	w.cfg.KeepDeleted = true
	w.documents(60)
	before := len(w.want)
	w.publish(w.snapshotEnd(w.seq, 1, 2))
	w.drain()
	if n := len(w.query(`SELECT _id FROM raw.conversations`)); n != before {
		t.Errorf("%d rows of %d", n, before)
	}
	w.checkLake(w.published)
}

// A snapshot in a new life of the stream takes out what only older lives had.
func TestSnapshotEndOfANewEpoch(t *testing.T) {
	w := newWorld(t)
	w.documents(60)
	w.drain()
	w.recreateStream()
	w.resnapshot(30)
	w.drain()
	w.checkWarehouse()
	before := w.snapshot()
	if err := New(w.cfg, w.conn, w.db, w.logger(), nil).Rebuild(w.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	same(t, "rebuilt", w.snapshot(), before)
}

// Retention took the first half of what a snapshot saw. A new epoch on what is left must not take out the rows that only
// the older epoch has, nor must a rebuild.
func TestSnapshotEndOutlivesItsSnapshot(t *testing.T) {
	w := newWorld(t)
	w.documents(60)
	began := w.seq
	var out []stream.Outgoing
	var seen []int
	for i := range 40 {
		out, seen = append(out, w.document(i, "seen")), append(seen, i)
	}
	w.publish(append(out, w.snapshotEnd(began, seen...))...)
	end := w.seq
	r := w.start(nil)
	r.catchUp()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if n, err := w.conn.Sweep(w.ctx(), stream.SweepConfig{MaxBytes: 1, DurableBelow: began + 20}); err != nil || n < 70 {
		t.Fatalf("swept %d, %v", n, err)
	}
	copied := w.copyStream()
	w.documents(10)
	w.drain()
	w.closeStream()
	w.remove("jetstream")
	w.restoreStream(copied)
	w.openStream()
	w.ids -= 10
	w.documents(12)
	if r = w.drain(); r.Status().Epoch != 2 || r.lake.Floor(2) == 0 || r.lake.Floor(1) != 0 {
		t.Errorf("epoch %d, floor %d", r.Status().Epoch, r.lake.Floor(2))
	}
	w.checkWarehouse()
	if landed := w.landed(); !slices.Contains(landed, fmt.Sprintf("1-%d", end)) || !slices.Contains(landed, fmt.Sprintf("2-%d", end-1)) || slices.Contains(landed, fmt.Sprintf("2-%d", end)) {
		t.Errorf("the end is message %d; the lake holds %v", end, landed)
	}
	before := w.snapshot()
	if err := New(w.cfg, w.conn, w.db, w.logger(), nil).Rebuild(w.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	same(t, "rebuilt", w.snapshot(), before)
	w.checkWarehouse()
}

func TestSourceGaps(t *testing.T) {
	w := newWorld(t)
	w.documents(5)
	w.publish(w.gap(lostHistory), w.gap(proto.Gap{Reason: proto.GapStreamLost, Detail: "not UTF-8: \xff"}))
	second := w.seq
	w.publish(w.change(&proto.Change{Operation: proto.Operation_OPERATION_GAP, Document: []byte("no gap")}, ""))
	r := w.start(nil)
	r.catchUp()
	check := func(when string, got []bronze.SourceGap, more int) {
		t.Helper()
		if len(got) != 2+more || got[0].Source != testLane || got[0].Namespace != testSpace || !got[0].From.Equal(lostHistory.From) || got[0].Code != 286 || got[0].Epoch != 1 || got[0].Seq != second-1 ||
			got[1].Seq != second || got[1].Detail != "not UTF-8: \uFFFD" || !got[1].To.IsZero() {
			t.Errorf("%s: %+v", when, got)
		}
	}
	check("while it runs", r.Status().SourceGaps, 0)
	w.publish(w.gap(lostHistory))
	r.catchUp()
	check("one more", r.Status().SourceGaps, 1)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = w.drain()
	check("after a restart", r.Status().SourceGaps, 1)
	letters, err := w.conn.DeadLetters(w.ctx(), 0)
	if err != nil || len(letters) != 1 || letters[0].Reason != proto.ReasonNotConvertible {
		t.Errorf("letters %+v, %v", letters, err)
	}

	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	w.remove("analytics.duckdb*")
	w.openWarehouse()
	check("from the lake", w.drain().Status().SourceGaps, 1)
	if n := w.query(`SELECT count(*) FROM meta.gaps`)[0][0]; fmt.Sprint(n) != "3" {
		t.Errorf("%v gaps", n)
	}
	w.checkLake(w.published)
}

func TestAddSourceGaps(t *testing.T) {
	g := func(epoch, seq uint64) bronze.SourceGap {
		return bronze.SourceGap{Epoch: epoch, Seq: seq, Source: fmt.Sprint(epoch)}
	}
	if got := addSourceGaps([]bronze.SourceGap{g(1, 4), g(2, 1)}, []bronze.SourceGap{g(1, 9), g(1, 4)}); !reflect.DeepEqual(got, []bronze.SourceGap{g(1, 4), g(1, 9), g(2, 1)}) {
		t.Errorf("%+v", got)
	}
	var many []bronze.SourceGap
	for i := range uint64(30) {
		many = addSourceGaps(many, []bronze.SourceGap{g(1, i)})
	}
	if len(many) != recentGaps || many[len(many)-1].Seq != 29 {
		t.Errorf("%d, the last %+v", len(many), many[len(many)-1])
	}
}

// What the stream no longer had for a destination is recorded once, however often it is found.
func TestStreamGapsAreRecorded(t *testing.T) {
	w := newWorld(t)
	w.documents(60)
	r := w.start(nil)
	r.catchUp()
	below := r.DurableBelow()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.conn.Sweep(w.ctx(), stream.SweepConfig{MaxBytes: 1, DurableBelow: below}); err != nil {
		t.Fatal(err)
	}
	w.remove("raw")
	w.documents(10)
	for _, step := range []string{"warehouse: apply", "no step"} {
		r := w.start(stopAt(step, 1))
		if step == "no step" {
			r.catchUp()
			_ = r.stop()
		}
		<-r.done
		gaps := r.Status().Gaps
		if len(gaps) != 1 {
			t.Fatalf("gaps %+v", gaps)
		}
		got := fmt.Sprint(w.query(`SELECT kind, destination, _epoch, from_seq, to_seq, reason FROM meta.gaps`))
		if want := fmt.Sprintf("[[stream lake 1 %d %d %s]]", gaps[0].From, gaps[0].To, gaps[0].Reason); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
