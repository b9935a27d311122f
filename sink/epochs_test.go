package sink

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"claude-analytics/internal/stream"
)

// epochsOf are the epochs that bronze's rows are of.
func (w *world) epochsOf() string {
	var epochs []string
	for _, row := range w.query(`SELECT DISTINCT _epoch FROM raw.conversations ORDER BY 1`) {
		epochs = append(epochs, fmt.Sprint(row[0]))
	}
	return strings.Join(epochs, " ")
}

// recreateStream throws the stream away; its sources publish again what they still have.
func (w *world) recreateStream() {
	w.t.Helper()
	w.closeStream()
	w.remove("jetstream")
	w.openStream()
}

func (w *world) republish() {
	w.t.Helper()
	n := w.ids
	w.ids = 0
	w.documents(n)
}

func TestStreamRecreated(t *testing.T) {
	w := newWorld(t)
	w.documents(100)
	w.drain()
	w.recreateStream()
	w.republish()
	w.documents(20)
	r := w.drain()
	w.checkWarehouse()
	w.checkLake(w.published)
	if got := w.epochsOf(); got != "2" {
		t.Errorf("epochs %s", got)
	}
	if s := r.Status(); s.Epoch != 2 || !strings.Contains(s.EpochReason, "recreated") {
		t.Errorf("status %+v", s)
	}
	w.drain()
	if n := len(r.lake.Epochs()); n != 2 {
		t.Errorf("%d epochs", n)
	}
}

// The stream vanishes under a running sink.
func TestStreamRecreatedWhileRunning(t *testing.T) {
	w := newWorld(t)
	w.documents(60)
	w.drain()
	copied := w.copyStream()
	w.documents(60)
	r := w.start(nil)
	r.catchUp()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	// The tail is lost: the stream is what it was after 60 documents, then others follow.
	w.closeStream()
	w.remove("jetstream")
	w.restoreStream(copied)
	w.openStream()
	for id := range w.want {
		if id >= fmt.Sprintf("%x", []byte{0, 0, 60}) {
			delete(w.want, id)
		}
	}
	w.ids = 60
	w.documents(90)
	r = w.drain()
	w.checkWarehouse()
	if s := r.Status(); s.Epoch != 2 || s.Warehouse.Epoch != 2 || s.Lake.Epoch != 2 {
		t.Errorf("status %+v", s)
	}
	if got := w.epochsOf(); got != "2" {
		t.Errorf("epochs %s", got)
	}
}

func (w *world) copyStream() string {
	w.t.Helper()
	w.closeStream()
	copied := filepath.Join(w.t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(w.dir, "jetstream"))); err != nil {
		w.t.Fatal(err)
	}
	w.openStream()
	return copied
}

func (w *world) restoreStream(from string) {
	w.t.Helper()
	if err := os.CopyFS(filepath.Join(w.dir, "jetstream"), os.DirFS(from)); err != nil {
		w.t.Fatal(err)
	}
}

// snapshot is all of bronze, as text, in an order of its own. A tombstone below its key's row says nothing any more:
// whether it was written depends on how the delete and the row behind it were cut into batches.
func (w *world) snapshot() []string {
	w.t.Helper()
	var all []string
	for _, table := range []string{
		"raw.conversations", "raw.content_blocks", "meta.gaps",
		"raw.tombstones t ANTI JOIN raw.conversations c ON c.source = t.source AND c._id = t._id AND (c._epoch, c._seq) > (t._epoch, t._seq)",
	} {
		for _, row := range w.query(`SELECT * FROM ` + table) {
			all = append(all, table+fmt.Sprint(row...))
		}
	}
	slices.Sort(all)
	return all
}

func (w *world) history() {
	w.documents(150)
	w.publish(w.document(3, "changed"), w.delete(4), w.document(4, "back"), w.delete(5), w.document(3, "changed again"))
	w.documents(30)
	w.resnapshot(120)
	w.drain()
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	t.Errorf("%s: %d rows, want %d", what, len(got), len(want))
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("%s: first difference:\n%s\n%s", what, got[i], want[i])
			return
		}
	}
}

func TestWarehouseDeleted(t *testing.T) {
	w := newWorld(t)
	w.history()
	before := w.snapshot()
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	w.remove("analytics.duckdb*")
	w.openWarehouse()
	w.drain()
	same(t, "filled from the lake", w.snapshot(), before)
	w.checkWarehouse()
	w.documents(10)
	w.drain()
	w.checkWarehouse()
	w.checkLake(w.published)
}

func TestLakeDeleted(t *testing.T) {
	w := newWorld(t)
	w.history()
	before := w.snapshot()
	w.remove("raw")
	r := w.drain()
	same(t, "warehouse", w.snapshot(), before)
	w.checkLake(w.published)
	if s := r.Status(); s.Epoch != 1 || len(s.Gaps) != 0 {
		t.Errorf("status %+v", s)
	}
}

// DATA_DIR came back without its stream, as from a backup of the lake alone.
func TestOnlyTheLakeIsLeft(t *testing.T) {
	w := newWorld(t)
	w.history()
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	w.recreateStream()
	w.remove("analytics.duckdb*")
	w.openWarehouse()
	r := w.drain()
	w.checkWarehouse()
	if s := r.Status(); s.Epoch != 2 || s.Warehouse.Rows == 0 {
		t.Errorf("status %+v", s)
	}
	w.documents(40)
	w.drain()
	w.checkWarehouse()
	w.checkLake(w.published)
}

// Retention took what an old copy of the warehouse lacks: it comes from the lake. A lake that lacks it says so.
func TestRetention(t *testing.T) {
	w := newWorld(t)
	w.documents(60)
	w.drain()
	file := filepath.Join(w.dir, "analytics.duckdb")
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w.openWarehouse()
	w.documents(150)
	r := w.start(nil)
	r.catchUp()
	below := r.DurableBelow()
	if below <= w.seq {
		t.Errorf("durable below %d, last message %d", below, w.seq)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if n := r.DurableBelow(); n != 0 {
		t.Errorf("durable below %d without a look at the stream", n)
	}
	if n, err := w.conn.Sweep(w.ctx(), stream.SweepConfig{MaxBytes: 1, DurableBelow: below}); err != nil || n < 100 {
		t.Fatalf("swept %d, %v", n, err)
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	w.remove("analytics.duckdb*")
	if err := os.WriteFile(file, old, 0o600); err != nil {
		t.Fatal(err)
	}
	w.openWarehouse()
	r = w.drain()
	w.checkWarehouse()
	if s := r.Status(); s.Epoch != 1 || len(s.Gaps) != 0 {
		t.Errorf("status %+v", s)
	}

	w.remove("raw")
	w.documents(10)
	r = w.drain()
	w.checkWarehouse()
	gaps := r.Status().Gaps
	if len(gaps) != 1 || gaps[0].Destination != DestinationLake || gaps[0].From != 1 || gaps[0].To == 0 || r.Status().Epoch != 1 {
		t.Errorf("gaps %+v", gaps)
	}
}
