package sink

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/document"
	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// kilobytes are documents of about 1 KB as transcripts hold them: sessions one after the other, several dates.
func (w *world) kilobytes(n int) []stream.Outgoing {
	w.t.Helper()
	words := strings.Fields("the of error function return file test value data read write change session model token query build parse tree node index page lock batch")
	random := rand.New(rand.NewPCG(1, 2))
	out := make([]stream.Outgoing, n)
	for i := range out {
		var text strings.Builder
		for text.Len() < 420 {
			text.WriteString(words[random.IntN(len(words))])
			text.WriteByte(' ')
		}
		session := fmt.Sprintf("%08x-1111-4222-8333-444444444444", i/200)
		at := day.Add(time.Duration(i) * 3 * time.Second)
		object := fmt.Sprintf(`{"parentUuid":"%08x-aaaa-4bbb-8ccc-%012x","isSidechain":false,"userType":"external","cwd":"/home/dev/project","sessionId":%q,"version":"2.1.200","gitBranch":"main","type":"assistant","timestamp":%q,"uuid":"%08x-aaaa-4bbb-8ccc-%012x","requestId":"req_%d","message":{"id":"msg_%d","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":%q},{"type":"tool_use","id":"toolu_%d","name":"Read","input":{"file_path":"/home/dev/project/%x.go"}}],"usage":{"input_tokens":%d,"output_tokens":%d,"cache_read_input_tokens":10000}}}`,
			random.Uint32(), i, session, at.Format(time.RFC3339Nano), random.Uint32(), i+1, i, i, text.String(), i, random.Uint32(), i%1000, i%500)
		id := [12]byte{byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}
		doc, err := document.FromJSON(nil, []byte(object), document.Extra{ID: id, ProjectID: "-home-dev-project", SourceFile: "/home/dev/.claude/projects/-home-dev-project/" + session + ".jsonl"})
		if err != nil {
			w.t.Fatal(err)
		}
		data, err := protobuf.Marshal(&proto.Change{
			Version: proto.Version, Source: testLane, Namespace: testSpace, Id: fmt.Sprintf("%x", id), Operation: proto.Operation_OPERATION_INSERT,
			Document: doc, SourceOffset: int64(i) * 1000, ExtractedAtMicros: time.Now().UnixMicro(),
		})
		if err != nil {
			w.t.Fatal(err)
		}
		out[i] = stream.Outgoing{Subject: proto.DataSubject(testLane, session, "-home-dev-project"), Data: data}
	}
	return out
}

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkSink is both loops together on a stream that waits for them: rows/s is documents that became durable in both.
// BenchmarkSink/rebuild is the warehouse filled from the lake.
func BenchmarkSink(b *testing.B) {
	documents := 60_000
	if n, err := strconv.Atoi(os.Getenv("BENCH_DOCUMENTS")); err == nil {
		documents = n
	}
	w := newWorld(b)
	w.cfg = Config{Dir: w.cfg.Dir}
	messages := w.kilobytes(documents)
	bytes := 0
	for _, m := range messages {
		bytes += len(m.Data)
	}
	w.publish(messages...)
	messages = nil //nolint:ineffassign,wastedassign // so that what is measured is the sink's memory
	b.Run("follow", func(b *testing.B) {
		for range b.N {
			began, busy := time.Now(), cpu(b)
			r := w.start(nil)
			r.catchUp()
			took := time.Since(began)
			b.ReportMetric(float64((cpu(b)-busy).Microseconds())/float64(documents), "cpu-µs/row")
			if err := r.stop(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(documents)/took.Seconds(), "rows/s")
			b.ReportMetric(float64(r.lake.Stats().Bytes)/float64(bytes), "lakebytes/byte")
			b.ReportMetric(float64(r.lake.Stats().Files), "files")
		}
	})
	b.Run("rebuild", func(b *testing.B) {
		for range b.N {
			s := New(w.cfg, w.conn, w.db, w.logger(), nil)
			began, busy := time.Now(), cpu(b)
			if err := s.Rebuild(w.ctx(), nil); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64((cpu(b)-busy).Microseconds())/float64(documents), "cpu-µs/row")
			b.ReportMetric(float64(documents)/time.Since(began).Seconds(), "rows/s")
		}
	})
}
