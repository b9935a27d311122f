package stream

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"claude-analytics/proto"
)

func TestMain(m *testing.M) {
	// A check of the property tests starts two servers; -rapid.checks on the command line comes later and wins.
	_, _ = flag.Set("rapid.checks", "3"), flag.Set("rapid.shrinktime", "10s")
	goleak.VerifyTestMain(m)
}

// testContext ends generously later than any test should take.
func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// logs is a logger whose lines are shown if the test fails.
func logs(t testing.TB) zerolog.Logger {
	t.Helper()
	out := &logBuffer{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("\n" + out.String())
		}
	})
	return zerolog.New(out).Level(zerolog.DebugLevel).With().Timestamp().Logger()
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

// open opens a Conn that is closed with the test.
func open(t testing.TB, cfg Config) *Conn {
	t.Helper()
	c := New(cfg, logs(t))
	if err := c.Open(testContext(t)); err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { closeConn(t, c) })
	return c
}

func closeConn(t testing.TB, c *Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// embeddedConn is a Conn with an embedded server in a directory of the test.
func embeddedConn(t testing.TB) *Conn {
	t.Helper()
	return open(t, Config{Dir: filepath.Join(t.TempDir(), "jetstream"), Port: -1})
}

func openLane(t testing.TB, c *Conn, cfg LaneConfig) *Lane {
	t.Helper()
	l, err := c.OpenLane(testContext(t), cfg)
	if err != nil {
		t.Fatalf("open lane: %v", err)
	}
	return l
}

func openConsumer(t testing.TB, c *Conn, cfg ConsumerConfig) *Consumer {
	t.Helper()
	k, err := c.OpenConsumer(testContext(t), cfg)
	if err != nil {
		t.Fatalf("open consumer: %v", err)
	}
	t.Cleanup(k.Close)
	return k
}

// changes are n messages of a lane, numbered from first, and a position that says how far they go.
func changes(lane string, first, n int) []Outgoing {
	out := make([]Outgoing, 0, n)
	for i := range n {
		key := strconv.Itoa(first + i)
		out = append(out, Outgoing{Subject: proto.DataSubject(lane, key, "project"), Data: []byte(key)})
	}
	return out
}

func position(lane, name, value string) Outgoing {
	return Outgoing{Subject: proto.PositionSubject(lane, name), Data: []byte(value), Rollup: true}
}

func publish(t testing.TB, l *Lane, messages []Outgoing) uint64 {
	t.Helper()
	seq, err := l.Publish(testContext(t), messages)
	if err != nil {
		t.Fatalf("publish: %v", err)
	}
	return seq
}

// stored reads all changes of a lane from the stream, in order.
func stored(t testing.TB, c *Conn, lane string) []string {
	t.Helper()
	ctx := testContext(t)
	var values []string
	for seq := uint64(1); ; {
		m, err := c.getMessage(ctx, proto.StreamName, messageRequest{Seq: seq, NextFor: proto.LaneSubjects(lane)})
		if err != nil {
			return values
		}
		if !proto.IsPosition(m.Subject) {
			values = append(values, string(m.Data))
		}
		seq = m.Seq + 1
	}
}

// expectNumbers fails unless values are 0 … n-1, each once, in order.
func expectNumbers(t testing.TB, values []string, n int) {
	t.Helper()
	if len(values) != n {
		t.Fatalf("%d changes, want %d", len(values), n)
	}
	for i, v := range values {
		if v != strconv.Itoa(i) {
			t.Fatalf("change %d is %s", i, v)
		}
	}
}

// eventually polls until ok or the test's patience ends.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: did not happen", what)
}

// process is a nats-server of its own, which can be killed.
type process struct {
	t    testing.TB
	bin  string
	dir  string
	port int
	cmd  *exec.Cmd
}

var natsServer = sync.OnceValues(func() (string, error) {
	if path, err := exec.LookPath("nats-server"); err == nil {
		return path, nil
	}
	if home, err := os.UserHomeDir(); err == nil {
		if path := filepath.Join(home, "go", "bin", "nats-server"); isFile(path) {
			return path, nil
		}
	}
	path := filepath.Join(os.TempDir(), "claude-analytics-nats-server")
	out, err := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build nats-server: %w\n%s", err, out)
	}
	return path, nil
})

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// startProcess starts a real nats-server that syncs always.
func startProcess(t testing.TB) *process {
	t.Helper()
	bin, err := natsServer()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, bin: bin, dir: t.TempDir(), port: port}
	config := fmt.Sprintf("listen: 127.0.0.1:%d\nmax_payload: 33554432\njetstream { store_dir: %q, sync_interval: always }\n", port, p.dir)
	if err := os.WriteFile(p.configFile(), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *process) configFile() string { return filepath.Join(p.dir, "nats.conf") }
func (p *process) url() string        { return "nats://127.0.0.1:" + strconv.Itoa(p.port) }

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.bin, "-c", p.configFile())
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("start nats-server: %v", err)
	}
}

// kill is SIGKILL; the process cannot finish anything.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	// It may have ended by itself; then there is nothing to kill.
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}
