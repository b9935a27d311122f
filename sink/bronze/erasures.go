package bronze

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"claude-analytics/internal/warehouse"
)

// Erasure is what stays on record of an erasure.
type Erasure struct {
	Number      int
	Kind        string
	SubjectHash string
	ErasedAt    time.Time
	Rows        int64
	UpTo        Order
	// Keys are hashes of _id by source.
	Keys map[string][]string
}

// KeepErasures makes the warehouse's record of erasures this one.
func (b *Bronze) KeepErasures(ctx context.Context, all []Erasure) error {
	known := 0
	err := b.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM meta.erasures`).Scan(&known)
	})
	if err != nil {
		return fmt.Errorf("read erasures: %w", err)
	}
	if known == len(all) {
		return nil // erasures are only ever added
	}
	return b.db.Write(ctx, "record erasures", func(ctx context.Context, tx *warehouse.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM meta.erasures; DELETE FROM meta.erased_keys`); err != nil {
			return err
		}
		type pair struct{ source, hash string }
		var pairs []pair
		seen := map[pair]bool{}
		for _, e := range all {
			_, err := tx.Exec(ctx, `INSERT INTO meta.erasures VALUES ($1, $2, $3, nullif($4, ''), $5, $6, $7)`,
				e.Number, e.ErasedAt.UTC(), e.Kind, e.SubjectHash, e.Rows, int64(e.UpTo.Epoch), int64(e.UpTo.Seq))
			if err != nil {
				return err
			}
			for source, hashes := range e.Keys {
				for _, hash := range hashes {
					if p := (pair{source, hash}); !seen[p] {
						seen[p] = true
						pairs = append(pairs, p)
					}
				}
			}
		}
		if len(pairs) == 0 {
			return nil
		}
		fields := []arrow.Field{{Name: "source", Type: arrow.BinaryTypes.String}, {Name: "id_hash", Type: arrow.BinaryTypes.String}}
		return appendTo(ctx, tx, "meta.erased_keys", build(len(pairs), fields, func(i int, builders []array.Builder) {
			builders[0].(*array.StringBuilder).Append(pairs[i].source)
			builders[1].(*array.StringBuilder).Append(pairs[i].hash)
		}))
	})
}
