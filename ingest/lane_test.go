package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// A process that is stopped in the middle and started again publishes nothing twice and nothing not at all.
func TestRestartInTheMiddle(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	want := []string{}
	for n := range 60 {
		from := n * 1000
		d.write(fmt.Sprintf("-p%d/%d.jsonl", n%7, n), lines(from, from+199))
		want = append(want, numbers(from, from+199)...)
	}
	conn := openStream(t)
	cfg := Config{Folders: d.folders(), Identity: NewIdentity(filepath.Join(t.TempDir(), "source.json")), BatchBytes: 20_000}
	runs := 0
	for caughtUp := false; !caughtUp; runs++ {
		r := start(t, conn, cfg)
		eventually(t, "some progress", func() bool { return r.Status().Documents >= 2500 || r.CaughtUp() })
		caughtUp = r.CaughtUp()
		r.stop()
		// Written while nobody looks.
		from := 100_000 + runs
		d.append("-p0/0.jsonl", line(from))
		want = append(want, fmt.Sprint(from))
	}
	if s := once(t, conn, cfg); s.Documents != 1 {
		t.Errorf("the last pass published %d documents, want 1", s.Documents)
	}
	watchStream(t, conn).expect(want...)
	if runs < 3 {
		t.Errorf("%d runs are too few to say anything", runs)
	}
}

