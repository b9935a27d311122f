package redact_test

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"claude-analytics/internal/document"
	"claude-analytics/internal/redact"
)

// transcripts reads the documents of a folder of transcripts.
func transcripts(tb testing.TB, dir string) (docs []bson.Raw) {
	tb.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".jsonl") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(bytes.NewReader(data))
		lines.Buffer(nil, 64<<20)
		var decoder document.Decoder
		for lines.Scan() {
			raw, _, err := decoder.Prefix(nil, lines.Bytes(), document.Extra{ProjectID: "p", SourceFile: path, IngestedAt: time.Now()})
			if err == nil {
				docs = append(docs, raw)
			}
		}
		return lines.Err()
	})
	if err != nil {
		tb.Fatal(err)
	}
	return docs
}

// corpus is TRANSCRIPTS, or what the generator wrote to GENERATED.
func corpus(tb testing.TB) []bson.Raw {
	dir := os.Getenv("TRANSCRIPTS")
	if dir == "" {
		tb.Skip("TRANSCRIPTS names no folder of transcripts")
	}
	if _, err := os.Stat(dir); err != nil {
		tb.Skipf("no transcripts at TRANSCRIPTS=%q: skipped", dir)
	}
	return transcripts(tb, dir)
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func BenchmarkDocument(b *testing.B) {
	docs := corpus(b)
	rules, err := redact.Load("")
	if err != nil {
		b.Fatal(err)
	}
	size := 0
	for _, doc := range docs {
		size += len(doc)
		rules.Document(doc)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	before := cpuTime()
	for b.Loop() {
		for _, doc := range docs {
			rules.Document(doc)
		}
	}
	// The machine may be shared: what counts is the processor's time.
	used := (cpuTime() - before).Seconds()
	b.ReportMetric(float64(len(docs)*b.N)/used, "docs/cpu-s")
	b.ReportMetric(float64(size)*float64(b.N)/1e6/used, "MB/cpu-s")
}
