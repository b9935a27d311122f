package sink

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"claude-analytics/proto"
	"claude-analytics/sink/bronze"
	"claude-analytics/sink/record"
)

var endOfTime = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// A rebuild from a compacted lake is what it was from the one before.
func TestCompact(t *testing.T) {
	w := newWorld(t)
	w.history()
	before, landed := w.snapshot(), len(w.landed())
	files, _ := filepath.Glob(filepath.Join(w.cfg.Dir, "date=*", "*.parquet"))
	s := w.start(nil)
	s.catchUp()
	done, err := s.Compact(w.ctx(), CompactOptions{Today: endOfTime, Floor: math.MaxUint64})
	if err != nil {
		t.Fatal(err)
	}
	if done.Files != len(files) || done.NewFiles >= len(files)/2 || done.Rows < 100 {
		t.Errorf("of %d files and %d rows: %+v", len(files), landed, done)
	}
	if now := len(w.landed()); now != landed-int(done.Rows) {
		t.Errorf("%d rows, want %d", now, landed-int(done.Rows))
	}
	again, err := s.Compact(w.ctx(), CompactOptions{Today: endOfTime, Floor: math.MaxUint64})
	if err != nil || again.Files != 0 {
		t.Errorf("compacted again: %+v, %v", again, err)
	}
	if err := s.Rebuild(w.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	s.catchUp()
	same(t, "rebuilt from the compacted lake", w.snapshot(), before)
	w.documents(30)
	s.catchUp()
	w.checkWarehouse()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	// The watermark is where it was: nothing lands again, and no epoch begins.
	if epoch := w.drain().Status().Epoch; epoch != 1 {
		t.Errorf("epoch %d", epoch)
	}
}

// The erasure of a session dies between any two of its steps; called again, it ends as if it had not.
func TestEraseStoppedAnywhere(t *testing.T) {
	const session = "session-3"
	steps := []string{"", "erase: lake", "erase: warehouse"}
	if os.Getenv("LONG") != "" {
		steps = append(steps, "erase: stream", "erase: done")
	}
	for _, step := range steps {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			w.documents(60)
			w.publish(w.document(10, "changed"), w.delete(17), w.delete(18))
			w.drain()
			gone := 0
			for i := 3; i < 60; i += 7 {
				if key := fmt.Sprintf("%x", [12]byte{0, 0, byte(i)}); w.want[key] != "" {
					delete(w.want, key)
					gone++
				}
			}
			if step != "" {
				s := w.start(stopAt(step, 1))
				s.waitRunning()
				if _, err := s.Erase(w.ctx(), Subject{Session: session}, EraseOptions{}); !errors.Is(err, errStopped) {
					t.Fatalf("stopped before %s: %v", step, err)
				}
				_ = s.stop()
			}
			s := w.start(nil)
			s.waitRunning()
			done, err := s.Erase(w.ctx(), Subject{Session: session}, EraseOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if step == "" && (done.Keys != int64(gone)+1 || done.Rows != int64(gone) || done.Lake.Rows != int64(gone)+3 || done.Messages != int64(gone)+3) {
				t.Errorf("of %d documents: %+v", gone, done)
			}
			if err := s.FinishErasure(w.ctx(), *done.Record); err != nil {
				t.Fatal(err)
			}
			check := func() {
				t.Helper()
				w.checkWarehouse()
				for _, table := range []string{"raw.conversations", "raw.content_blocks", "raw.link_keys"} {
					if n := w.query(`SELECT count(*) FROM ` + table + ` WHERE session_id = '` + session + `'`)[0][0]; fmt.Sprint(n) != "0" {
						t.Errorf("%s has %v rows of it", table, n)
					}
				}
				// The delete of the session's own document is gone too; the other's stays.
				if n := w.query(`SELECT count(*) FROM raw.tombstones`)[0][0]; fmt.Sprint(n) != "1" {
					t.Errorf("%v tombstones", n)
				}
				if n := w.query(`SELECT count(*) FROM meta.erased_keys`)[0][0]; fmt.Sprint(n) != fmt.Sprint(gone+1) {
					t.Errorf("%v erased keys, want %d", n, gone+1)
				}
			}
			check()
			rows := 0
			if err := s.eachKey(w.ctx(), func(row record.KeyRow) {
				if rows++; row.Session == session {
					t.Error("the lake holds a row of it")
				}
			}); err != nil || rows != 63-gone-3 {
				t.Errorf("the lake holds %d rows, %v", rows, err)
			}
			if err := s.Rebuild(w.ctx(), nil); err != nil {
				t.Fatal(err)
			}
			s.catchUp()
			check()
			w.documents(14) // two of them are the session's: it goes on
			s.catchUp()
			w.checkWarehouse()
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
			if epoch := w.drain().Status().Epoch; epoch != 1 {
				t.Errorf("epoch %d", epoch)
			}
		})
	}
}

// waitRunning waits until the sink follows the stream.
func (r *running) waitRunning() {
	r.w.t.Helper()
	r.w.wait("running", func() (bool, string) {
		status := r.Status()
		return status.State == StateRunning, status.State
	})
}

