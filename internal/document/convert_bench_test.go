package document

import (
	"testing"

	"claude-analytics/proto"
)

func changesOf(tb testing.TB, lines [][]byte) []*proto.Change {
	tb.Helper()
	changes := make([]*proto.Change, len(lines))
	for i, line := range lines {
		doc, _, err := FromJSONPrefix(nil, line, Extra{ID: [12]byte{byte(i >> 16), byte(i >> 8), byte(i)}, ProjectID: "-p", SourceFile: "/h/projects/-p/s.jsonl"})
		if err != nil {
			tb.Fatalf("line %d: %v", i, err)
		}
		changes[i] = &proto.Change{Version: 1, Source: "host", Id: "000000000000000000000000", Document: doc, ExtractedAtMicros: 1770000000000000}
	}
	return changes
}

func BenchmarkConvert(b *testing.B) {
	run := func(b *testing.B, lines [][]byte) {
		changes := changesOf(b, lines)
		total := 0
		for _, c := range changes {
			total += len(c.Document)
		}
		b.SetBytes(int64(total / len(lines)))
		b.ReportAllocs()
		var v Converter
		for i := 0; b.Loop(); i++ {
			if _, _, err := v.Convert(changes[i%len(changes)], 1, uint64(i)); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("made", func(b *testing.B) { run(b, madeLines(2000)) })
	b.Run("real", func(b *testing.B) { run(b, realLines(b)) })
}