func TestRenameWhileStopped(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	d.write("-p/a.jsonl", lines(1, 5))
	d.write("-p/b.jsonl", lines(11, 15))
	d.write("-p/c.jsonl", lines(21, 25))
	conn := openStream(t)
	cfg := Config{Folders: d.folders()}
	once(t, conn, cfg)
	d.rename("-p/a.jsonl", "-q/a.jsonl") // moved
	d.append("-q/a.jsonl", line(6))
	d.rename("-p/b.jsonl", "-p/b-1.jsonl") // rotated
	d.append("-p/b-1.jsonl", line(16))
	d.write("-p/b.jsonl", line(17))
	d.write("-p/c.jsonl", line(26)) // truncated
	cfg.Takeover = true             // without an identity each run is another writer
	s := once(t, conn, cfg)
	in := watchStream(t, conn)
	in.expect(append(append(numbers(1, 6), numbers(11, 17)...), numbers(21, 26)...)...)
	if s.Renamed != 2 || s.Rewritten != 2 || s.Documents != 4 {
		t.Errorf("%d renamed, %d rewritten, %d documents; want 2, 2, 4", s.Renamed, s.Rewritten, s.Documents)
	}
	if again := once(t, conn, cfg); again.Documents != 0 || again.Renamed != 0 || again.Rewritten != 0 {
		t.Errorf("another pass: %+v", again)
	}
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	const cut = `{"type":"user","mess`
	deep := strings.Repeat(`{"a":`, 3000) + "1" + strings.Repeat("}", 3000)
	large := `{"type":"user","pad":"` + strings.Repeat("x", 200_000) + `"}`
	d.write("-p/a.jsonl", line(1)+cut+line(2)+"[1]\n"+line(3)+"garbage\n"+large+"\n"+deep+line(4)+cut+"\n"+line(5))
	d.write("-p/b.jsonl", "{\"n\":\"6\",\"text\":\"\xff\"}\n"+cut)
	conn := openStream(t)
	cfg := Config{Folders: d.folders(), MaxDocument: 100_000, Identity: NewIdentity(filepath.Join(t.TempDir(), "source.json"))}
	s := once(t, conn, cfg)
	watchStream(t, conn).expect(numbers(1, 6)...)
	want := []string{
		"broken_line " + cut, "not_object [1]", "broken_line garbage", "too_large " + large[:proto.MaxDeadLetterPayload],
		"not_convertible " + deep, "broken_line " + cut,
	}
	sort.Strings(want)
	if got := letters(t, conn); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("dead letters %.200q", got)
	}
	if s.DeadLetters != int64(len(want)) || s.Replaced != 1 || s.HalfLines != 1 {
		t.Errorf("%d dead letters, %d characters replaced, %d half lines", s.DeadLetters, s.Replaced, s.HalfLines)
	}
	all, err := conn.DeadLetters(testContext(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, letter := range all {
		if letter.Lane != "laptop" || letter.Part != proto.PartIngest || letter.File != "-p/a.jsonl" || letter.Namespace != "projects" ||
			letter.ID == "" || letter.Truncated != (letter.Size > proto.MaxDeadLetterPayload) || letter.Detail == "" {
			t.Errorf("letter %.300s", fmt.Sprintf("%+v", letter))
		}
	}
	if again := once(t, conn, cfg); again.Documents != 0 || again.DeadLetters != 0 {
		t.Errorf("another pass: %d documents, %d dead letters", again.Documents, again.DeadLetters)
	}
}

// What the server would not take as a message is set aside even if its line is short enough.
func TestTooLargeAsBSON(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	d.write("-p/a.jsonl", `{"a":[`+strings.Repeat("1,", 4<<20)+"1]}\n"+line(1))
	conn := openStream(t)
	once(t, conn, Config{Folders: d.folders()})
	watchStream(t, conn).expect("1")
	if got := letters(t, conn); len(got) != 1 || !strings.HasPrefix(got[0], "too_large {") {
		t.Errorf("%d dead letters", len(got))
	}
}

// The largest documents pass, and a batch of them is cut where the budget says.
func TestLargeDocuments(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	for n, size := range []int{5 << 20, 5 << 20, 31<<20 - 100, 10} {
		d.append("-p/a.jsonl", fmt.Sprintf(`{"n":"%d","pad":"%s"}`+"\n", n, strings.Repeat("x", size)))
	}
	conn := openStream(t)
	s := once(t, conn, Config{Folders: d.folders()})
	if s.DeadLetters != 0 || s.Documents != 4 {
		t.Errorf("%d dead letters, %d documents", s.DeadLetters, s.Documents)
	}
	if s.LagBytes != 0 {
		t.Errorf("lag %d", s.LagBytes)
	}
}

// What is set aside is durable before a position passes it.
func TestPositionWaitsForDeadLetter(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	d.write("-p/a.jsonl", line(1)+"garbage\n"+line(2))
	conn := openStream(t)
	ctx := testContext(t)
	const writer = "0123456789abcdef"
	lane, err := conn.OpenLane(ctx, stream.LaneConfig{Lane: "laptop", Writer: writer})
	if err != nil {
		t.Fatal(err)
	}
	i := New(Config{Lane: "laptop", Folders: NameFolders(d.folders(), nil), Once: true}, conn, zerolog.Nop(), nil)
	i.letter = func(context.Context, proto.DeadLetter) error { return errors.New("disk full") }
	if err := i.follow(ctx, lane, writer); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Fatalf("error %v", err)
	}
	in := watchStream(t, conn)
	in.update()
	if len(in.changes) != 0 || len(in.positions) != 0 {
		t.Errorf("%d changes and %d positions passed a letter that was not stored", len(in.changes), len(in.positions))
	}
	i.letter = conn.DeadLetter
	if err := i.follow(ctx, lane, writer); err != nil {
		t.Fatal(err)
	}
	in.expect("1", "2")
}

func TestTakeover(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	d.write("-p/a.jsonl", lines(1, 3))
	conn := openStream(t)
	cfg := Config{Folders: d.folders(), Heartbeat: 200 * time.Millisecond}
	first := start(t, conn, cfg)
	in := watchStream(t, conn)
	in.expect("1", "2", "3")
	standby := start(t, conn, cfg)
	eventually(t, "standing by", func() bool { return standby.Status().State == StateStandby })
	if detail := standby.Status().Detail; !strings.Contains(detail, strconv.Itoa(os.Getpid())) {
		t.Errorf("detail %q does not name the other's process", detail)
	}
	d.append("-p/a.jsonl", line(4))
	in.expect("1", "2", "3", "4")
	first.stop() // releases the lane
	d.append("-p/a.jsonl", line(5))
	in.expect("1", "2", "3", "4", "5")

	cfg.Takeover = true
	third := start(t, conn, cfg)
	<-standby.ended
	var taken *stream.TakenError
	if !errors.As(standby.err, &taken) || taken.Lane != "laptop" || standby.Status().State != StateFailed {
		t.Errorf("the one it was taken from ended with %v, state %q", standby.err, standby.Status().State)
	}
	d.append("-p/a.jsonl", line(6))
	in.expect("1", "2", "3", "4", "5", "6")
	third.stop()
	if s := third.Status(); s.State != StateStopped {
		t.Errorf("state %q", s.State)
	}
}