// What was deleted goes, with its versions; its tombstone, and whatever is alive, stays.
func TestEraseDeleted(t *testing.T) {
	w := newWorld(t)
	w.history()
	before := w.snapshot()
	s := w.start(nil)
	s.catchUp()
	done, err := s.Erase(w.ctx(), Subject{}, EraseOptions{})
	if err != nil || done.Record == nil || done.Lake.Rows == 0 || done.Rows != 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	alive := map[docKey]bool{}
	for key := range w.want {
		alive[docKey{testLane, key}] = true
	}
	if err := s.eachKey(w.ctx(), func(row record.KeyRow) {
		if hasDocument(row.Operation, row.Session, row.Project) && !alive[docKey{row.Source, row.ID}] {
			t.Errorf("the lake still has %s", row.ID)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Rebuild(w.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	s.catchUp()
	same(t, "rebuilt after the erasure", w.snapshot(), before)
	if err := s.FinishErasure(w.ctx(), *done.Record); err != nil {
		t.Fatal(err)
	}
}

// Retention takes whole dates, and a rebuild agrees.
func TestRetain(t *testing.T) {
	w := newWorld(t)
	w.history()
	s := w.start(nil)
	s.catchUp()
	const before = "2026-11-21"
	at, _ := time.Parse(time.DateOnly, before)
	plan, err := s.Retain(w.ctx(), at, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	old := w.query(`SELECT count(*) FROM raw.conversations WHERE date < '` + before + `'`)[0][0]
	done, err := s.Retain(w.ctx(), at, false, nil)
	if err != nil || fmt.Sprint(done.Rows) != fmt.Sprint(old) || done.Rows == 0 || plan.Rows != done.Rows || plan.Blocks != done.Blocks || plan.Lake.Rows < done.Rows {
		t.Fatalf("%v rows: %+v, planned %+v, %v", old, done, plan, err)
	}
	left := w.snapshot()
	if n := w.query(`SELECT count(*) FROM raw.conversations WHERE date < '` + before + `'`)[0][0]; fmt.Sprint(n) != "0" {
		t.Errorf("%v rows are left", n)
	}
	if err := s.Rebuild(w.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	s.catchUp()
	// A tombstone whose document had come back is seen again, now that this is gone: it hides nothing.
	noTombstones := func(row string) bool { return strings.HasPrefix(row, "raw.tombstones") }
	same(t, "rebuilt after retention", slices.DeleteFunc(w.snapshot(), noTombstones), slices.DeleteFunc(left, noTombstones))
}

// visible is what a reader finds: of each document the newest version, unless a delete or the namespace's end is newer.
func visible(rows []record.KeyRow, mirror bool) map[docKey]bronze.Order {
	found := map[docKey]bronze.Order{}
	for _, row := range rows {
		if hasDocument(row.Operation, row.Session, row.Project) && found[docKey{row.Source, row.ID}].Less(orderOf(row)) {
			found[docKey{row.Source, row.ID}] = orderOf(row)
		}
	}
	for _, row := range rows {
		if !mirror {
			break
		}
		switch row.Operation {
		case proto.Operation_OPERATION_DELETE:
			if key := (docKey{row.Source, row.ID}); found[key].Less(orderOf(row)) {
				delete(found, key)
			}
		case proto.Operation_OPERATION_SNAPSHOT_END:
			for key, at := range found {
				if !(bronze.Order{Epoch: row.Epoch, Seq: row.Below}).Less(at) {
					delete(found, key)
				}
			}
		}
	}
	return found
}

// Leaving out superseded rows of some files, again and again, changes nothing that a reader sees, not even if what the
// stream still holds comes once more.
func TestSupersededIsNotMissed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mirror := rapid.Bool().Draw(rt, "mirror")
		var lake []record.KeyRow
		epoch := uint64(1)
		operations := []proto.Operation{
			proto.Operation_OPERATION_INSERT, proto.Operation_OPERATION_INSERT, proto.Operation_OPERATION_UPDATE,
			proto.Operation_OPERATION_DELETE, proto.Operation_OPERATION_SNAPSHOT_END,
		}
		for seq := uint64(1); seq <= rapid.Uint64Range(1, 25).Draw(rt, "rows"); seq++ {
			row := record.KeyRow{
				ID: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "id"), Source: "s", Namespace: "n", Epoch: epoch, Seq: seq,
				Operation: rapid.SampledFrom(operations).Draw(rt, "operation"),
			}
			switch row.Operation {
			case proto.Operation_OPERATION_INSERT:
				row.Session = "x"
			case proto.Operation_OPERATION_SNAPSHOT_END:
				row.ID, row.Below = "", rapid.Uint64Range(0, seq-1).Draw(rt, "below")
			}
			lake = append(lake, row)
		}
		stream := slices.Clone(lake)
		want := visible(lake, mirror)
		floor := rapid.Uint64Range(0, 30).Draw(rt, "floor")
		for range rapid.IntRange(1, 4).Draw(rt, "runs") {
			again := newMarks(int64(len(lake)))
			for _, row := range lake {
				again.set(bronze.Key(row.Source, row.ID))
			}
			v := &versions{mirror: mirror, floor: bronze.Order{Epoch: epoch, Seq: floor}, newest: map[docKey]*newest{}, fences: map[namespaceOf]bronze.Order{}}
			for _, row := range lake {
				v.take(row, again, func(uint64) uint64 { return 0 })
			}
			file := rapid.Uint64Range(1, 4).Draw(rt, "file")
			lake = slices.DeleteFunc(lake, func(row record.KeyRow) bool { return row.Seq%file == 0 && v.superseded(row) })
			if got := visible(lake, mirror); !maps.Equal(got, want) {
				rt.Fatalf("visible %v, want %v", got, want)
			}
			replayed := slices.Clone(lake)
			for _, row := range stream {
				if row.Seq >= floor && row.Operation != proto.Operation_OPERATION_DELETE {
					replayed = append(replayed, row)
				}
			}
			if got := visible(replayed, mirror); !maps.Equal(got, want) {
				rt.Fatalf("after a replay visible %v, want %v", got, want)
			}
		}
	})
}
