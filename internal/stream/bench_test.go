package stream

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"claude-analytics/proto"
)

// document is size bytes that compress about as well as transcripts do.
func document(size int) []byte {
	words := bytes.Fields([]byte(`{"type":"assistant", "message": role content tool_use input command timestamp sessionId uuid parentUuid cwd version gitBranch`))
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for b.Len() < size {
		b.Write(words[r.IntN(len(words))])
		fmt.Fprintf(&b, "%x ", r.Uint64())
	}
	return b.Bytes()[:size]
}

func benchmarkPublish(b *testing.B, batch, size int) {
	c := embeddedConn(b)
	lane := openLane(b, c, LaneConfig{Lane: "bench", Writer: "w"})
	data := document(size)
	out := make([]Outgoing, batch)
	for i := range out {
		out[i] = Outgoing{Subject: proto.DataSubject("bench", fmt.Sprint(i/20), "project"), Data: data}
	}
	out[batch-1] = position("bench", "file", "1")
	b.SetBytes(int64(size))
	b.ResetTimer()
	for n := 0; n < b.N; n += batch {
		if _, err := lane.Publish(context.Background(), out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{1 << 10, 4 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("size=%d/batch=1000", size), func(b *testing.B) { benchmarkPublish(b, min(1000, (16<<20)/size), size) })
	}
	b.Run("size=1024/batch=100", func(b *testing.B) { benchmarkPublish(b, 100, 1<<10) })
	b.Run("size=1024/batch=2", func(b *testing.B) { benchmarkPublish(b, 2, 1<<10) })
}

func BenchmarkFetch(b *testing.B) {
	for _, size := range []int{128, 1 << 10} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			c := embeddedConn(b)
			lane := openLane(b, c, LaneConfig{Lane: "bench", Writer: "w"})
			out := make([]Outgoing, MaxBatch)
			for i := range out {
				out[i] = Outgoing{Subject: proto.DataSubject("bench", fmt.Sprint(i/20), "project"), Data: document(size)}
			}
			const stored = 200
			for range stored {
				publish(b, lane, out)
			}
			total := stored * MaxBatch
			b.SetBytes(int64(size))
			b.ResetTimer()
			for n := 0; n < b.N; {
				k := openConsumer(b, c, ConsumerConfig{Name: "bench"})
				for got := 0; got < total && n < b.N; {
					messages, err := k.Fetch(context.Background(), FetchLimit{Messages: 10_000})
					if err != nil {
						b.Fatal(err)
					}
					got, n = got+len(messages), n+len(messages)
					if err := k.AckAll(context.Background(), messages[len(messages)-1].Seq); err != nil {
						b.Fatal(err)
					}
				}
				k.Close()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}
