package sink

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/document"
	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// faulty is a converter whose rules cannot take documents with a mark in them.
type faulty struct {
	document.Converter
	mark []byte
}

func (f *faulty) Convert(c *proto.Change, epoch, seq uint64) (document.Row, []document.Block, error) {
	if bytes.Contains(c.GetDocument(), f.mark) {
		return document.Row{}, nil, errors.New("these rules cannot take it")
	}
	return f.Converter.Convert(c, epoch, seq)
}

func (f *faulty) Brief(c *proto.Change, epoch, seq uint64) (document.Row, error) {
	row, _, err := f.Convert(c, epoch, seq)
	return row, err
}

// startFaulty runs a sink with such rules.
func (w *world) startFaulty(mark string) *running {
	return w.startWith(nil, func() converter { return &faulty{mark: []byte(mark)} })
}

// startWith runs a sink; what is nil is as it is.
func (w *world) startWith(between func(string) error, rules func() converter) *running {
	w.t.Helper()
	w.rules = rules
	defer func() { w.rules = nil }()
	return w.start(between)
}

func (w *world) letters() []stream.Letter {
	w.t.Helper()
	var all []stream.Letter
	if err := w.conn.Letters(w.ctx(), 0, func(l stream.Letter) error {
		all = append(all, l)
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// setAside publishes a history some of whose messages the rules of that time could not take: an insert that nothing
// follows, one that is updated later, one that is deleted later, one that updates an older row, and whole batches.
func (w *world) setAside() {
	w.t.Helper()
	r := w.startFaulty("poison")
	w.documents(60)
	w.publish(
		w.document(900, "poison, alone"), w.document(901, "poison, updated later"), w.document(902, "poison, deleted later"),
		w.document(3, "poison, newer than the row"), w.document(4, "poison, older than the row"),
	)
	w.documents(60)
	w.publish(w.document(901, "the update"), w.delete(902), w.document(4, "the newest"))
	r.catchUp()
	w.publish(w.document(903, "poison, by itself"))
	r.catchUp()
	w.publish(w.document(904, "poison, first"), w.document(905, "between"), w.document(906, "poison, last"))
	r.catchUp()
	if err := r.stop(); err != nil {
		w.t.Fatal(err)
	}
	if n := len(w.letters()); n != 8 {
		w.t.Fatalf("%d letters, want 8", n)
	}
}

// neverFailed is what bronze holds if the same history was converted at once.
func neverFailed(t *testing.T) []string {
	w := newWorld(t)
	w.documents(60)
	w.publish(
		w.document(900, "poison, alone"), w.document(901, "poison, updated later"), w.document(902, "poison, deleted later"),
		w.document(3, "poison, newer than the row"), w.document(4, "poison, older than the row"),
	)
	w.documents(60)
	w.publish(w.document(901, "the update"), w.delete(902), w.document(4, "the newest"))
	w.publish(w.document(903, "poison, by itself"))
	w.publish(w.document(904, "poison, first"), w.document(905, "between"), w.document(906, "poison, last"))
	w.drain()
	w.checkWarehouse()
	return w.snapshot()
}

// orders of the lake, sorted.
func sorted(orders []string) []string {
	slices.Sort(orders)
	return orders
}

// TestRestore: once the rules are mended, every row stands where it would have stood, in the warehouse and in the lake.
func TestRestore(t *testing.T) {
	want := neverFailed(t)
	w := newWorld(t)
	w.setAside()
	if n := w.query(`SELECT count(*) FROM meta.dead_letters WHERE _seq IS NOT NULL AND session_id IS NOT NULL AND attempts = 0 AND reason = 'not_convertible'`)[0][0]; fmt.Sprint(n) != "8" {
		t.Errorf("%v letters in the warehouse, want 8", n)
	}
	r := w.start(nil)
	r.catchUp()
	results, err := r.Restore(w.ctx(), w.letters())
	if err != nil {
		t.Fatal(err)
	}
	outcomes := map[string]int{}
	for _, result := range results {
		outcomes[result.Outcome]++
	}
	if outcomes[OutcomeRestored] != 5 || outcomes[OutcomeSuperseded] != 3 {
		t.Errorf("outcomes %v", results)
	}
	if err := r.MirrorLetters(w.ctx()); err != nil {
		t.Fatal(err)
	}
	if n := w.query(`SELECT count(*) FROM meta.dead_letters`)[0][0]; fmt.Sprint(n) != "0" || len(w.letters()) != 0 {
		t.Errorf("%v letters in the warehouse, %d in the stream are left", n, len(w.letters()))
	}
	same(t, "restored", w.snapshot(), want)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	w.checkWarehouse()
	w.checkLake(w.published)
	// A rebuild reads the lake alone, and agrees.
	if err := New(w.cfg, w.conn, w.db, w.logger(), nil).Rebuild(w.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	same(t, "rebuilt", w.snapshot(), want)
}

// TestRestoreDies at each step, and is made again.
func TestRestoreDies(t *testing.T) {
	w := newWorld(t)
	w.documents(60)
	for i, step := range []string{"restore: land", "restore: apply", "restore: applied", "restore: removed"} {
		r := w.startFaulty("poison")
		w.publish(w.document(2*i, "poison, new version"), w.document(900+i, "poison, new"), w.document(30+i, "good"))
		r.catchUp()
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		r = w.start(stopAt(step, 1))
		if _, err := r.Restore(w.ctx(), w.letters()); !errors.Is(err, errStopped) {
			t.Fatalf("%s: %v", step, err)
		}
		_ = r.stop()
		r = w.start(nil)
		r.catchUp()
		left := w.letters()
		if wanted := map[string]int{"restore: removed": 1}[step]; len(left) != 2 && len(left) != wanted {
			t.Errorf("%s: %d letters are left", step, len(left))
		}
		if _, err := r.Restore(w.ctx(), left); err != nil {
			t.Fatalf("again after %s: %v", step, err)
		}
		if n := len(w.letters()); n != 0 {
			t.Errorf("%s: %d letters are left", step, n)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		w.checkWarehouse()
		w.checkLake(w.published)
	}
}

// TestRestoreFails: what still cannot be converted stays, with one more attempt, and its new reason; what somebody drops
// meanwhile does not come back.
func TestRestoreFails(t *testing.T) {
	w := newWorld(t)
	newer := w.change(&proto.Change{Id: "x", Operation: proto.Operation_OPERATION_INSERT}, "s")
	change := &proto.Change{}
	if err := protobuf.Unmarshal(newer.Data, change); err != nil {
		t.Fatal(err)
	}
	change.Version = proto.Version + 1
	newer.Data, _ = protobuf.Marshal(change)
	w.publish(newer, stream.Outgoing{Subject: newer.Subject, Data: []byte{0xff}})
	r := w.start(nil)
	r.catchUp()
	first := w.letters()
	for attempt := 1; attempt <= 2; attempt++ {
		results, err := r.Restore(w.ctx(), w.letters())
		if err != nil || len(results) != 2 || results[0].Outcome != OutcomeFailed || results[0].Reason != proto.ReasonVersion || results[1].Reason != proto.ReasonNotDecodable {
			t.Fatalf("%+v, %v", results, err)
		}
		for i, l := range w.letters() {
			if l.Attempts != attempt || !l.FirstSeen.Equal(first[i].FirstSeen) || l.Name != first[i].Name {
				t.Errorf("letter %+v", l)
			}
		}
	}
	// The mirror sees it.
	if err := r.MirrorLetters(w.ctx()); err != nil {
		t.Fatal(err)
	}
	if rows := w.query(`SELECT attempts, reason FROM meta.dead_letters ORDER BY _seq`); fmt.Sprint(rows) != "[[2 version] [2 not_decodable]]" {
		t.Errorf("%v", rows)
	}
	stale := w.letters()
	if err := r.DropLetter(w.ctx(), stale[0]); err != nil {
		t.Fatal(err)
	}
	if err := r.DropLetter(w.ctx(), stale[0]); !errors.Is(err, stream.ErrLetterChanged) {
		t.Errorf("dropped twice: %v", err)
	}
	results, err := r.Restore(w.ctx(), stale)
	if err != nil || results[0].Outcome != OutcomeChanged || results[1].Outcome != OutcomeFailed {
		t.Errorf("%+v, %v", results, err)
	}
	if left := w.letters(); len(left) != 1 || left[0].Name != stale[1].Name {
		t.Errorf("%d letters are left", len(left))
	}
}

// TestMirrorAgrees whatever becomes of the letters, also in a warehouse made anew.
func TestMirrorAgrees(t *testing.T) {
	w := newWorld(t)
	w.setAside()
	check := func(r *running, what string) {
		t.Helper()
		if err := r.MirrorLetters(w.ctx()); err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, l := range w.letters() {
			want = append(want, fmt.Sprintf("%s %s %d %d", l.Name, l.Part, l.Attempts, l.LetterSeq))
		}
		var got []string
		for _, row := range w.query(`SELECT letter, part, attempts, letter_seq FROM meta.dead_letters`) {
			got = append(got, fmt.Sprintf("%s %s %v %v", row...))
		}
		if !slices.Equal(sorted(got), sorted(want)) {
			t.Errorf("%s: the warehouse has\n%q, the letters are\n%q", what, got, want)
		}
	}
	r := w.start(nil)
	r.catchUp()
	check(r, "at first")
	if err := w.conn.DeadLetter(w.ctx(), proto.DeadLetter{Lane: "host", Part: proto.PartIngest, Reason: proto.ReasonBrokenLine, File: "p/\xff.jsonl", At: day}); err != nil {
		t.Fatal(err)
	}
	check(r, "one of a source more")
	if err := w.conn.RemoveLetter(w.ctx(), w.letters()[0]); err != nil {
		t.Fatal(err)
	}
	check(r, "one was removed elsewhere")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	w.remove("analytics.duckdb*")
	w.openWarehouse()
	r = w.start(nil)
	r.catchUp()
	check(r, "the warehouse was made anew")
	if err := r.Rebuild(w.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	check(r, "rebuilt")
}

// TestRebuildSetsAside: rows of the lake that today's rules cannot take are dead letters, and can be retried.
func TestRebuildSetsAside(t *testing.T) {
	w := newWorld(t)
	w.documents(40)
	w.publish(w.document(7, "poison"))
	w.drain()
	want := w.snapshot()
	w.rules = func() converter { return &faulty{mark: []byte("poison")} }
	bad := w.start(nil)
	w.rules = nil
	bad.catchUp()
	if err := bad.Rebuild(w.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	bad.catchUp()
	if n := len(w.letters()); n != 1 {
		t.Fatalf("%d letters, want 1", n)
	}
	if err := bad.stop(); err != nil {
		t.Fatal(err)
	}
	r := w.start(nil)
	r.catchUp()
	results, err := r.Restore(w.ctx(), w.letters())
	if err != nil || results[0].Outcome != OutcomeRestored {
		t.Fatalf("%+v, %v", results, err)
	}
	same(t, "restored", w.snapshot(), want)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	w.checkLake(w.published)
}
