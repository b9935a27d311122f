package sink

import (
	"context"
	"fmt"
	"testing"
	"time"

	"claude-analytics/internal/stream"
	"claude-analytics/internal/warehouse"
	"claude-analytics/proto"
)

// replay runs one without a running sink.
func (w *world) replay(part Part, dryRun bool) Replayed {
	w.t.Helper()
	s := New(w.cfg, w.conn, w.db, w.logger(), nil)
	done, err := s.Replay(w.ctx(), part, dryRun, nil)
	if err != nil {
		w.t.Fatalf("replay %+v: %v", part, err)
	}
	if done.Running || done.FromStream+done.FromLake != done.Matched || done.Stream.Read+done.Lake.Read != done.Read {
		w.t.Errorf("replay %+v: %+v", part, done)
	}
	return done
}

// exec changes the warehouse behind the sink's back.
func (w *world) exec(statements string) {
	w.t.Helper()
	err := w.db.Write(w.ctx(), "damage", func(ctx context.Context, tx *warehouse.Tx) error {
		_, err := tx.Exec(ctx, statements)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// bookkeeping is what only a batch that changes something moves.
func (w *world) bookkeeping() string {
	return fmt.Sprint(w.query(`SELECT (SELECT max(batch) FROM meta.changed_keys), (SELECT max(batch) FROM meta.watermarks),
		(SELECT max(seq) FROM meta.watermarks), (SELECT max(applied_at) FROM meta.watermarks), (SELECT count(*) FROM raw.link_keys)`))
}

// parts are those that replays are tried with.
func parts() map[string]Part {
	return map[string]Part{
		"all":     {},
		"session": {Session: "session-3"},
		"project": {Project: "-p"},
		"day":     {From: day.Truncate(24 * time.Hour), To: day.Truncate(24 * time.Hour).Add(24 * time.Hour)},
		"early":   {ToSeq: 250},
		"late":    {FromSeq: 250},
	}
}

func TestReplayOfAnIntactWarehouse(t *testing.T) {
	w := newWorld(t)
	w.history()
	before, books := w.snapshot(), w.bookkeeping()
	for name, part := range parts() {
		done := w.replay(part, false)
		if done.Applied != 0 || done.Deleted != 0 || done.Unchanged == 0 {
			t.Errorf("%s: %+v", name, done)
		}
	}
	// The lake knows that it holds nothing of such a day, so that nothing is read.
	if done := w.replay(Part{From: day.Add(20 * 24 * time.Hour)}, false); done.Read != 0 {
		t.Errorf("a day without documents: %+v", done)
	}
	same(t, "after replays", w.snapshot(), before)
	if now := w.bookkeeping(); now != books {
		t.Errorf("bookkeeping was %s, is %s", books, now)
	}
}

func TestReplayRepairs(t *testing.T) {
	w := newWorld(t)
	w.cfg.BatchSize = 150
	w.history()
	before := w.snapshot()
	for _, damage := range []struct {
		name, statements string
		part             Part
	}{
		{"rows and blocks of a session", `DELETE FROM raw.content_blocks WHERE session_id = 'session-3'; DELETE FROM raw.conversations WHERE session_id = 'session-3'`, Part{Session: "session-3"}},
		{"rows alone", `DELETE FROM raw.conversations WHERE session_id = 'session-3'`, Part{Project: "-p"}},
		{"blocks alone", `DELETE FROM raw.content_blocks WHERE session_id = 'session-3'`, Part{Session: "session-3"}},
		{"a day", `DELETE FROM raw.content_blocks WHERE date = '2026-11-20'; DELETE FROM raw.conversations WHERE date = '2026-11-20'`, parts()["day"]},
		{"rows twice", `INSERT INTO raw.conversations SELECT * FROM raw.conversations WHERE session_id = 'session-3'`, Part{Session: "session-3"}},
		{"stale rows", `UPDATE raw.conversations SET _epoch = 0, message_content = 'stale' WHERE session_id = 'session-3'`, Part{Session: "session-3"}},
		{"other rules", `UPDATE raw.conversations SET _rules = 0, message_content = 'as it was once' WHERE session_id = 'session-3'`, Part{Session: "session-3"}},
		{"no rules", `UPDATE raw.conversations SET _rules = NULL, message_content = 'as it was once'`, Part{}},
		{"all, and the tombstones", `TRUNCATE raw.content_blocks; TRUNCATE raw.conversations; TRUNCATE raw.tombstones`, Part{}},
		{"the tombstones too, a project", `TRUNCATE raw.content_blocks; TRUNCATE raw.conversations; TRUNCATE raw.tombstones`, Part{Project: "-p"}},
		{"all, by what is old", `TRUNCATE raw.content_blocks; TRUNCATE raw.conversations`, Part{ToSeq: 1 << 40}},
	} {
		w.exec(damage.statements)
		damaged := w.snapshot()
		dry := w.replay(damage.part, true)
		same(t, damage.name+": after a dry run", w.snapshot(), damaged)
		done := w.replay(damage.part, false)
		if done.Applied == 0 || dry.Applied != done.Applied || dry.Matched != done.Matched {
			t.Errorf("%s: %+v, dry %+v", damage.name, done, dry)
		}
		same(t, damage.name, w.snapshot(), before)
		if again := w.replay(damage.part, false); again.Applied != 0 || again.Deleted != 0 {
			t.Errorf("%s: again %+v", damage.name, again)
		}
	}
}

// Only what the part holds comes back, and what comes back is the newest.
func TestReplayOfAPart(t *testing.T) {
	w := newWorld(t)
	w.documents(100)
	first := w.seq
	w.publish(w.document(3, "newer"), w.document(10, "newer"), w.delete(17))
	w.drain()
	before := w.snapshot()
	w.exec(`TRUNCATE raw.content_blocks; TRUNCATE raw.conversations; TRUNCATE raw.tombstones`)
	// Documents 3, 10, 17 are of session-3; their first versions are in the part, the newer ones are not.
	if done := w.replay(Part{Session: "session-3", ToSeq: first}, false); done.Applied == 0 || done.Deleted != 1 {
		t.Errorf("%+v", done)
	}
	if got := fmt.Sprint(w.query(`SELECT count(*), count(*) FILTER (message_content LIKE 'newer%'), count(*) FILTER (session_id <> 'session-3') FROM raw.conversations`)); got != "[[13 2 0]]" {
		t.Errorf("rows, newer, of others: %s", got)
	}
	w.replay(Part{}, false)
	same(t, "in the end", w.snapshot(), before)
}

// What retention took from the stream comes from the lake.
func TestReplayBelowTheStream(t *testing.T) {
	w := newWorld(t)
	w.history()
	before := w.snapshot()
	if _, err := w.conn.Sweep(w.ctx(), stream.SweepConfig{MaxBytes: 1, DurableBelow: w.seq + 1}); err != nil {
		t.Fatal(err)
	}
	w.exec(`TRUNCATE raw.content_blocks; TRUNCATE raw.conversations`)
	for name, part := range parts() {
		done := w.replay(part, true)
		if name != "late" && (done.FromLake == 0 || done.Applied == 0) {
			t.Errorf("%s: %+v", name, done)
		}
	}
	w.replay(Part{Session: "session-3"}, false)
	if others := len(w.query(`SELECT _id FROM raw.conversations WHERE session_id <> 'session-3'`)); others != 0 {
		t.Errorf("%d rows of others came too", others)
	}
	w.replay(Part{}, false)
	same(t, "in the end", w.snapshot(), before)
}

// Live changes flow on while a replay goes on.
func TestReplayWhileRunning(t *testing.T) {
	w := newWorld(t)
	w.documents(400)
	w.drain()
	w.exec(`DELETE FROM raw.content_blocks WHERE _id < '000100'; DELETE FROM raw.conversations WHERE _id < '000100'`)
	lives := 0
	r := w.start(func(step string) error {
		if step == "replay: apply" && lives < 4 {
			lives++
			w.documents(30)
		}
		return nil
	})
	w.wait("running", func() (bool, string) { s := r.Status(); return s.State == StateRunning, s.State })
	done, err := r.Replay(w.ctx(), Part{Project: "-p"}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if done.Applied != 256 || lives == 0 {
		t.Errorf("%+v, %d times new documents", done, lives)
	}
	r.catchUp()
	w.checkWarehouse()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	w.checkLake(w.published)
}

// One that is stopped keeps what it did, and another does the rest.
func TestReplayStopped(t *testing.T) {
	w := newWorld(t)
	w.documents(400)
	w.drain()
	before := w.snapshot()
	w.exec(`TRUNCATE raw.content_blocks; TRUNCATE raw.conversations`)
	s := New(w.cfg, w.conn, w.db, w.logger(), nil)
	done, err := s.Replay(w.ctx(), Part{}, false, func(now Replayed) {
		if now.Applied >= 100 {
			if _, err := s.Replay(w.ctx(), Part{}, false, nil); err == nil {
				t.Error("two at a time")
			}
			s.StopReplay()
		}
	})
	if err == nil || done.Applied < 100 || done.Applied == 400 || done.Running {
		t.Fatalf("%+v, %v", done, err)
	}
	if rows := len(w.query(`SELECT _id FROM raw.conversations`)); rows != int(done.Applied) {
		t.Errorf("%d rows, %d applied", rows, done.Applied)
	}
	if rest := w.replay(Part{}, false); rest.Applied != 400-done.Applied || rest.Unchanged != done.Applied {
		t.Errorf("the rest: %+v", rest)
	}
	same(t, "in the end", w.snapshot(), before)
}

// A message that could not be converted is converted again.
func TestReplayOfDeadLetters(t *testing.T) {
	w := newWorld(t)
	w.documents(20)
	w.publish(stream.Outgoing{Subject: proto.DataSubject(testLane, "session-1", "-p"), Data: []byte("no change at all")})
	w.drain()
	w.exec(`DELETE FROM raw.content_blocks WHERE _id = '` + fmt.Sprintf("%x", [12]byte{0, 0, 7}) + `'; DELETE FROM raw.conversations WHERE _id = '` + fmt.Sprintf("%x", [12]byte{0, 0, 7}) + `'`)
	if done := w.replay(Part{Project: "-p"}, false); done.Applied != 1 || done.Dead != 1 {
		t.Errorf("%+v", done)
	}
	if got := fmt.Sprint(w.query(`SELECT count(*) FROM meta.dead_letters`)); got != "[[1]]" {
		t.Errorf("letters: %s", got)
	}
	w.checkWarehouse()
}
