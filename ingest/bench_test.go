package ingest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"claude-analytics/internal/stream"
)

// BenchmarkSourceToStream publishes what a folder holds: TRANSCRIPTS, or generated records of 1 KB.
func BenchmarkSourceToStream(b *testing.B) {
	dir := os.Getenv("TRANSCRIPTS")
	if dir == "" {
		d := newTree(b)
		dir = d.dir
		for n := range 50 {
			var text strings.Builder
			for i := range 1000 {
				fmt.Fprintf(&text, `{"type":"user","sessionId":"%d","uuid":"%d-%d","message":{"role":"user","content":"%s"}}`+"\n", n, n, i, strings.Repeat("word ", 180))
			}
			d.write(fmt.Sprintf("-p/%d.jsonl", n), text.String())
		}
	}
	var total Status
	for b.Loop() {
		b.StopTimer()
		conn := stream.New(stream.Config{Dir: b.TempDir(), Port: -1}, zerolog.Nop())
		if err := conn.Open(context.Background()); err != nil {
			b.Fatal(err)
		}
		i := New(Config{Lane: "laptop", Folders: []Folder{{Path: dir}}, Once: true}, conn, zerolog.Nop(), nil)
		b.StartTimer()
		if err := i.Run(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		total = i.Status()
		if err := conn.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.SetBytes(total.Bytes)
	b.ReportMetric(float64(total.Documents*int64(b.N))/b.Elapsed().Seconds(), "docs/s")
}
