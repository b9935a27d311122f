// Package record turns converted documents into Arrow record batches whose columns are those of the warehouse's bronze
// tables and of the lake's files.
package record

import (
	"claude-analytics/internal/document"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// MaxBytes is how large Builder.Bytes may become before Build must be called: Arrow's text columns hold 2 GiB each, and
// the next row must still fit.
const MaxBytes = 1 << 30

// Builder gathers rows into one record batch. It is not safe for concurrent use.
type Builder[T any] struct {
	columns []column[T]
	builder *array.RecordBuilder
	rows    int
	bytes   int64
	// sizes are what each column's texts take so far, bytes; perRow what they took by row in the last batch.
	sizes, perRow []int
}

func newBuilder[T any](mem memory.Allocator, columns []column[T]) *Builder[T] {
	return &Builder[T]{
		columns: columns, builder: array.NewRecordBuilder(mem, schemaOf(columns)),
		sizes: make([]int, len(columns)), perRow: make([]int, len(columns)),
	}
}

func schemaOf[T any](columns []column[T]) *arrow.Schema {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = c.field
	}
	return arrow.NewSchema(fields, nil)
}

// NewConversations builds rows of raw.conversations. Without storeRaw the column doc_raw stays NULL.
func NewConversations(mem memory.Allocator, storeRaw bool) *Builder[document.Row] {
	return newBuilder(mem, conversationColumns(storeRaw))
}

// NewBlocks builds rows of raw.content_blocks.
func NewBlocks(mem memory.Allocator) *Builder[document.Block] {
	return newBuilder(mem, blockColumns())
}

// Schema is what the batches are made of: the table's columns, in its order and types.
func (b *Builder[T]) Schema() *arrow.Schema { return b.builder.Schema() }

// Reserve makes room for that many rows more, of the last batch's size, so that a batch of known length seldom grows a
// column twice.
func (b *Builder[T]) Reserve(rows int) {
	b.builder.Reserve(rows)
	for i, size := range b.perRow {
		if texts, ok := b.builder.Field(i).(interface{ ReserveData(int) }); ok && size > 0 {
			texts.ReserveData(min(size*rows, maxReserve))
		}
	}
}

// maxReserve bounds what is reserved for one column's texts, should the last batch have held giants.
const maxReserve = 16 << 20

// Append adds one row; its texts are copied.
func (b *Builder[T]) Append(row *T) {
	for i := range b.columns {
		n := b.columns[i].append(b.builder.Field(i), row)
		b.sizes[i] += n
		b.bytes += int64(n)
	}
	b.rows++
}

// Rows is how many rows have been added since the last Build.
func (b *Builder[T]) Rows() int { return b.rows }

// Bytes is how much text and binary data those rows hold.
func (b *Builder[T]) Bytes() int64 { return b.bytes }

// Build returns the rows as a record batch, which the caller releases, and begins anew.
func (b *Builder[T]) Build() arrow.RecordBatch {
	for i, size := range b.sizes {
		if b.rows > 0 {
			b.perRow[i] = (size + b.rows - 1) / b.rows
		}
		b.sizes[i] = 0
	}
	b.rows, b.bytes = 0, 0
	return b.builder.NewRecordBatch()
}

// Release frees what has not been built.
func (b *Builder[T]) Release() { b.builder.Release() }
