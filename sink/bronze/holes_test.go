package bronze

import (
	"fmt"
	"testing"

	"github.com/rs/zerolog"

	"claude-analytics/internal/warehouse"
)

// TestManyHoles: a batch in which every other row is superseded by the next takes no more room than its rows.
func TestManyHoles(t *testing.T) {
	db := openWarehouse(t, warehouse.Config{MemoryLimit: "1GiB"})
	b := New(Config{}, db, zerolog.Nop())
	const keys = 5000
	docs := make([]doc, 0, 2*keys)
	for i := range keys {
		for version := range 2 {
			docs = append(docs, doc{
				source: "mongo", namespace: "d.c", id: fmt.Sprintf("%024x", i), session: fmt.Sprint("s", i%500), date: 20_000,
				order: Order{1, uint64(2*i + version + 1)}, body: fmt.Sprint("version ", version), blocks: 1,
			})
		}
	}
	batch := batchOf(t, docs)
	batch.Watermark = place(2 * keys)
	if stats := apply(t, b, batch); stats.Inserted != keys {
		t.Errorf("%+v", stats)
	}
}