// A stream that is lost and comes back empty is filled again, under the same keys, and that is said aloud.
func TestStreamRecreated(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	d.write("-p/a.jsonl", lines(1, 20))
	log, _ := logs(t)
	port := freePort(t)
	serve := func() *stream.Conn {
		conn := stream.New(stream.Config{Dir: t.TempDir(), Port: port}, log)
		if err := conn.Open(testContext(t)); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	server := serve()
	client := stream.New(stream.Config{URL: server.URL()}, log)
	if err := client.Open(testContext(t)); err != nil {
		t.Fatal(err)
	}
	defer client.Close(context.Background())
	r := start(t, client, Config{Folders: d.folders(), Identity: NewIdentity(filepath.Join(t.TempDir(), "source.json"))})
	before := watchStream(t, server)
	before.expect(numbers(1, 20)...)
	// Not before the writer has heard that they are stored: only then has its lane begun.
	eventually(t, "published", func() bool { return r.Status().Documents == 20 })
	if err := server.Close(testContext(t)); err != nil {
		t.Fatal(err)
	}
	d.append("-p/a.jsonl", line(21))
	server = serve()
	defer server.Close(context.Background())
	after := watchStream(t, server)
	after.expect(numbers(1, 21)...)
	for i, change := range before.changes {
		if change.GetId() != after.changes[i].GetId() {
			t.Errorf("change %d has another key now", i)
		}
	}
	eventually(t, "caught up", r.CaughtUp)
	if !strings.Contains(r.logs.String(), "no position of a lane that had begun") {
		t.Error("it was not logged that the stream had lost the lane")
	}
	r.stop()
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestFoldersOfTheSameName(t *testing.T) {
	t.Parallel()
	a, b := newTree(t), newTree(t)
	a.write("-p/a.jsonl", line(1))
	b.write("-p/a.jsonl", line(2))
	conn := openStream(t)
	identity := filepath.Join(t.TempDir(), "source.json")
	once(t, conn, Config{Folders: a.folders(), Identity: NewIdentity(identity)})
	b.append("-p/a.jsonl", line(3))
	s := once(t, conn, Config{Folders: append(b.folders(), a.folders()...), Identity: NewIdentity(identity)})
	in := watchStream(t, conn)
	in.expect("1", "2", "3")
	if s.Documents != 2 || s.Folders[1].Name != "projects" || s.Folders[0].Name == "projects" || s.Folders[0].Files != 1 {
		t.Errorf("status %+v", s)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	d.write("-p/a.jsonl", lines(1, 3)+"garbage\n")
	reg := prometheus.NewRegistry()
	log, _ := logs(t)
	i := New(Config{Lane: "laptop", Folders: d.folders(), Once: true}, openStream(t), log, reg)
	if err := i.Run(testContext(t)); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			got[family.GetName()] += value
			lane := ""
			for _, label := range m.GetLabel() {
				if label.GetName() == "lane" {
					lane = label.GetValue()
				}
			}
			if lane != "laptop" {
				t.Errorf("%s has no lane", family.GetName())
			}
		}
	}
	for name, want := range map[string]float64{
		"changes_total": 3, "bytes_total": float64(len(lines(1, 3)) - 3), "dead_letters_total": 1, "batch_size": 1, "publish_seconds": 1,
		"files": 1, "lag_bytes": 0, "half_lines": 0, "caught_up": 1,
	} {
		if value, ok := got["analytics_ingest_"+name]; !ok || value != want {
			t.Errorf("%s is %v, want %v", name, value, want)
		}
	}
}
