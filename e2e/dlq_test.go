package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// wholeSums is the sum of every mart and of bronze, orders included.
func wholeSums(t testing.TB, data string) map[string]string {
	t.Helper()
	sums := martSums(t, data)
	for name, sql := range map[string]string{
		"raw.conversations":  "SELECT sum(hash(source, _id, _epoch, _seq, message_raw, date)::HUGEINT % 1000000007) FROM raw.conversations",
		"raw.content_blocks": "SELECT sum(hash(source, _id, block_index, text, input, result_text)::HUGEINT % 1000000007) FROM raw.content_blocks",
	} {
		sums[name] = fmt.Sprint(number(t, data, sql))
	}
	return sums
}

// aside takes messages out of the stream and makes them the letters that they would be if they could not be converted.
func aside(t testing.TB, bus *natsServer, seqs ...uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn := stream.New(stream.Config{URL: bus.url()}, zerolog.Nop())
	if err := conn.Open(ctx); err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx) //nolint:errcheck // a test's
	for _, seq := range seqs {
		message, err := conn.MessageAt(ctx, seq)
		if err != nil {
			t.Fatal(err)
		}
		at, err := proto.ParseSubject(message.Subject)
		if err != nil || proto.IsPosition(message.Subject) {
			t.Fatalf("message %d is no change: %s", seq, message.Subject)
		}
		err = conn.DeadLetter(ctx, proto.DeadLetter{
			Lane: at.Lane, Part: proto.PartWarehouse, Reason: proto.ReasonNotConvertible, Detail: "by rules of before",
			Size: int64(len(message.Data)), Epoch: 1, Seq: seq, Payload: message.Data, At: time.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(tool(t, "nats"), "--server", bus.url(), "stream", "rmm", proto.StreamName, fmt.Sprint(seq), "--force").CombinedOutput()
		if err != nil {
			t.Fatalf("nats stream rmm: %v\n%s", err, out)
		}
	}
}

// TestDeadLettersRestored: messages that older rules set aside are retried in the running service, which is killed in
// the middle; then everything is as if they had never been dead.
func TestDeadLettersRestored(t *testing.T) {
	t.Parallel()
	long(t)
	dir, _ := generate(t, "--sessions", "3", "--seed", "61")
	bus := startNATS(t)
	env := []string{"NATS_URL=" + bus.url()}
	run := func(args ...string) result {
		t.Helper()
		r := runProgram(t, env, args...)
		if r.code != 0 {
			t.Fatalf("%v: exit code %d\n%s%s", args, r.code, r.stdout, r.stderr)
		}
		return r
	}
	whole, data := t.TempDir(), t.TempDir()
	run("extract", "--transcripts", dir, "--source", "test", "--data-dir", data)
	run("load", "--data-dir", whole)
	run("transform", "--data-dir", whole)
	want := wholeSums(t, whole)
	var seqs []uint64
	for _, row := range rows(t, whole, "SELECT _seq FROM raw.conversations USING SAMPLE reservoir(12 ROWS) REPEATABLE (61)") {
		n, err := row["_seq"].(json.Number).Int64()
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, uint64(n))
	}
	aside(t, bus, seqs...)

	p := startService(t, data, env, "warehouse")
	p.info()
	eventually(t, "the letters are in the warehouse", func() bool { return soon(t, data, "SELECT count(*) FROM meta.dead_letters") == 12 })
	var list struct{ Letters []struct{ ID, Reason string } }
	if out := mustRun(t, "dlq", "list", "--data-dir", data, "--reason", "not_convertible", "--limit", "1"); !strings.Contains(out, "1 of 12 that fit, among ") {
		t.Errorf("dlq list says how many fit: %s", out)
	}
	refused(t, 2, []string{"bogus", "too_large"}, nil, "dlq", "list", "--data-dir", data, "--reason", "bogus")
	refused(t, 2, []string{"--limit"}, nil, "dlq", "list", "--data-dir", data, "--limit", "-3")
	refused(t, 2, []string{"--repair-lake"}, nil, "load", "--accept-loss", "--data-dir", data)
	refused(t, 2, []string{"--threads"}, nil, "transform", "--threads", "-4", "--data-dir", data)
	if err := json.Unmarshal([]byte(mustRun(t, "dlq", "list", "--json", "--data-dir", data, "--reason", "not_convertible")), &list); err != nil || len(list.Letters) != 12 {
		t.Fatalf("dlq list: %d letters, %v", len(list.Letters), err)
	}
	if out := mustRun(t, "dlq", "show", list.Letters[0].ID, "--data-dir", data, "--full"); !strings.Contains(out, "by rules of before") || !strings.Contains(out, `"sessionId"`) {
		t.Errorf("dlq show:\n%s", out)
	}
	if r := runProgram(t, nil, "dlq", "retry", "--data-dir", data); r.code != 2 {
		t.Errorf("dlq retry without a filter: exit code %d", r.code)
	}
	retried := make(chan result, 1)
	go func() { retried <- runProgram(t, nil, "dlq", "retry", "--all", "--data-dir", data) }()
	time.Sleep(150 * time.Millisecond) // wherever that is
	p.kill()
	<-retried

	p = startService(t, data, env, "warehouse")
	p.info()
	if _, body := p.get("/metrics"); !strings.Contains(body, "analytics_dead_letters ") || !strings.Contains(body, "analytics_dead_letters_dropped_total 0") {
		t.Errorf("metrics of dead letters are missing")
	}
	mustRun(t, "dlq", "retry", "--all", "--data-dir", data)
	if out := mustRun(t, "dlq", "list", "--data-dir", data); !strings.Contains(out, "0 of 0 dead letters") {
		t.Errorf("letters are left: %s", out)
	}
	if n := statusOf(t, data).Stream.DeadLetters; n != 0 {
		t.Errorf("the status counts %d letters", n)
	}
	// The marts follow by themselves. What the lake holds is another test's (sink).
	eventually(t, "all is as if nothing had been set aside", func() bool { return maps.Equal(wholeSums(t, data), want) })
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestDeadLettersOffline: lines that are no JSON cannot be retried, and say why; what can be read today is published
// under the key that it would have had; what is dropped is gone.
func TestDeadLettersOffline(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	project := filepath.Join(root, "-p")
	if err := os.MkdirAll(project, 0o755); err != nil {
		t.Fatal(err)
	}
	good := `{"type":"user","uuid":"u1","sessionId":"s1","timestamp":"2026-01-02T03:04:05Z","message":{"role":"user","content":"hello"}}`
	file := filepath.Join(project, "s1.jsonl")
	if err := os.WriteFile(file, []byte("not json\n[1]\n"+good+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	untilIdle(t, data, root)
	r := runProgram(t, nil, "dlq", "retry", "--all", "--data-dir", data)
	if r.code != 1 || !strings.Contains(r.stdout, "2 letters retried, 2 failed") {
		t.Errorf("dlq retry: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if n := number(t, data, "SELECT sum(attempts) FROM meta.dead_letters"); n != 2 {
		t.Errorf("%d attempts, want 2", n)
	}
	if out := mustRun(t, "dlq", "show", "--reason", "not_object", "--data-dir", data); !strings.Contains(out, "[1]") || !strings.Contains(out, "never in the stream") {
		t.Errorf("dlq show:\n%s", out)
	}
	if out := mustRun(t, "dlq", "drop", "--project", "-p", "--data-dir", data); !strings.Contains(out, "2 dead letters dropped") {
		t.Errorf("dlq drop: %s", out)
	}
	if n := number(t, data, "SELECT count(*) FROM meta.dead_letters"); n != 0 || deadLetters(t, data) != 0 {
		t.Errorf("%d letters are left", n)
	}

	// A line that the rules of before could not read.
	line := strings.Replace(good, "u1", "u2", 1)
	letter := proto.DeadLetter{
		Lane: "test", Part: proto.PartIngest, Reason: proto.ReasonBrokenLine, Namespace: "p", ID: "0123456789abcdef01234567",
		File: "-p/s1.jsonl", SourceFile: file, Project: "-p", Session: "s1", Offset: 999, Size: int64(len(line)), Payload: []byte(line), At: time.Now(),
	}
	conn := stream.New(stream.Config{Dir: filepath.Join(data, "jetstream"), Port: -1}, zerolog.Nop())
	if err := conn.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := conn.DeadLetter(t.Context(), letter)
	if cerr := conn.Close(t.Context()); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	if out := mustRun(t, "dlq", "retry", letter.Name(), "--data-dir", data); !strings.Contains(out, "1 republished") {
		t.Errorf("dlq retry: %s", out)
	}
	if n := number(t, data, `SELECT count(*) FROM raw.conversations c WHERE uuid = 'u2' AND source = 'test' AND source_offset = 999
		AND _id = '0123456789abcdef01234567' AND c.project_id = '-p' AND EXISTS (FROM marts.fct_messages m WHERE m.session_id = 's1' AND m.message_sequence = 2)`); n != 1 {
		t.Errorf("%d rows of the line that was published, want 1", n)
	}
}
