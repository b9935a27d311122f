package bronze

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/rs/zerolog"

	"claude-analytics/internal/document"
	"claude-analytics/internal/warehouse"
	"claude-analytics/sink/record"
)

// doc is a document as the tests think of it: what tells it apart, and a body.
type doc struct {
	source, namespace, id string
	session               string
	date                  int32
	order                 Order
	body                  string
	blocks                int
}

// openWarehouse opens a warehouse in a folder of its own, closed with the test.
func openWarehouse(t testing.TB, cfg warehouse.Config) *warehouse.DB {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(t.TempDir(), "analytics.duckdb")
	}
	db := warehouse.New(cfg, zerolog.Nop())
	if err := db.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// batchOf builds a batch of those documents as the sink would; the records are released with the test.
func batchOf(t testing.TB, docs []doc) Batch {
	t.Helper()
	rows, blocks := record.NewConversations(memory.DefaultAllocator, false), record.NewBlocks(memory.DefaultAllocator)
	defer rows.Release()
	defer blocks.Release()
	var batch Batch
	for i, d := range docs {
		row := rowOf(d)
		var own []document.Block
		for k := range d.blocks {
			own = append(own, document.Block{
				Source: d.source, ID: d.id, BlockIndex: int32(k), SessionID: row.SessionID, Date: row.Date,
				BlockType: "text", Text: document.Some(d.body), CharLen: int64(len(d.body)),
			})
			blocks.Append(&own[k])
			batch.BlockRows = append(batch.BlockRows, int32(i))
		}
		rows.Append(&row)
		for _, key := range document.LinkKeys(&row, own) {
			batch.Links = append(batch.Links, Link{Row: int32(i), Key: key})
		}
	}
	if len(docs) > 0 {
		batch.Rows = rows.Build()
		t.Cleanup(batch.Rows.Release)
	}
	if len(batch.BlockRows) > 0 {
		batch.Blocks = blocks.Build()
		t.Cleanup(batch.Blocks.Release)
	}
	return batch
}

func rowOf(d doc) document.Row {
	at := document.Timestamp(int64(d.date) * 24 * 3600 * 1e6)
	row := document.Row{
		ID: d.id, Type: "user", ExtractedAt: at, Date: document.Date(d.date), Source: d.source, Namespace: d.namespace,
		Epoch: int64(d.order.Epoch), Seq: int64(d.order.Seq), EffectiveTimestamp: at, TimestampSource: "timestamp",
		ResponseKey: "r" + d.id, UUID: document.Some("u-" + d.id), MessageContent: document.Some(d.body),
		SourceType: document.Some("user"), ProjectID: document.Some("-home-p"),
		MessageRole: document.Some("user"), Timestamp: document.Some(at), IngestedAt: document.Some(at),
	}
	if d.session != "" {
		row.SessionID = document.Some(d.session)
	}
	return row
}

// words is text that compresses about as prose does.
func words(r *rand.Rand, size int) string {
	var b strings.Builder
	for b.Len() < size {
		fmt.Fprintf(&b, "%s ", vocabulary[int(float64(len(vocabulary))*r.Float64()*r.Float64())])
	}
	return b.String()[:size]
}

var vocabulary = func() []string {
	r := rand.New(rand.NewPCG(1, 2))
	list := make([]string, 4000)
	for i := range list {
		word := make([]byte, 2+r.IntN(9))
		for k := range word {
			word[k] = byte('a' + r.IntN(26))
		}
		list[i] = string(word)
	}
	return list
}()

func place(seq uint64) *Watermark {
	return &Watermark{Consumer: "warehouse", Stream: "CONVERSATIONS", Created: time.Unix(1_700_000_000, 0), Epoch: 1, Seq: seq, Time: time.Unix(1_700_000_000, 0), Seen: seq}
}
