package warehouse

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// What a writer shares is seen by those who work beside it, and gone when the write ends, however it does.
func TestBesideAWriter(t *testing.T) {
	db := open(t, Config{Path: filepath.Join(t.TempDir(), "analytics.duckdb"), Threads: 2})
	broken := errors.New("broken")
	for _, end := range []error{nil, broken} {
		var schema string
		err := db.Write(t.Context(), "share", func(ctx context.Context, tx *Tx) (err error) {
			if schema, err = tx.Shared(ctx); err != nil {
				return err
			}
			if again, err := tx.Shared(ctx); err != nil || again != schema {
				t.Errorf("shared twice: %s and %s, %v", schema, again, err)
			}
			if _, err := tx.Exec(ctx, "CREATE TABLE "+schema+".numbers AS SELECT range AS i FROM range(1000); COMMIT; BEGIN TRANSACTION"); err != nil {
				return err
			}
			var seen, turn atomic.Int64
			err = tx.Beside(ctx, 3, func(ctx context.Context, beside *Tx) error {
				var n int64
				if err := beside.QueryRow(ctx, "SELECT count(*) FROM "+schema+".numbers").Scan(&n); err != nil {
					return err
				}
				seen.Add(n)
				_, err := beside.Exec(ctx, "CREATE TABLE "+schema+".of_"+string(rune('a'+turn.Add(1)))+" AS FROM "+schema+".numbers")
				return err
			})
			if err != nil || seen.Load() != 3000 {
				t.Errorf("three beside saw %d rows, %v", seen.Load(), err)
			}
			if _, err := tx.Exec(ctx, "COMMIT; BEGIN TRANSACTION"); err != nil {
				return err
			}
			var n int
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM (FROM "+schema+".of_b UNION ALL FROM "+schema+".of_d)").Scan(&n); err != nil || n != 2000 {
				t.Errorf("of what was made beside %d rows are seen, %v", n, err)
			}
			return end
		})
		if !errors.Is(err, end) {
			t.Errorf("write: %v, want %v", err, end)
		}
		var left int
		if err := db.Read(t.Context(), func(ctx context.Context, tx *Tx) error {
			return tx.QueryRow(ctx, "SELECT count(*) FROM duckdb_schemas() WHERE schema_name LIKE 'shared_%'").Scan(&left)
		}); err != nil || left != 0 {
			t.Errorf("%d shared schemas are left, %v", left, err)
		}
	}
}

// If one of those beside fails, the others are told, and its error is the write's.
func TestBesideFails(t *testing.T) {
	db := open(t, Config{Path: filepath.Join(t.TempDir(), "analytics.duckdb"), Threads: 2})
	broken := errors.New("broken")
	var first atomic.Bool
	err := db.Write(t.Context(), "share", func(ctx context.Context, tx *Tx) error {
		return tx.Beside(ctx, 2, func(ctx context.Context, beside *Tx) error {
			if first.CompareAndSwap(false, true) {
				return broken
			}
			_, err := beside.Exec(ctx, "SELECT count(*) FROM range(10_000_000_000_000)")
			return err
		})
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}
