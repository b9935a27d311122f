package bronze

import (
	"context"
	"fmt"

	"claude-analytics/internal/warehouse"
)

// BeginRebuild notes that the table is being filled from the lake and is not whole until FinishRebuild. One that was
// interrupted goes on.
func (b *Bronze) BeginRebuild(ctx context.Context) error {
	return b.db.Write(ctx, "begin rebuild", beginRebuild)
}

func beginRebuild(ctx context.Context, tx *warehouse.Tx) error {
	_, err := tx.Exec(ctx, `INSERT INTO meta.rebuilds BY NAME SELECT now() AS began_at WHERE NOT EXISTS (FROM meta.rebuilds WHERE finished_at IS NULL)`)
	return err
}

// FinishRebuild notes that the table holds what the lake holds, but for files that could not be read.
func (b *Bronze) FinishRebuild(ctx context.Context, leftOut int) error {
	return b.db.Write(ctx, "finish rebuild", func(ctx context.Context, tx *warehouse.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE meta.rebuilds SET finished_at = now(), left_out = $1 WHERE finished_at IS NULL`, leftOut)
		return err
	})
}

// LeftOutSQL is how many files of the lake the newest finished rebuild could not read: their rows are missing until another one
// finds them whole.
const LeftOutSQL = `SELECT coalesce((SELECT left_out FROM meta.rebuilds WHERE finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT 1), 0)::BIGINT`

// LeftOut is what LeftOutSQL finds.
func (b *Bronze) LeftOut(ctx context.Context) (files int64, err error) {
	err = b.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		return tx.QueryRow(ctx, LeftOutSQL).Scan(&files)
	})
	if err != nil {
		return 0, fmt.Errorf("read rebuilds: %w", err)
	}
	return files, nil
}

// Rebuilding reports whether a rebuild was begun and not finished: then the table is not whole.
func (b *Bronze) Rebuilding(ctx context.Context) (unfinished bool, err error) {
	err = b.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) > 0 FROM meta.rebuilds WHERE finished_at IS NULL`).Scan(&unfinished)
	})
	if err != nil {
		return false, fmt.Errorf("read rebuilds: %w", err)
	}
	return unfinished, nil
}
