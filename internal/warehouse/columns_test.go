package warehouse

import (
	"context"
	"path/filepath"
	"testing"
)

// A file of an earlier release gets the columns that it lacks, and keeps its rows.
func TestMissingColumnsAreAdded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "analytics.duckdb")
	db := open(t, Config{Path: path})
	run(t, db, `INSERT INTO raw.content_blocks BY NAME SELECT 's' AS source, '1' AS _id, 0 AS block_index, DATE '2026-01-01' AS date,
		'text' AS block_type, 1 AS char_len, 1 AS _key`,
		"ALTER TABLE raw.content_blocks DROP COLUMN file_path", "ALTER TABLE raw.conversations DROP COLUMN result_lines_added")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, Config{Path: path})
	var blocks, rows int
	err := db.Read(context.Background(), func(ctx context.Context, tx *Tx) error {
		return tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM raw.content_blocks WHERE file_path IS NULL),
			(SELECT count(result_lines_added) FROM raw.conversations)`).Scan(&blocks, &rows)
	})
	if err != nil || blocks != 1 || rows != 0 {
		t.Errorf("%d blocks, %d rows, %v", blocks, rows, err)
	}
}
