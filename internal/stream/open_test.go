package stream

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"claude-analytics/proto"
)

func TestCheckVersion(t *testing.T) {
	for _, test := range []struct {
		version string
		ok      bool
	}{
		{"2.15.2", true},
		{"v2.15.2", true},
		{"2.15.3", true},
		{"2.16.0", true},
		{"3.0.0", true},
		{"2.15.10", true},
		{"2.16.0-beta.1", true},
		{"2.15.2+build.5", true},
		{"2.15.1", false},
		{"2.14.9", false},
		{"1.99.99", false},
		{"2.15.2-RC.1", false},
		{"", false},
		{"latest", false},
		{"2.15", false},
		{"2.15.-2", false},
		{"2.15.2.1", false},
	} {
		err := checkVersion(test.version)
		if (err == nil) != test.ok {
			t.Errorf("%q: %v", test.version, err)
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, ErrServerTooOld) {
			t.Errorf("%q: %v is not ErrServerTooOld", test.version, err)
		}
		for _, part := range []string{test.version, MinServerVersion, "upgrade"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q: %v does not name %q", test.version, err, part)
			}
		}
	}
	if err := checkVersion(server.VERSION); err != nil {
		t.Errorf("the embedded server's own version: %v", err)
	}
}

func TestReopenEmbedded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "jetstream")
	first := New(Config{Dir: dir, Port: -1}, logs(t))
	if err := first.Close(testContext(t)); err != nil {
		t.Fatalf("close before open: %v", err)
	}
	if err := first.Open(testContext(t)); err != nil {
		t.Fatal(err)
	}
	lane := openLane(t, first, LaneConfig{Lane: "a", Writer: "w"})
	last := publish(t, lane, append(changes("a", 0, 10), position("a", "file", "10")))
	before, err := first.State(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	closeConn(t, first)
	closeConn(t, first) // idempotent
	if _, err := first.State(testContext(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("state after close: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) == 0 {
		t.Errorf("store does not stand in the directory itself: %v, %v", entries, err)
	}

	second := open(t, Config{Dir: dir, Port: -1})
	after, err := second.State(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if !after.Identity.Created.Equal(before.Identity.Created) || after.LastSeq != last || after.Msgs != before.Msgs {
		t.Errorf("reopened as %+v, was %+v", after, before)
	}
	lane = openLane(t, second, LaneConfig{Lane: "a", Writer: "w"})
	positions, err := lane.Positions(testContext(t))
	if err != nil || len(positions) != 1 || string(positions["file"]) != "10" {
		t.Errorf("positions %q, %v", positions, err)
	}
	expectNumbers(t, stored(t, second, "a"), 10)
}

func TestPorts(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:4222")
	if err == nil {
		t.Cleanup(func() { _ = busy.Close() })
	}
	// 4222 is taken now, by us or by somebody else.
	c := open(t, Config{Dir: t.TempDir()})
	if strings.HasSuffix(c.URL(), ":4222") || !strings.HasPrefix(c.URL(), "nats://127.0.0.1:") {
		t.Errorf("URL %s", c.URL())
	}
	other := open(t, Config{URL: c.URL()})
	if !c.Embedded() || other.Embedded() || other.URL() != c.URL() {
		t.Errorf("embedded %v %v, URL %s", c.Embedded(), other.Embedded(), other.URL())
	}
	if c.ServerVersion() != server.VERSION || other.MaxPayload() != c.MaxPayload() || c.MaxPayload() < 31<<20 {
		t.Errorf("version %s, payload %d and %d", c.ServerVersion(), c.MaxPayload(), other.MaxPayload())
	}
}

func TestUnusableDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(file, "jetstream")
	err := New(Config{Dir: dir, Port: -1}, logs(t)).Open(testContext(t))
	if !errors.Is(err, ErrStore) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "DATA_DIR") {
		t.Errorf("open: %v", err)
	}
}

func TestCorruptStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "jetstream")
	c := New(Config{Dir: dir, Port: -1}, logs(t))
	if err := c.Open(testContext(t)); err != nil {
		t.Fatal(err)
	}
	publish(t, openLane(t, c, LaneConfig{Lane: "a", Writer: "w"}), changes("a", 0, 100))
	closeConn(t, c)
	folder := filepath.Join(dir, "$G", "streams", proto.StreamName)
	if err := os.WriteFile(filepath.Join(folder, "meta.inf"), []byte("not what was written"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := New(Config{Dir: dir, Port: -1}, logs(t)).Open(testContext(t))
	if !errors.Is(err, ErrStore) || !strings.Contains(err.Error(), folder) || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("open: %v", err)
	}
}

