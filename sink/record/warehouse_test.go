package record

import (
	"context"
	"path/filepath"
	"testing"

	"claude-analytics/internal/document"
	"claude-analytics/internal/warehouse"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/rs/zerolog"
)

// insert appends a batch to a bronze table as it is.
func insert(ctx context.Context, t *testing.T, tx *warehouse.Tx, table string, batch arrow.RecordBatch) error {
	t.Helper()
	defer batch.Release()
	reader, err := array.NewRecordReader(batch.Schema(), []arrow.RecordBatch{batch})
	if err != nil {
		return err
	}
	defer reader.Release()
	release, err := tx.RegisterArrow("batch", reader)
	if err != nil {
		return err
	}
	defer release()
	_, err = tx.Exec(ctx, "INSERT INTO "+table+" BY NAME SELECT *, 0::UBIGINT AS _key FROM batch")
	return err
}

// DuckDB takes the batches as they are: the types, the ends of their ranges, NUL characters in texts.
func TestDuckDBTakesTheBatches(t *testing.T) {
	ctx := t.Context()
	db := warehouse.New(warehouse.Config{Path: filepath.Join(t.TempDir(), "analytics.duckdb"), Threads: 1}, zerolog.Nop())
	if err := db.Open(ctx); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	doc, err := document.FromJSON(nil, []byte(`{"type":"user","ingestedAt":"0001-01-01T00:00:00Z","timestamp":"9999-12-31T23:59:59.999999Z","costUSD":0.5,"uuid":"a\u0000b",`+
		`"message":{"content":[{"type":"tool_use","id":"t","input":{"a\n":"\u0000"}}]}}`), document.Extra{ID: [12]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	c := change(doc)
	row, blocks := rowOf(t, c, 1, 2)
	rows, exploded := NewConversations(memory.DefaultAllocator, true), NewBlocks(memory.DefaultAllocator)
	defer rows.Release()
	defer exploded.Release()
	rows.Append(&row)
	for i := range blocks {
		exploded.Append(&blocks[i])
	}
	err = db.Write(ctx, "insert", func(ctx context.Context, tx *warehouse.Tx) error {
		if err := insert(ctx, t, tx, "raw.conversations", rows.Build()); err != nil {
			return err
		}
		return insert(ctx, t, tx, "raw.content_blocks", exploded.Build())
	})
	if err != nil {
		t.Fatal(err)
	}
	var got [6]string
	err = db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		return tx.QueryRow(ctx, `SELECT c.timestamp::VARCHAR, c.ingested_at::VARCHAR, c.date::VARCHAR, c.cost_usd::VARCHAR, hex(c.uuid), b.input
			FROM raw.conversations c JOIN raw.content_blocks b USING (source, _id) WHERE c.doc_raw IS NOT NULL`).
			Scan(&got[0], &got[1], &got[2], &got[3], &got[4], &got[5])
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := [6]string{"9999-12-31 23:59:59.999999+00", "0001-01-01 00:00:00+00", "9999-12-31", "0.500000000", "610062", `{"a\n":"\u0000"}`}; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
