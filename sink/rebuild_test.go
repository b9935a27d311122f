package sink

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"claude-analytics/internal/warehouse"
	"claude-analytics/sink/lake"
)

func TestRebuildOffline(t *testing.T) {
	w := newWorld(t)
	w.history()
	before := w.snapshot()
	if !slices.ContainsFunc(before, func(row string) bool { return strings.HasPrefix(row, "meta.gapssource") }) {
		t.Errorf("the history has no gap")
	}
	s := New(w.cfg, w.conn, w.db, w.logger(), prometheus.NewRegistry())
	var last RebuildProgress
	if err := s.Rebuild(w.ctx(), func(p RebuildProgress) { last = p }); err != nil {
		t.Fatal(err)
	}
	if last.Rows != int64(w.published) || last.Total != last.Rows {
		t.Errorf("progress %+v", last)
	}
	same(t, "rebuilt", w.snapshot(), before)
	w.documents(10)
	w.drain()
	w.checkWarehouse()
	w.checkLake(w.published)
}

func TestRebuildWhileRunning(t *testing.T) {
	w := newWorld(t)
	w.history()
	r := w.start(nil)
	w.documents(50)
	r.catchUp()
	before := w.snapshot()
	if err := r.Rebuild(w.ctx(), nil); err != nil {
		t.Fatal(err)
	}
	r.catchUp()
	same(t, "rebuilt", w.snapshot(), before)
	w.documents(20)
	r.catchUp()
	w.checkWarehouse()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	w.checkLake(w.published)
}

// A rebuild that dies half way is finished by the next start.
func TestRebuildInterrupted(t *testing.T) {
	for step, partial := range map[string]bool{"rebuild: truncate": false, "rebuild: apply": true, "rebuild: finish": true} {
		w := newWorld(t)
		w.history()
		before := w.snapshot()
		s := New(w.cfg, w.conn, w.db, w.logger(), nil)
		s.between = stopAt(step, 1)
		if err := s.Rebuild(w.ctx(), nil); !errors.Is(err, errStopped) {
			t.Fatal(err)
		}
		w.checkPartial(partial)
		r := w.drain()
		select {
		case <-r.Filled():
		default:
			t.Error("not filled")
		}
		w.checkPartial(false)
		same(t, "rebuilt after "+step, w.snapshot(), before)
	}
}

// A warehouse that is filled from the lake without having been asked to goes on where it was stopped, too, and nobody is
// told that it is whole before it is.
func TestFillInterrupted(t *testing.T) {
	w := newWorld(t)
	w.history()
	before := w.snapshot()
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	w.remove("analytics.duckdb*")
	w.openWarehouse()
	r := w.start(stopAt("rebuild: finish", 1))
	if err := w.ended(r); !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	w.checkPartial(true)
	select {
	case <-r.Filled():
		t.Error("filled, it says")
	default:
	}
	w.drain()
	w.checkPartial(false)
	same(t, "filled", w.snapshot(), before)
}

func (w *world) ended(r *running) error {
	select {
	case <-r.done:
	case <-w.ctx().Done():
		w.t.Fatal("the sink goes on")
	}
	return r.err
}

func (w *world) checkPartial(want bool) {
	w.t.Helper()
	got, err := New(w.cfg, w.conn, w.db, w.logger(), nil).Bronze().Rebuilding(w.ctx())
	if err != nil || got != want {
		w.t.Errorf("rebuild under way: %v, %v", got, err)
	}
}

func TestRebuildNamesCorruptFiles(t *testing.T) {
	w := newWorld(t)
	w.history()
	files, err := filepath.Glob(filepath.Join(w.cfg.Dir, "date=*", "*.parquet"))
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	if err := os.WriteFile(files[1], []byte("PAR1 this is not Parquet PAR1"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := New(w.cfg, w.conn, w.db, w.logger(), nil)
	err = s.Rebuild(w.ctx(), nil)
	var fault lake.Fault
	if !errors.As(err, &fault) || !strings.HasSuffix(files[1], fault.Path) || fault.Remedy == "" {
		t.Fatalf("rebuild: %v", err)
	}
	if n := len(w.query(`SELECT _id FROM raw.conversations`)); n < 50 {
		t.Errorf("%d rows of %d", n, len(w.want))
	}
	if status := s.Status(); len(status.Faults) == 0 {
		t.Errorf("status %+v", status)
	}
}

func TestRebuildWithoutLake(t *testing.T) {
	w := newWorld(t)
	s := New(w.cfg, w.conn, w.db, w.logger(), nil)
	if err := s.Rebuild(w.ctx(), nil); !errors.Is(err, ErrNothingToRebuildFrom) {
		t.Error(err)
	}
}

func TestLoadFiles(t *testing.T) {
	w := newWorld(t)
	w.history()
	before := w.snapshot()
	if err := w.db.Write(w.ctx(), "damage", damage); err != nil {
		t.Fatal(err)
	}
	s := New(w.cfg, w.conn, w.db, w.logger(), nil)
	rows, err := s.LoadFiles(w.ctx(), filepath.Join(w.cfg.Dir, "date=*", "*.parquet"), nil)
	if err != nil || rows != int64(w.published) {
		t.Fatalf("%d rows, %v", rows, err)
	}
	same(t, "loaded", w.snapshot(), before)
	if _, err := s.LoadFiles(context.Background(), filepath.Join(w.cfg.Dir, "nothing*"), nil); err == nil {
		t.Error("no file is no error")
	}
	w.documents(5)
	w.drain()
	w.checkWarehouse()
}

// damage takes rows away behind the sink's back.
func damage(ctx context.Context, tx *warehouse.Tx) error {
	_, err := tx.Exec(ctx, `DELETE FROM raw.content_blocks WHERE _id < '000050'; DELETE FROM raw.conversations WHERE _id < '000050'`)
	return err
}
