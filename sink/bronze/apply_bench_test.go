package bronze

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/rs/zerolog"

	"claude-analytics/internal/document"
	"claude-analytics/internal/warehouse"
	"claude-analytics/sink/record"
)

// kilobyte is a document of about 1 KB of JSON.
func kilobyte(r *rand.Rand, i int) doc {
	return doc{
		source: "mongo", namespace: "claude_logs.conversations", id: fmt.Sprintf("%024x", i),
		session: fmt.Sprintf("session-%08d", i/200), date: int32(20_000 + i/50_000), order: Order{1, uint64(i)},
		body: words(r, 350), blocks: 1,
	}
}

func kilobytes(b *testing.B, from, n int) Batch {
	r := rand.New(rand.NewPCG(uint64(from), 7))
	rows, blocks := record.NewConversations(memory.DefaultAllocator, false), record.NewBlocks(memory.DefaultAllocator)
	defer rows.Release()
	defer blocks.Release()
	var batch Batch
	for i := range n {
		d := kilobyte(r, from+i)
		row := rowOf(d)
		row.UUID = document.Some(fmt.Sprintf("%08x-%04x-%04x-%012x", r.Uint32(), r.Uint32()>>16, r.Uint32()>>16, r.Uint64()>>16))
		row.ParentUUID = document.Some(fmt.Sprintf("%08x-%04x-%04x-%012x", r.Uint32(), r.Uint32()>>16, r.Uint32()>>16, r.Uint64()>>16))
		row.MessageRaw = document.Some(`{"role":"assistant","model":"claude-opus-4-8","content":[{"type":"text","text":"` + d.body + `"}],"usage":{"input_tokens":3,"cache_read_input_tokens":19000,"output_tokens":211}}`)
		row.RequestID = document.Some(fmt.Sprintf("req_%016x%08x", r.Uint64(), r.Uint32()))
		row.ResponseKey = fmt.Sprintf("msg_%016x%08x", r.Uint64(), r.Uint32())
		row.Model, row.Cwd, row.GitBranch = document.Some("claude-opus-4-8"), document.Some("/home/p/project"), document.Some("main")
		row.CLIVersion, row.UserType = document.Some("2.1.236"), document.Some("external")
		row.InputTokens, row.OutputTokens, row.CacheReadTokens = document.Some(int64(3)), document.Some(r.Int64N(2000)), document.Some(r.Int64N(90000))
		row.SourceFile = document.Some("/home/p/.claude/projects/-home-p/" + d.session + ".jsonl")
		row.Attributes = document.Some(`{"isVisibleInTranscriptOnly":false,"todos":[]}`)
		own := []document.Block{{Source: d.source, ID: d.id, SessionID: row.SessionID, Date: row.Date, BlockType: "text", Text: document.Some(d.body), CharLen: 350}}
		rows.Append(&row)
		blocks.Append(&own[0])
		batch.BlockRows = append(batch.BlockRows, int32(i))
		for _, key := range document.LinkKeys(&row, own) {
			batch.Links = append(batch.Links, Link{Row: int32(i), Key: key})
		}
	}
	batch.Rows, batch.Blocks = rows.Build(), blocks.Build()
	batch.Watermark = place(uint64(from + n))
	return batch
}

// prefill puts thin rows in, so that a large table is there at once.
func prefill(b *testing.B, db *warehouse.DB, rows int) {
	const step = 500_000
	for from := 0; from < rows; from += step {
		err := db.Write(context.Background(), "prefill", func(ctx context.Context, tx *warehouse.Tx) error {
			n := min(step, rows-from)
			_, err := tx.Exec(ctx, fmt.Sprintf(`INSERT INTO raw.conversations BY NAME SELECT printf('%%024x', i) AS _id, 'user' AS type, 'old-' || (i // 200) AS session_id,
				now() AS extracted_at, DATE '2020-01-01' + (i // 50000)::INT AS date, 'mongo' AS source, 'n' AS namespace, 0 AS _epoch, i AS _seq, now() AS effective_timestamp,
				'timestamp' AS timestamp_source, 'r' AS response_key, false AS is_meta, false AS is_compact_summary, false AS is_api_error, false AS is_nested, 1 AS redaction_version,
				hash(i) AS _key FROM range(%d, %d) r(i);
				INSERT INTO raw.content_blocks BY NAME SELECT printf('%%024x', i) AS _id, 'mongo' AS source, 0 AS block_index, DATE '2020-01-01' + (i // 50000)::INT AS date, 'text' AS block_type, 1 AS char_len, hash(i) AS _key FROM range(%d, %d) r(i)`,
				from, from+n, from, from+n))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkApply gives rows/s for new documents, for the same documents again, and for one at a time, on tables of
// several sizes (BENCH_ROWS for another).
func BenchmarkApply(b *testing.B) {
	sizes := []int{0, 1_000_000}
	if text := os.Getenv("BENCH_ROWS"); text != "" {
		var n int
		_, _ = fmt.Sscan(text, &n)
		sizes = []int{n}
	}
	for _, size := range sizes {
		db := openWarehouse(b, warehouse.Config{Threads: 2, MemoryLimit: os.Getenv("BENCH_MEMORY")})
		prefill(b, db, size)
		bronze := New(Config{}, db, zerolog.Nop())
		next := 10_000_000
		// measure applies batches and reports the mean, checkpoints included, and the best, which other load disturbs less.
		measure := func(b *testing.B, n int, from func() int) {
			best := time.Duration(1 << 62)
			b.StopTimer()
			for range b.N {
				batch := kilobytes(b, from(), n)
				began := time.Now()
				b.StartTimer()
				if _, err := bronze.Apply(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				best = min(best, time.Since(began))
				batch.Rows.Release()
				batch.Blocks.Release()
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(n)/best.Seconds(), "best-rows/s")
			b.ReportMetric(float64(best.Microseconds())/1000, "best-ms")
		}
		for _, n := range []int{10_000, 1000, 1} {
			b.Run(fmt.Sprintf("table=%d/new=%d", size, n), func(b *testing.B) {
				measure(b, n, func() int { next += n; return next - n })
			})
		}
		for _, n := range []int{10_000, 1000, 1} {
			again := 10_000_000
			b.Run(fmt.Sprintf("table=%d/again=%d", size, n), func(b *testing.B) {
				measure(b, n, func() int { again += n; return again - n })
			})
		}
	}
}