// A process that is killed while it makes its streams leaves folders without what the server needs to read them. They held
// nothing, so they are made anew; one that holds messages is not.
func TestStreamThatWasNeverWhole(t *testing.T) {
	for _, lost := range [][]string{{"meta.inf", "meta.sum"}, {"meta.sum"}, {"meta.inf", "meta.sum", "msgs", "obs"}} {
		dir := filepath.Join(t.TempDir(), "jetstream")
		begin := func() *Conn {
			t.Helper()
			c := New(Config{Dir: dir, Port: -1}, logs(t))
			if err := c.Open(testContext(t)); err != nil {
				t.Fatal(err)
			}
			return c
		}
		closeConn(t, begin())
		folder := filepath.Join(dir, "$G", "streams", proto.StreamName)
		left, err := filepath.Glob(filepath.Join(folder, "msgs", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range append(lost, "obs") {
			left = append(left, filepath.Join(folder, name))
		}
		for _, path := range left {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
		c := begin()
		publish(t, openLane(t, c, LaneConfig{Lane: "a", Writer: "w"}), changes("a", 0, 3))
		closeConn(t, c)
		if err := os.Remove(filepath.Join(folder, "meta.inf")); err != nil {
			t.Fatal(err)
		}
		if err := New(Config{Dir: dir, Port: -1}, logs(t)).Open(testContext(t)); !errors.Is(err, ErrStore) {
			t.Errorf("without %v: a stream with messages that cannot be read: %v", lost, err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	url := "nats://user:secret@127.0.0.1:" + strconv.Itoa(port)
	err = New(Config{URL: url, ConnectWait: 300 * time.Millisecond}, logs(t)).Open(testContext(t))
	if !errors.Is(err, ErrUnreachable) || strings.Contains(err.Error(), "secret") {
		t.Errorf("open: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := New(Config{URL: url}, logs(t)).Open(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("open: %v", err)
	}
	if err := New(Config{URL: "nats://127.0.0.1:no-port"}, logs(t)).Open(testContext(t)); err == nil {
		t.Error("a broken address was accepted")
	}
	if err := New(Config{URL: url, Creds: filepath.Join(t.TempDir(), "absent")}, logs(t)).Open(testContext(t)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("open: %v", err)
	}
}

func TestNoJetStream(t *testing.T) {
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	go ns.Start()
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	if !ns.ReadyForConnections(10 * time.Second) {
		t.Fatal("server does not start")
	}
	if err := New(Config{URL: ns.ClientURL()}, logs(t)).Open(testContext(t)); !errors.Is(err, ErrNoJetStream) {
		t.Errorf("open: %v", err)
	}
}

func TestDeploy(t *testing.T) {
	c := embeddedConn(t)
	ctx := testContext(t)
	expect := func(checkOnly bool, want int) []Difference {
		t.Helper()
		diffs, err := c.Deploy(ctx, checkOnly)
		if err != nil || len(diffs) != want {
			t.Fatalf("deploy: %v, %v; want %d differences", diffs, err, want)
		}
		return diffs
	}
	// Open made the streams; the consumers are made by deploying, or by opening them.
	for _, d := range expect(true, 2) {
		if !strings.HasPrefix(d.Object, "consumer ") || d.Have != "missing" {
			t.Errorf("difference %s", d)
		}
	}
	expect(false, 2)
	expect(true, 0)

	stream, err := c.js.Stream(ctx, proto.StreamName)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	cfg.MaxAge, cfg.AllowAtomicPublish = time.Hour, false
	if _, err := c.js.UpdateStream(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	for _, d := range expect(true, 2) {
		if d.Object != "stream "+proto.StreamName || d.Setting != "max_age" && d.Setting != "allow_atomic" {
			t.Errorf("difference %s", d)
		}
	}
	expect(true, 2)
	expect(false, 2)
	expect(true, 0)

	if err := c.js.DeleteStream(ctx, proto.DeadLetterName); err != nil {
		t.Fatal(err)
	}
	wrong := streamConfigs()[1]
	wrong.Storage = jetstream.MemoryStorage
	if _, err := c.js.CreateStream(ctx, wrong); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Deploy(ctx, false); !errors.Is(err, ErrStreamConfig) || !strings.Contains(err.Error(), "nats stream rm") {
		t.Errorf("deploy: %v", err)
	}
}

// TestCorruptMessages: a block of messages that cannot be read must not look like a stream without news.
func TestCorruptMessages(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "jetstream")
	c := New(Config{Dir: dir, Port: -1}, logs(t))
	if err := c.Open(testContext(t)); err != nil {
		t.Fatal(err)
	}
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	batch := changes("a", 0, 900)
	for i := range batch {
		batch[i].Data = document(10 << 10)
	}
	for range 2 {
		publish(t, lane, batch)
	}
	closeConn(t, c)

	block := filepath.Join(dir, "$G", "streams", proto.StreamName, "msgs", "1.blk")
	data, err := os.ReadFile(block)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		data[len(data)/2+i] ^= 0xff
	}
	if err := os.WriteFile(block, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c = open(t, Config{Dir: dir, Port: -1})
	k := openConsumer(t, c, ConsumerConfig{Name: proto.LakeConsumer, beat: 100 * time.Millisecond})
	for err == nil {
		_, err = k.Fetch(testContext(t), FetchLimit{})
	}
	if !errors.Is(err, ErrStore) || !strings.Contains(err.Error(), dir) {
		t.Errorf("fetch: %v", err)
	}
}
