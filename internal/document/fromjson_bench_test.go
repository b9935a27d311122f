package document

import (
	"testing"
	"time"
)

func BenchmarkFromJSON(b *testing.B) {
	extra := Extra{ID: [12]byte{1}, ProjectID: "-home-dev-src-app", SourceFile: "/home/dev/.claude/projects/-home-dev-src-app/4d5611e5.jsonl", IngestedAt: time.Unix(1770000000, 0)}
	run := func(b *testing.B, lines [][]byte) {
		total := 0
		for _, line := range lines {
			total += len(line)
		}
		b.SetBytes(int64(total / len(lines)))
		b.ReportAllocs()
		var dst []byte
		var err error
		for i := 0; b.Loop(); i++ {
			if dst, _, err = FromJSONPrefix(dst[:0], lines[i%len(lines)], extra); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("made", func(b *testing.B) { run(b, madeLines(2000)) })
	b.Run("real", func(b *testing.B) { run(b, realLines(b)) })
}
