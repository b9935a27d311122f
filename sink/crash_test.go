package sink

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"claude-analytics/sink/lake"
	"claude-analytics/sink/lake/faultfs"
)

// stopAt is a between that stops everything from the n-th time on that a step is reached, as a crash would.
func stopAt(step string, n int64) func(string) error {
	var reached atomic.Int64
	var dead atomic.Bool
	return func(name string) error {
		if name == step && reached.Add(1) >= n {
			dead.Store(true)
		}
		if dead.Load() {
			return errStopped
		}
		return nil
	}
}

// The process dies between two durable steps, again and again; what follows must be as if it had not.
func TestCrashBetweenSteps(t *testing.T) {
	w := newWorld(t)
	w.documents(50)
	for n := int64(1); n <= 2; n++ {
		for _, step := range []string{
			"record epoch",
			"warehouse: apply", "warehouse: applied", "warehouse: acknowledge",
			"lake: land", "lake: landed", "lake: acknowledge",
		} {
			if step == "record epoch" && n > 1 {
				continue
			}
			w.documents(150)
			w.publish(w.document(w.ids-3, "changed "+step), w.delete(w.ids-4), w.document(w.ids-5, "changed too"))
			w.documents(150)
			r := w.start(stopAt(step, n))
			<-r.done
			if !errors.Is(r.err, errStopped) {
				t.Fatalf("%s, time %d: the sink ended with %v", step, n, r.err)
			}
			w.publish(w.document(w.ids-200, "changed after "+step))
			w.drain()
			w.checkWarehouse()
			w.checkLake(w.published)
			if t.Failed() {
				t.Fatalf("after %s, time %d", step, n)
			}
		}
	}
}

// The lake's disk dies at its k-th operation, for good; the next process finds it healed.
func TestLakeDiskDies(t *testing.T) {
	w := newWorld(t)
	w.cfg.LakeRows = 20
	for k := 1; k <= 36; k += 5 {
		disk := faultfs.New(lake.OS{}, w.dir)
		disk.Fail(k, -1, syscall.EIO)
		w.cfg.LakeFS = disk
		w.documents(200)
		r := w.start(nil)
		w.wait("stuck, and saying so", func() (bool, string) {
			s := r.Status()
			return s.Error != "" || s.Lake.Error != "", fmt.Sprintf("%+v", s)
		})
		if err := r.stop(); !errors.Is(err, syscall.EIO) && r.Status().Lake.Rows > 0 {
			t.Errorf("stopped with %v", err)
		}
		w.cfg.LakeFS = nil
		w.drain()
		w.checkWarehouse()
		w.checkLake(w.published)
		if t.Failed() {
			t.Fatalf("after operation %d", k)
		}
	}
}

// A disk that is full for a while stops the lake, not the warehouse, and nothing is lost.
func TestFullDiskIsWaitedOut(t *testing.T) {
	w := newWorld(t)
	disk := faultfs.New(lake.OS{}, w.dir)
	w.cfg.LakeFS = disk
	r := w.start(nil)
	w.documents(20)
	r.catchUp()
	disk.Fail(1, -1, syscall.ENOSPC)
	w.documents(200)
	w.wait("full", func() (bool, string) {
		s := r.Status()
		return s.Lake.Error != "" && s.Lake.Attempts > 1 && s.Warehouse.Seen >= w.seq && s.Warehouse.Error == "", fmt.Sprintf("%+v", s)
	})
	disk.Heal()
	r.catchUp()
	if s := r.Status(); s.Lake.Error != "" {
		t.Errorf("still said to be wrong: %s", s.Lake.Error)
	}
	w.checkWarehouse()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	w.checkLake(w.published)
}

// Somebody removes the lake under a running sink: it lands anew what the stream holds.
func TestLakeRemovedWhileRunning(t *testing.T) {
	w := newWorld(t)
	r := w.start(nil)
	w.documents(100)
	r.catchUp()
	w.remove("raw")
	w.documents(100)
	r.catchUp()
	w.checkWarehouse()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	w.checkLake(w.published)
}

// What SIGKILL cannot show: nothing is acknowledged before it is durable.
func TestAcknowledgeComesLast(t *testing.T) {
	w := newWorld(t)
	disk := faultfs.New(lake.OS{}, w.cfg.Dir)
	w.cfg.LakeFS = disk
	w.cfg.LakeRows = 1000
	w.documents(30)
	var warehouse []string
	r := w.start(func(step string) error {
		switch step {
		case "lake: landed", "lake: acknowledge":
			disk.Note(step)
		case "warehouse: applied", "warehouse: acknowledge":
			rows := w.query(`SELECT coalesce(max(seen), 0) FROM meta.watermarks`)
			warehouse = append(warehouse, fmt.Sprintf("%s %v", step, rows[0][0]))
		}
		return nil
	})
	r.catchUp()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	trace := disk.Take()
	if n := len(trace); n < 5 || trace[n-2] != "lake: landed" || trace[n-1] != "lake: acknowledge" || trace[n-3] != "syncdir _manifest" {
		t.Errorf("trace %q", trace)
	}
	for i, line := range warehouse[:len(warehouse)-1] {
		if line == "warehouse: applied 0" {
			t.Errorf("step %d: %s", i, line)
		}
	}
}

// Ending the context finishes what is in hand: a second run finds nothing to do.
func TestShutdown(t *testing.T) {
	w := newWorld(t)
	w.cfg.LakeRows = 1_000_000
	r := w.start(nil)
	w.documents(120)
	w.wait("applied", func() (bool, string) {
		s := r.Status()
		return s.Warehouse.Seen >= w.seq && s.Lake.Lag >= 0 && r.landed.inHand() >= 120, fmt.Sprintf("%+v", s)
	})
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	w.checkWarehouse()
	w.checkLake(120)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ended); err != nil || r.Status().State != StateStopped {
		t.Errorf("run again: %v", err)
	}
}

func TestSecondRunIsRefused(t *testing.T) {
	w := newWorld(t)
	r := w.start(nil)
	w.wait("running", func() (bool, string) { return r.Status().State == StateRunning, "" })
	if err := r.Run(t.Context()); !errors.Is(err, ErrRunning) {
		t.Errorf("a second Run: %v", err)
	}
}
