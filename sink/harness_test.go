package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/document"
	"claude-analytics/internal/stream"
	"claude-analytics/internal/warehouse"
	"claude-analytics/proto"
	"claude-analytics/sink/lake"
	"claude-analytics/sink/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testLane  = "host"
	testSpace = "projects"
)

// world is a stream, a lake and a warehouse in folders of their own.
type world struct {
	t    testing.TB
	dir  string
	cfg  Config
	conn *stream.Conn
	db   *warehouse.DB
	log  *logBuffer
	seq  uint64
	// want is what bronze must hold: by key, the text of its newest version.
	want map[string]string
	// published is the number of changes; ids are the next documents'.
	published int
	ids       int
	// rules makes what converts; nil: the sink's own.
	rules func() converter
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, dir: t.TempDir(), want: map[string]string{}, log: &logBuffer{}}
	w.cfg = Config{
		Dir: filepath.Join(w.dir, "raw"), BatchSize: 50, BatchLinger: 5 * time.Millisecond, LakeRows: 80,
		LakeLinger: time.Hour, StopTimeout: 10 * time.Second,
	}
	w.openStream()
	w.openWarehouse()
	t.Cleanup(func() {
		w.closeAll()
		if t.Failed() {
			t.Log("\n" + w.log.String())
		}
	})
	return w
}

func (w *world) logger() zerolog.Logger {
	return zerolog.New(w.log).Level(zerolog.DebugLevel).With().Timestamp().Logger()
}

func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	w.t.Cleanup(cancel)
	return ctx
}

