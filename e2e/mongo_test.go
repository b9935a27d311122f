package e2e_test

import (
	"context" //nolint:gosec // what DuckDB has too; nothing depends on its strength
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/mongotest"
	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// documents is how many a test begins with, or another number that is larger in long runs.
func documents(short, long int) int {
	if os.Getenv("LONG") != "" {
		return long
	}
	return short
}

// TestMongoEqualsSource: documents inserted before and during the start, with updates, replaces and deletes going on.
func TestMongoEqualsSource(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t, mongotest.Options{})
	coll := server.Database(t).Collection("conversations")
	random := seeded(t)
	w := newWriters(t, coll)
	n := documents(3_000, 100_000)
	if err := w.insert(t.Context(), n*6/10); err != nil {
		t.Fatal(err)
	}
	w.begin(2, 2*time.Millisecond, random.Uint64())
	data := t.TempDir()
	env := mongoEnv(server, coll)
	p := startService(t, data, env, "up")
	for range 8 {
		if err := w.insert(t.Context(), n*5/100); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the snapshot is complete", func() bool { return strings.Contains(p.logs(), "snapshot is complete") })
	time.Sleep(time.Second) // some of the changes are to come while it follows
	w.end()
	want := sourceContent(t, coll)
	eventually(t, "as many rows as documents", func() bool {
		return soon(t, data, "SELECT count(*) FROM raw.conversations") == int64(len(want))
	})
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	mustRunWith(t, env, "up", "--until-idle", "--data-dir", data)
	sameAsSource(t, warehouseContent(t, data), want)
	mustRunWith(t, env, "verify", "--deep", "--data-dir", data)
	t.Logf("%d documents after %v", len(want), w.ops)
	marts := martSums(t, data)
	for _, args := range [][]string{{"load", "--full-refresh"}, {"transform", "--full-refresh"}} {
		mustRunWith(t, env, append(args, "--data-dir", data)...)
	}
	sameAsSource(t, warehouseContent(t, data), want)
	sameMarts(t, martSums(t, data), marts, "rebuilt from the lake")
}

func mustRunWith(t testing.TB, env []string, args ...string) string {
	t.Helper()
	r := runProgram(t, env, args...)
	if r.code != 0 {
		t.Fatalf("claude-analytics %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// TestMongoTailerKilled kills the tailer while it makes the snapshot, hands over and follows. The snapshot goes on where
// it was: no document of it comes twice.
func TestMongoTailerKilled(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t, mongotest.Options{})
	coll := server.Database(t).Collection("conversations")
	random := seeded(t)
	w := newWriters(t, coll)
	if err := w.insert(t.Context(), documents(8_000, 60_000)); err != nil {
		t.Fatal(err)
	}
	w.begin(2, 3*time.Millisecond, random.Uint64())
	bus := startNATS(t)
	env := mongoEnv(server, coll, "NATS_URL="+bus.url())
	sourceDir := t.TempDir()
	phases := map[string]int{}
	half := kills() / 2
	for i := range kills() {
		p := startService(t, sourceDir, env, "ingest")
		eventually(t, "the source has started", func() bool { return strings.Contains(p.logs(), "source started") || !p.running() })
		phase := "snapshot"
		switch {
		case i == half && tailerIn(t, bus, "mongo"):
			phase = "hand-over"
			eventually(t, "the snapshot is complete", func() bool { return strings.Contains(p.logs(), "snapshot is complete") })
			time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		case i > half:
			phase = "following"
			time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
		default:
			// The server takes a while before the first document comes.
			time.Sleep(time.Duration(random.IntN(documents(1000, 2500))) * time.Millisecond)
		}
		p.kill()
		if phase == "snapshot" && !tailerIn(t, bus, "mongo") {
			phase = "following"
		}
		phases[phase]++
	}
	t.Logf("killed in %v", phases)
	w.end()
	data := t.TempDir()
	source := startService(t, sourceDir, env, "ingest")
	warehouse := startService(t, data, env, "warehouse")
	want := sourceContent(t, coll)
	eventually(t, "as many rows as documents", func() bool {
		return soon(t, data, "SELECT count(*) FROM raw.conversations") == int64(len(want))
	})
	if code := source.stop(); code != 0 {
		t.Errorf("ingest: exit code %d", code)
	}
	eventually(t, "the marts are fresh", func() bool { return soon(t, data, "SELECT count(*) FROM meta.changed_keys") == 0 })
	if code := warehouse.stop(); code != 0 {
		t.Errorf("warehouse: exit code %d", code)
	}
	sameAsSource(t, warehouseContent(t, data), want)
	if twice := snapshotTwice(t, bus); twice > 0 {
		t.Errorf("%d documents came twice by the snapshot", twice)
	}
}

// onBus gives a connection to the stream of a bus.
func onBus(t testing.TB, bus *natsServer) *stream.Conn {
	t.Helper()
	conn := stream.New(stream.Config{URL: bus.url()}, zerolog.Nop())
	if err := conn.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// tailerIn reports whether a lane's snapshot is still under way.
func tailerIn(t testing.TB, bus *natsServer, lane string) bool {
	t.Helper()
	out, err := exec.Command(tool(t, "nats"), "--server", bus.url(), "stream", "get", proto.StreamName, "--last-for", proto.PositionSubject(lane, "token"), "--json").Output()
	if err != nil {
		return true // nothing is published yet
	}
	var message struct {
		Data []byte `json:"data"`
	}
	var position proto.Position
	if json.Unmarshal(out, &message) != nil || protobuf.Unmarshal(message.Data, &position) != nil {
		t.Fatalf("position of the lane: %s", out)
	}
	return position.GetCollection().GetSnapshot() != nil
}

// snapshotTwice counts the documents that snapshots published more than once.
func snapshotTwice(t testing.TB, bus *natsServer) (twice int) {
	t.Helper()
	conn := onBus(t, bus)
	state, err := conn.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for seq := state.FirstSeq; seq <= state.LastSeq; seq++ {
		m, err := conn.MessageAt(t.Context(), seq)
		if err != nil || proto.IsPosition(m.Subject) {
			continue
		}
		var change proto.Change
		if err := protobuf.Unmarshal(m.Data, &change); err != nil {
			t.Fatal(err)
		}
		if change.GetOperation() == proto.Operation_OPERATION_SNAPSHOT {
			if seen[change.GetId()] {
				twice++
			}
			seen[change.GetId()] = true
		}
	}
	if len(seen) == 0 {
		t.Error("there was no snapshot")
	}
	return twice
}

// TestMongoAndFolder: the same conversations in a collection and in a folder, read at once. The marts count them once.
func TestMongoAndFolder(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t, mongotest.Options{})
	coll := server.Database(t).Collection("conversations")
	sessions := fmt.Sprint(documents(5, 60))
	dir, truth := generate(t, "--sessions", sessions, "--seed", "31")
	mustRun(t, "generate", "--mongo-uri", server.URI(), "--mongo-db", coll.Database().Name(), "--mongo-collection", coll.Name(),
		"--sessions", sessions, "--seed", "31", "--churn", "0.2")
	count, err := coll.CountDocuments(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	env := mongoEnv(server, coll)
	both := t.TempDir()
	mustRunWith(t, env, "up", "--until-idle", "--data-dir", both, "--transcripts", dir, "--source", "laptop")
	if n := number(t, both, "SELECT count(*) FROM raw.conversations"); n != truth.Objects+count {
		t.Errorf("%d rows, want %d of the folder and %d of the collection", n, truth.Objects, count)
	}
	marts := func(data string, extra int64) {
		t.Helper()
		marts := *truth
		marts.Objects += extra
		sameAsTruth(t, data, &marts)
	}
	marts(both, count)
	if os.Getenv("LONG") == "" {
		return
	}
	// The collection alone says the same, its duplicates included.
	alone := t.TempDir()
	mustRunWith(t, env, "up", "--until-idle", "--data-dir", alone)
	marts(alone, count-truth.Objects)
	// Row by row, as far as where a document was read does not show.
	folder := t.TempDir()
	untilIdle(t, folder, dir)
	const facts = `SELECT concat_ws(' ', count(*), bit_xor(hash(x)), sum(hash(x)::HUGEINT)) AS content FROM (
		SELECT session_id, role, message_sequence, created_at, content_length, task_category, has_code_block FROM marts.fct_messages) x`
	if a, b := rows(t, both, facts)[0]["content"], rows(t, folder, facts)[0]["content"]; a != b {
		t.Errorf("messages of both: %v, of the folder alone: %v", a, b)
	}
}

// TestMongoHistoryLost: exit code 4 with the remedy; the remedy brings equality back; the gap is shown.
func TestMongoHistoryLost(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t, mongotest.Options{OplogMaxEntries: 300})
	coll := server.Database(t).Collection("conversations")
	w := newWriters(t, coll)
	if err := w.insert(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	data, env := t.TempDir(), mongoEnv(server, coll)
	mustRunWith(t, env, "up", "--until-idle", "--data-dir", data)
	behind, err := coll.Watch(t.Context(), mongo.Pipeline{})
	if err != nil {
		t.Fatal(err)
	}
	token := behind.ResumeToken()
	if err := behind.Close(t.Context()); err != nil || token == nil {
		t.Fatalf("token %v, %v", token, err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		if err := w.change(t.Context(), random); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.insert(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	// The server cuts its history now and then, not with every write.
	eventually(t, "the server no longer has the history", func() bool {
		again, err := coll.Watch(t.Context(), mongo.Pipeline{}, options.ChangeStream().SetResumeAfter(token))
		if err != nil {
			return true
		}
		_ = again.Close(t.Context())
		if err := w.insert(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		return false
	})
	refused(t, 4, []string{"HISTORY_LOST=resnapshot", coll.Name()}, env, "up", "--until-idle", "--data-dir", data)
	if r := runProgram(t, env, "doctor", "--data-dir", data); r.code != 3 || !strings.Contains(r.stdout, "HISTORY_LOST=resnapshot") {
		t.Errorf("doctor: exit code %d\n%s", r.code, r.stdout)
	}
	refused(t, 4, nil, env, "extract", "--data-dir", data)
	mustRunWith(t, append(env, "HISTORY_LOST=resnapshot"), "up", "--until-idle", "--data-dir", data)
	sameAsSource(t, warehouseContent(t, data), sourceContent(t, coll))
	gap := rows(t, data, "SELECT kind, reason, action, code FROM meta.gaps")
	if len(gap) != 1 || gap[0]["reason"] != "history_lost" || gap[0]["action"] != "resnapshot" {
		t.Errorf("meta.gaps: %v", gap)
	}
	if r := runProgram(t, env, "doctor", "--data-dir", data); strings.Contains(r.stdout, "HISTORY_LOST=resnapshot") {
		t.Errorf("doctor still finds the history lost:\n%s", r.stdout)
	}
	p := startService(t, data, env, "up")
	p.info()
	eventually(t, "status shows the gap", func() bool {
		r := runProgram(t, nil, "status", "--data-dir", data)
		return strings.Contains(r.stdout, "history_lost") && strings.Contains(r.stdout, "resnapshot")
	})
}

// TestMongoRefused: what cannot be followed ends at once, with the remedy.
func TestMongoRefused(t *testing.T) {
	t.Parallel()
	standalone := mongotest.Start(t, mongotest.Options{Standalone: true})
	refused(t, 1, []string{"standalone", "--replSet"}, []string{"MONGO_URI=" + standalone.URI()}, "up", "--until-idle", "--data-dir", t.TempDir())
	refused(t, 2, []string{"MONGO_URI"}, []string{"MONGO_URI=postgres://x"}, "up", "--until-idle", "--data-dir", t.TempDir())
	if r := runProgram(t, []string{"MONGO_URI=" + standalone.URI()}, "doctor", "--data-dir", t.TempDir()); r.code != 3 || !strings.Contains(r.stdout, "--replSet") {
		t.Errorf("doctor: exit code %d\n%s", r.code, r.stdout)
	}
	if r := runProgram(t, []string{"MONGO_URI=mongodb://me:hush@127.0.0.1:1/?serverSelectionTimeoutMS=500"}, "doctor", "--data-dir", t.TempDir()); r.code != 3 || strings.Contains(r.stdout+r.stderr, "hush") {
		t.Errorf("doctor: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
