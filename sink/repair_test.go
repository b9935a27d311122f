package sink

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"claude-analytics/internal/stream"
)

// inLake are the lake's files or entries that match a pattern, in the order of their batches.
func (w *world) inLake(pattern string) []string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.cfg.Dir, pattern))
	if err != nil || len(files) < 3 {
		w.t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	slices.SortFunc(files, func(a, b string) int {
		if filepath.Base(a) != filepath.Base(b) {
			return slices.Compare([]byte(filepath.Base(a)), []byte(filepath.Base(b)))
		}
		return slices.Compare([]byte(a), []byte(b))
	})
	return files
}

func (w *world) repair(accept bool) LakeRepair {
	w.t.Helper()
	s := New(w.cfg, w.conn, w.db, w.logger(), prometheus.NewRegistry())
	done, err := s.RepairLake(w.ctx(), accept, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return done
}

// batches makes a lake of three batches, with a delete in it.
func (w *world) batches() {
	w.t.Helper()
	for range 3 {
		w.documents(80)
		w.drain()
	}
}

func TestRepairFromTheStream(t *testing.T) {
	w := newWorld(t)
	w.batches()
	before := w.landed()
	files, entries := w.inLake("date=*/*.parquet"), w.inLake("_manifest/*-*.json")
	// A file gone, one cut short, an entry gone, a batch gone with all that was of it.
	batch := filepath.Base(entries[0])
	for _, name := range append(w.of(files, batch), entries[0], entries[1], files[len(files)-1]) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(files[len(files)-2], 500); err != nil {
		t.Fatal(err)
	}
	done := w.repair(false)
	if done.Entries != 1 || len(done.Lost) != 0 || done.FromStream == 0 {
		t.Errorf("repaired: %+v", done)
	}
	after := w.landed()
	slices.Sort(before)
	slices.Sort(after)
	if !slices.Equal(before, after) {
		t.Errorf("the lake holds %d changes, before %d", len(after), len(before))
	}
	if again := w.repair(false); again.Files != 0 || again.Entries != 0 {
		t.Errorf("repaired again: %+v", again)
	}
	w.documents(20)
	w.drain()
	w.checkLake(w.published)
	w.checkWarehouse()
}

// of are the files of one batch.
func (w *world) of(files []string, entry string) (list []string) {
	for _, f := range files {
		if filepath.Base(f) == entry[:len(entry)-len(".json")]+".parquet" {
			list = append(list, f)
		}
	}
	return list
}

// TestRepairWithoutTheStream: retention has been where the file was; the warehouse's documents fill in, or the loss is
// named, and recorded once it is accepted.
func TestRepairWithoutTheStream(t *testing.T) {
	for _, stored := range []bool{true, false} {
		t.Run(fmt.Sprintf("STORE_RAW=%v", stored), func(t *testing.T) {
			w := newWorld(t)
			w.cfg.StoreRaw = stored
			w.batches()
			if n, err := w.conn.Sweep(w.ctx(), stream.SweepConfig{MaxBytes: 1, DurableBelow: w.seq}); err != nil || n < 100 {
				t.Fatalf("swept %d, %v", n, err)
			}
			file := w.inLake("date=*/*.parquet")[0]
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			done := w.repair(false)
			if stored {
				if len(done.Lost) != 0 || done.FromWarehouse == 0 {
					t.Errorf("repaired: %+v", done)
				}
				w.checkLake(w.published)
				return
			}
			if len(done.Lost) != 1 || done.Lost[0].Rows == 0 || done.Files != 0 {
				t.Errorf("repaired: %+v", done)
			}
			lost := done.Lost[0].Rows
			if done = w.repair(true); !done.Accepted {
				t.Errorf("accepted: %+v", done)
			}
			if n := w.query(`SELECT count(*) FROM meta.gaps WHERE kind = 'stream' AND destination = 'lake'`)[0][0]; fmt.Sprint(n) != "1" {
				t.Errorf("%v gaps are recorded", n)
			}
			w.checkLake(w.published - int(lost))
		})
	}
}

func TestRepairBesideARunningSink(t *testing.T) {
	w := newWorld(t)
	r := w.start(nil)
	r.catchUp()
	if _, err := r.RepairLake(w.ctx(), false, nil); err == nil {
		t.Error("a running sink's lake was repaired")
	}
}