func (w *world) openStream() {
	w.t.Helper()
	w.conn = stream.New(stream.Config{Dir: filepath.Join(w.dir, "jetstream"), Port: -1}, w.logger().Level(zerolog.WarnLevel))
	if err := w.conn.Open(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) closeStream() {
	if err := w.conn.Close(w.ctx()); err != nil {
		w.t.Error(err)
	}
}

func (w *world) openWarehouse() {
	w.t.Helper()
	w.db = warehouse.New(warehouse.Config{Path: filepath.Join(w.dir, "analytics.duckdb"), Threads: 2}, w.logger().Level(zerolog.WarnLevel))
	if err := w.db.Open(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) closeAll() {
	w.closeStream()
	if err := w.db.Close(); err != nil {
		w.t.Error(err)
	}
}

// remove deletes folders or files of the world; stream and warehouse must be closed if it concerns them.
func (w *world) remove(names ...string) {
	w.t.Helper()
	for _, name := range names {
		matches, err := filepath.Glob(filepath.Join(w.dir, name))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, m := range matches {
			if err := os.RemoveAll(m); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// publish sends messages through the lane, as ingest does.
func (w *world) publish(messages ...stream.Outgoing) {
	w.t.Helper()
	lane, err := w.conn.OpenLane(w.ctx(), stream.LaneConfig{Lane: testLane, Writer: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	size := 37
	if len(messages) > 5000 {
		size = stream.MaxBatch
	}
	for chunk := range slices.Chunk(messages, size) {
		if w.seq, err = lane.Publish(w.ctx(), chunk); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := lane.Release(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
}

var day = time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)

// documents publishes that many new documents over several sessions and dates, with a position now and then.
func (w *world) documents(n int) {
	w.t.Helper()
	var out []stream.Outgoing
	for range n {
		out = append(out, w.document(w.ids, fmt.Sprintf("text %d", w.ids)))
		w.ids++
		if w.ids%36 == 0 {
			out = append(out, position(w.ids%3))
		}
	}
	w.publish(out...)
}

func position(file int) stream.Outgoing {
	return stream.Outgoing{Subject: proto.PositionSubject(testLane, fmt.Sprintf("file%d", file)), Data: []byte("p"), Rollup: true}
}

// document is an insert, or a new version, of document i.
func (w *world) document(i int, text string) stream.Outgoing {
	w.t.Helper()
	session := fmt.Sprintf("session-%d", i%7)
	object := fmt.Sprintf(`{"type":"user","uuid":"u%d","sessionId":%q,"timestamp":%q,"message":{"role":"user","content":[{"type":"text","text":%q},{"type":"tool_result","tool_use_id":"t%d","content":"ok"}]}}`,
		i, session, day.Add(time.Duration(i)*7*time.Minute).Format(time.RFC3339Nano), text, i)
	id := [12]byte{byte(i >> 16), byte(i >> 8), byte(i)}
	doc, err := document.FromJSON(nil, []byte(object), document.Extra{ID: id, ProjectID: "-p", SourceFile: "/h/projects/-p/" + session + ".jsonl"})
	if err != nil {
		w.t.Fatal(err)
	}
	key := fmt.Sprintf("%x", id)
	w.want[key] = text
	w.published++
	return w.change(&proto.Change{Operation: proto.Operation_OPERATION_INSERT, Id: key, Document: doc, SourceOffset: int64(i)}, session)
}

func (w *world) delete(i int) stream.Outgoing {
	key := fmt.Sprintf("%x", [12]byte{byte(i >> 16), byte(i >> 8), byte(i)})
	delete(w.want, key)
	w.published++
	return w.change(&proto.Change{Operation: proto.Operation_OPERATION_DELETE, Id: key, SourceOffset: -1}, "")
}

func (w *world) change(c *proto.Change, session string) stream.Outgoing {
	w.t.Helper()
	c.Version, c.Source, c.Namespace = proto.Version, testLane, testSpace
	c.ExtractedAtMicros = day.Add(time.Duration(w.published) * time.Second).UnixMicro()
	data, err := protobuf.Marshal(c)
	if err != nil {
		w.t.Fatal(err)
	}
	subject := proto.EventSubject(testLane)
	if session != "" {
		subject = proto.DataSubject(testLane, session, "-p")
	}
	return stream.Outgoing{Subject: subject, Data: data}
}

// running is a sink that runs.
type running struct {
	*Sink
	w    *world
	reg  *prometheus.Registry
	stop func() error
	done chan struct{}
	err  error
}

// start runs a sink; between may be nil.
func (w *world) start(between func(string) error) *running {
	w.t.Helper()
	reg := prometheus.NewRegistry()
	s := New(w.cfg, w.conn, w.db, w.logger(), reg)
	if between != nil {
		s.between = between
	}
	if w.rules != nil {
		s.newConverter = w.rules
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Sink: s, w: w, reg: reg, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = s.Run(ctx)
	}()
	var once sync.Once
	r.stop = func() error {
		once.Do(cancel)
		<-r.done
		return r.err
	}
	w.t.Cleanup(func() { _ = r.stop() })
	return r
}

// catchUp waits until all is durable in both destinations, lake flushed.
func (r *running) catchUp() {
	r.w.t.Helper()
	if err := r.Drain(r.w.ctx()); err != nil {
		r.w.t.Fatalf("drain: %v; %+v", err, r.Status())
	}
	if ok, err := r.CaughtUp(r.w.ctx()); !ok || err != nil {
		r.w.t.Fatalf("caught up: %v, %v", ok, err)
	}
}

// drain runs a sink until all is durable, and stops it.
func (w *world) drain() *running {
	w.t.Helper()
	r := w.start(nil)
	r.catchUp()
	if err := r.stop(); err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) wait(what string, ok func() (bool, string)) {
	w.t.Helper()
	deadline := time.Now().Add(45 * time.Second)
	for {
		done, state := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("not %s: %s", what, state)
		}
		time.Sleep(15 * time.Millisecond)
	}
}

func (w *world) query(sql string) [][]any {
	w.t.Helper()
	result, err := w.db.Query(w.ctx(), sql, warehouse.Limits{})
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return result.Rows
}

// checkWarehouse compares bronze with what was published.
func (w *world) checkWarehouse() {
	w.t.Helper()
	got := map[string]string{}
	for _, row := range w.query(`SELECT _id, message_content FROM raw.conversations`) {
		if _, twice := got[row[0].(string)]; twice {
			w.t.Errorf("%s is there twice", row[0])
		}
		got[row[0].(string)] = row[1].(string)
	}
	if len(got) != len(w.want) {
		w.t.Errorf("the warehouse holds %d documents, want %d", len(got), len(w.want))
	}
	for id, text := range w.want {
		if !strings.HasPrefix(got[id], text) {
			w.t.Errorf("%s is %q, want %q", id, got[id], text)
			return
		}
	}
	if n := w.query(`SELECT count(*) FROM raw.content_blocks b ANTI JOIN raw.conversations c USING (source, _id)`)[0][0]; fmt.Sprint(n) != "0" {
		w.t.Errorf("%v blocks have no document", n)
	}
	if n := w.query(`SELECT count(*) FROM raw.content_blocks`)[0][0]; fmt.Sprint(n) != fmt.Sprint(2*len(w.want)) {
		w.t.Errorf("%v blocks, want %d", n, 2*len(w.want))
	}
}

// landed is the order of every change in the lake, in the lake's order.
func (w *world) landed() []string {
	w.t.Helper()
	l := lake.New(lake.Config{Dir: w.cfg.Dir}, zerolog.Nop())
	if err := l.Open(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
	if faults := l.Faults(); len(faults) > 0 {
		w.t.Errorf("faults: %v", faults)
	}
	var orders []string
	_, err := l.Scan(w.ctx(), lake.ScanOptions{}, func(c lake.Chunk) error {
		rows, err := record.OpenLake(c.Rows)
		if err != nil {
			return err
		}
		for i := range rows.Rows() {
			epoch, seq := rows.Order(i)
			orders = append(orders, fmt.Sprintf("%d-%d", epoch, seq))
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.left(".tmp") > 0 {
		w.t.Errorf("temporary files are left")
	}
	return orders
}

func (w *world) left(suffix string) (n int) {
	err := filepath.WalkDir(w.cfg.Dir, func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, suffix) {
			n++
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.t.Fatal(err)
	}
	return n
}

// checkLake asserts that so many changes landed, none twice.
func (w *world) checkLake(want int) {
	w.t.Helper()
	orders := w.landed()
	if len(orders) != want {
		w.t.Errorf("the lake holds %d changes, want %d", len(orders), want)
	}
	slices.Sort(orders)
	if n := len(slices.Compact(orders)); n != len(orders) {
		w.t.Errorf("%d changes landed twice", len(orders)-n)
	}
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
