package bronze

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"claude-analytics/internal/document"
	"claude-analytics/internal/warehouse"
)

// withRules returns the rows with the version of the rules that made them.
func withRules(rows arrow.RecordBatch) arrow.RecordBatch {
	builder := array.NewInt16Builder(memory.DefaultAllocator)
	defer builder.Release()
	builder.Reserve(int(rows.NumRows()))
	for range rows.NumRows() {
		builder.UnsafeAppend(document.RulesVersion)
	}
	column := builder.NewArray()
	defer column.Release()
	fields := append(append([]arrow.Field{}, rows.Schema().Fields()...), arrow.Field{Name: "_rules", Type: column.DataType()})
	arrays := append(append([]arrow.Array{}, rows.Columns()...), column)
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, rows.NumRows())
}

// OtherRules counts the rows that other conversion rules made than this release's.
func (b *Bronze) OtherRules(ctx context.Context) (rows int64, err error) {
	err = b.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM raw.conversations WHERE _rules IS DISTINCT FROM $1`, document.RulesVersion).Scan(&rows)
	})
	if err != nil {
		return 0, fmt.Errorf("count rows of other rules: %w", err)
	}
	return rows, nil
}
