package warehouse

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// QueryArrow is Query for programs: use is given the result as Arrow records, in DuckDB's own types, and must be done
// with them when it returns. truncated says that there was more than the limits allow.
func (d *DB) QueryArrow(ctx context.Context, query string, limits Limits, use func(array.RecordReader) error) (truncated bool, err error) {
	limits = limits.complete()
	err = d.ask(ctx, limits, func(ctx context.Context, tx *Tx) error {
		if _, ok := explains(query); ok {
			return refuse("a plan has no Arrow form: ask for JSON")
		}
		statement, err := inspect(ctx, tx.conn, query)
		if err != nil {
			return err
		}
		truncated, err = tx.arrowWithin(ctx, statement, nil, limits, use)
		return err
	})
	return truncated, err
}

// QueryArrow asks the newest copy, as DB.QueryArrow does.
func (c *Copy) QueryArrow(ctx context.Context, query string, limits Limits, use func(array.RecordReader) error) (truncated bool, version Version, err error) {
	err = c.on(func(db *DB, v Version) (err error) {
		version = v
		truncated, err = db.QueryArrow(ctx, query, limits, use)
		return beyondGold(err)
	})
	return truncated, version, err
}

// boundedReader ends at a number of rows, or after the record that passes a number of bytes.
type boundedReader struct {
	array.RecordReader
	rows, bytes int64
	current     arrow.RecordBatch
	truncated   bool
}

// Next implements array.RecordReader.
func (r *boundedReader) Next() bool {
	r.drop()
	if r.truncated {
		return false
	}
	if !r.RecordReader.Next() {
		return false
	}
	record := r.RecordReader.RecordBatch()
	if r.rows <= 0 || r.bytes <= 0 {
		r.truncated = record.NumRows() > 0
		return false
	}
	keep := min(record.NumRows(), r.rows)
	r.truncated = keep < record.NumRows()
	r.current = record.NewSlice(0, keep)
	r.rows -= keep
	r.bytes -= bufferSize(record)
	return true
}

func (r *boundedReader) drop() {
	if r.current != nil {
		r.current.Release()
		r.current = nil
	}
}

// RecordBatch implements array.RecordReader.
func (r *boundedReader) RecordBatch() arrow.RecordBatch { return r.current }

// Record implements array.RecordReader.
func (r *boundedReader) Record() arrow.RecordBatch { return r.current }

// Release implements array.RecordReader.
func (r *boundedReader) Release() {
	r.drop()
	r.RecordReader.Release()
}

// bufferSize is what a record's flat columns take up; nested ones count for their offsets alone.
func bufferSize(record arrow.RecordBatch) (size int64) {
	for _, column := range record.Columns() {
		for _, buffer := range column.Data().Buffers() {
			if buffer != nil {
				size += int64(buffer.Len())
			}
		}
	}
	return size
}
