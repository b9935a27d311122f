package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.mongodb.org/mongo-driver/v2/bson"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/mongotest"
	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

func TestMain(m *testing.M) { mongotest.Main(m) }

// testContext ends generously later than any test should take.
func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
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

// logs is a logger whose lines are shown if the test fails.
func logs(t testing.TB) (zerolog.Logger, *logBuffer) {
	t.Helper()
	out := &logBuffer{}
	t.Cleanup(func() {
		if t.Failed() {
			text := out.String()
			t.Log("\n" + text[max(0, len(text)-8000):])
		}
	})
	return zerolog.New(out).Level(zerolog.DebugLevel).With().Timestamp().Logger(), out
}

// openStream starts an embedded server that is stopped with the test.
func openStream(t testing.TB) *stream.Conn {
	t.Helper()
	log, _ := logs(t)
	conn := stream.New(stream.Config{Dir: t.TempDir(), Port: -1}, log)
	if err := conn.Open(testContext(t)); err != nil {
		t.Fatalf("open stream: %v", err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Errorf("close stream: %v", err)
		}
	})
	return conn
}

// running is an ingest in its goroutine.
type running struct {
	*Ingest
	t      testing.TB
	logs   *logBuffer
	cancel context.CancelFunc
	ended  chan struct{}
	err    error
}

// start runs an ingest until the test ends or stop is called.
func start(t testing.TB, conn *stream.Conn, cfg Config) *running {
	t.Helper()
	if cfg.Lane == "" {
		cfg.Lane = "laptop"
	}
	if cfg.Rescan == 0 {
		cfg.Rescan = time.Second
	}
	log, out := logs(t)
	ctx, cancel := context.WithCancel(testContext(t))
	r := &running{Ingest: New(cfg, conn, log, nil), t: t, logs: out, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.err = r.Run(ctx)
	}()
	t.Cleanup(func() { r.stop() })
	return r
}

// stop ends an ingest as a signal would, and waits for it.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	<-r.ended
	var taken *stream.TakenError
	if r.err != nil && !errors.As(r.err, &taken) {
		r.t.Errorf("run: %v", r.err)
	}
}

// once runs a single pass and waits for its end.
func once(t testing.TB, conn *stream.Conn, cfg Config) Status {
	t.Helper()
	cfg.Once = true
	r := start(t, conn, cfg)
	<-r.ended
	r.stop()
	status := r.Status()
	if status.State != StateDone || !status.CaughtUp {
		t.Errorf("after a single pass: state %q, caught up %v", status.State, status.CaughtUp)
	}
	return status
}

// eventually waits for something to become true.
func eventually(t testing.TB, what string, true func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !true(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// contents is what a stream holds.
type contents struct {
	t       testing.TB
	conn    *stream.Conn
	read    uint64
	changes []*proto.Change
	// positions are the newest by subject; behind is the offset of the last change of each file.
	positions map[string]*proto.FilePosition
}

func watchStream(t testing.TB, conn *stream.Conn) *contents {
	return &contents{t: t, conn: conn, positions: map[string]*proto.FilePosition{}}
}

// update reads what is new.
func (c *contents) update() {
	c.t.Helper()
	ctx := testContext(c.t)
	state, err := c.conn.State(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	for ; c.read < state.LastSeq; c.read++ {
		m, err := c.conn.MessageAt(ctx, c.read+1)
		if errors.Is(err, stream.ErrNoMessage) {
			continue // a position that was replaced
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if proto.IsPosition(m.Subject) {
			var p proto.Position
			if strings.HasSuffix(m.Subject, ".writer") {
				continue
			}
			if err := protobuf.Unmarshal(m.Data, &p); err != nil {
				c.t.Fatal(err)
			}
			c.positions[m.Subject] = p.GetFile()
			continue
		}
		change := &proto.Change{}
		if err := protobuf.Unmarshal(m.Data, change); err != nil {
			c.t.Fatal(err)
		}
		c.changes = append(c.changes, change)
	}
}

// field reads one field of a change's document as text.
func field(change *proto.Change, name string) string {
	value := bson.Raw(change.GetDocument()).Lookup(name)
	if text, ok := value.StringValueOK(); ok {
		return text
	}
	return value.String()
}

// ns are the values of the field "n", in the stream's order.
func (c *contents) ns() []string {
	c.t.Helper()
	c.update()
	out := make([]string, len(c.changes))
	for i, change := range c.changes {
		out[i] = field(change, "n")
	}
	return out
}

// expect waits until the stream holds exactly these ns, in any order across files, and none twice.
func (c *contents) expect(want ...string) {
	c.t.Helper()
	var got []string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got = c.ns(); len(got) >= len(want) {
			break
		}
	}
	got = append([]string(nil), got...)
	sort.Strings(got)
	sort.Strings(want)
	if strings.Join(got, " ") != strings.Join(want, " ") {
		c.t.Fatalf("the stream holds\n%v, want\n%v", got, want)
	}
	c.unique()
}

// unique fails if a key is in the stream twice.
func (c *contents) unique() {
	c.t.Helper()
	seen := map[string]bool{}
	for _, change := range c.changes {
		key := change.GetSource() + " " + change.GetId()
		if seen[key] {
			c.t.Fatalf("key %s is in the stream twice", key)
		}
		seen[key] = true
	}
}

// letters reads the dead letters as "reason payload".
func letters(t testing.TB, conn *stream.Conn) []string {
	t.Helper()
	all, err := conn.DeadLetters(testContext(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, letter := range all {
		out = append(out, letter.Reason+" "+string(letter.Payload))
	}
	sort.Strings(out)
	return out
}

// line is a record with a number, as a transcript's line.
func line(n int) string {
	return fmt.Sprintf(`{"type":"user","sessionId":"s","n":"%d"}`+"\n", n)
}

func lines(from, to int) string {
	var b strings.Builder
	for n := from; n <= to; n++ {
		b.WriteString(line(n))
	}
	return b.String()
}

func numbers(from, to int) (out []string) {
	for n := from; n <= to; n++ {
		out = append(out, fmt.Sprint(n))
	}
	return out
}

// tree is a folder of transcripts.
type tree struct {
	t   testing.TB
	dir string
}

func newTree(t testing.TB) tree { return tree{t, filepath.Join(t.TempDir(), "projects")} }

func (d tree) folders() []Folder { return []Folder{{Path: d.dir}} }

func (d tree) path(name string) string { return filepath.Join(d.dir, name) }

func (d tree) write(name, text string) {
	d.t.Helper()
	d.open(name, text, os.O_TRUNC)
}

func (d tree) append(name, text string) {
	d.t.Helper()
	d.open(name, text, os.O_APPEND)
}

func (d tree) open(name, text string, flag int) {
	d.t.Helper()
	if err := os.MkdirAll(filepath.Dir(d.path(name)), 0o750); err != nil {
		d.t.Fatal(err)
	}
	f, err := os.OpenFile(d.path(name), os.O_CREATE|os.O_WRONLY|flag, 0o640)
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		d.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		d.t.Fatal(err)
	}
}

func (d tree) rename(from, to string) {
	d.t.Helper()
	if err := os.MkdirAll(filepath.Dir(d.path(to)), 0o750); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(d.path(from), d.path(to)); err != nil {
		d.t.Fatal(err)
	}
}
