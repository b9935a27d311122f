package bronze

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"claude-analytics/internal/warehouse"
)

// insert appends the record to a table, with its _key column, and without the rows that are not to be kept (keep nil:
// all are).
func insert(ctx context.Context, tx *warehouse.Tx, table string, record arrow.RecordBatch, keys []uint64, keep []bool) error {
	keyed := withKeys(record, keys)
	defer keyed.Release()
	if keep != nil {
		whole, err := kept(ctx, keyed, keep)
		if err != nil {
			return err
		}
		defer whole.Release()
		keyed = whole
	}
	return hand(keyed.Schema(), []arrow.RecordBatch{keyed}, func(reader array.RecordReader) error { return tx.InsertArrow(ctx, table, reader) })
}

// kept is a record of the rows that are to be kept, in one piece: each piece that DuckDB is given, however short, takes
// the room of a full one until the transaction ends, which for a batch full of updates is more than there is.
func kept(ctx context.Context, record arrow.RecordBatch, keep []bool) (arrow.RecordBatch, error) {
	builder := array.NewBooleanBuilder(memory.DefaultAllocator)
	defer builder.Release()
	builder.AppendValues(keep, nil)
	mask := builder.NewBooleanArray()
	defer mask.Release()
	whole, err := compute.FilterRecordBatch(ctx, record, mask, compute.DefaultFilterOptions())
	if err != nil {
		return nil, fmt.Errorf("take out the rows that are superseded: %w", err)
	}
	return whole, nil
}

// withKeys returns the record with the column _key beside its own.
func withKeys(record arrow.RecordBatch, keys []uint64) arrow.RecordBatch {
	builder := array.NewUint64Builder(memory.DefaultAllocator)
	defer builder.Release()
	builder.AppendValues(keys, nil)
	column := builder.NewArray()
	defer column.Release()
	fields := append(append([]arrow.Field{}, record.Schema().Fields()...), arrow.Field{Name: "_key", Type: column.DataType()})
	arrays := append(append([]arrow.Array{}, record.Columns()...), column)
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, record.NumRows())
}

// build makes a record of n rows; fill appends one row to the fields' builders.
func build(n int, fields []arrow.Field, fill func(i int, builders []array.Builder)) arrow.RecordBatch {
	builder := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer builder.Release()
	builder.Reserve(n)
	for i := range n {
		fill(i, builder.Fields())
	}
	return builder.NewRecordBatch()
}

// appendTo appends a record to a table and releases it.
func appendTo(ctx context.Context, tx *warehouse.Tx, table string, record arrow.RecordBatch) error {
	defer record.Release()
	return hand(record.Schema(), []arrow.RecordBatch{record}, func(reader array.RecordReader) error { return tx.InsertArrow(ctx, table, reader) })
}

// stage makes a record a temporary table, for as long as the transaction lasts, and releases it.
func stage(tx *warehouse.Tx, name string, record arrow.RecordBatch) error {
	defer record.Release()
	return hand(record.Schema(), []arrow.RecordBatch{record}, func(reader array.RecordReader) error {
		_, err := tx.RegisterArrow(name, reader)
		return err
	})
}

func hand(schema *arrow.Schema, records []arrow.RecordBatch, to func(array.RecordReader) error) error {
	reader, err := array.NewRecordReader(schema, records)
	if err != nil {
		return fmt.Errorf("hand over records: %w", err)
	}
	defer reader.Release()
	return to(reader)
}

// each runs a query and calls fn for every row.
func each(ctx context.Context, tx *warehouse.Tx, query string, fn func(scan func(...any) error) error, args ...any) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err says it
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
