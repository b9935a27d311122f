package bronze

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"claude-analytics/internal/warehouse"
)

// Letters are the sequences of an epoch's messages that could not be converted, in order.
func (b *Bronze) Letters(ctx context.Context, epoch uint64) (letters []uint64, err error) {
	err = b.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		letters = nil
		return each(ctx, tx, `SELECT DISTINCT _seq FROM meta.dead_letters WHERE _epoch = $1 ORDER BY 1`, func(scan func(...any) error) error {
			var seq uint64
			if err := scan(&seq); err != nil {
				return err
			}
			letters = append(letters, seq)
			return nil
		}, int64(epoch))
	})
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	return letters, nil
}

// forgetLetters removes the letters of messages that could be converted this time.
func (a *application) forgetLetters(ctx context.Context, tx *warehouse.Tx) error {
	var letters int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM meta.dead_letters`).Scan(&letters); err != nil || letters == 0 || a.plan.columns.n == 0 {
		return err
	}
	whole := arrow.PrimitiveTypes.Int64
	record := build(a.plan.columns.n, []arrow.Field{{Name: "_epoch", Type: whole}, {Name: "_seq", Type: whole}}, func(i int, builders []array.Builder) {
		builders[0].(*array.Int64Builder).Append(a.plan.columns.epoch.Value(i))
		builders[1].(*array.Int64Builder).Append(a.plan.columns.seq.Value(i))
	})
	if err := stage(tx, "bronze_orders", record); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `DELETE FROM meta.dead_letters d USING bronze_orders o WHERE d._epoch = o._epoch AND d._seq = o._seq`)
	a.noted += n
	return err
}
