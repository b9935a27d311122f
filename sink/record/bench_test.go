package record

import (
	"testing"

	"claude-analytics/internal/document"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// One micro-batch of 10,000 documents, converted and built, by document.
func BenchmarkConvertAndBuild(b *testing.B) {
	line := []byte(`{"type":"user","uuid":"0aa3b9f2-0000-4c2e-a0a1-000000000000","sessionId":"4d5611e5-241a-462a-8d15-5122611a9569","timestamp":"2026-02-12T10:00:00Z",` +
		`"cwd":"/home/dev/app","version":"2.1.63","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"` + string(make1k()) + `"}]},"toolUseResult":{"stdout":"x","interrupted":false}}`)
	doc, err := document.FromJSON(nil, line, document.Extra{ID: [12]byte{1}})
	if err != nil {
		b.Fatal(err)
	}
	c := change(doc)
	rows, blocks := NewConversations(memory.DefaultAllocator, false), NewBlocks(memory.DefaultAllocator)
	defer rows.Release()
	defer blocks.Release()
	var v document.Converter
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%10_000 == 0 {
			rows.Build().Release()
			blocks.Build().Release()
			rows.Reserve(10_000)
			blocks.Reserve(10_000)
		}
		row, list, err := v.Convert(c, 1, uint64(i))
		if err != nil {
			b.Fatal(err)
		}
		rows.Append(&row)
		for j := range list {
			blocks.Append(&list[j])
		}
	}
}

func make1k() []byte {
	text := make([]byte, 1000)
	for i := range text {
		text[i] = "abcdefgh "[i%9]
	}
	return text
}
