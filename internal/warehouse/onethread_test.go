package warehouse

import (
	"context"
	"testing"
)

// A writer's turn on one thread leaves the number of threads as it found it.
func TestOneThreadForAWhile(t *testing.T) {
	db := open(t, Config{Path: t.TempDir() + "/w.duckdb", Threads: 2})
	threads := func(ctx context.Context, tx *Tx) (n int64) {
		if err := tx.QueryRow(ctx, "SELECT current_setting('threads')::BIGINT").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 2 {
		err := db.Write(t.Context(), "test", func(ctx context.Context, tx *Tx) error {
			back, err := tx.OnOneThread(ctx)
			if err != nil {
				return err
			}
			if n := threads(ctx, tx); n != 1 {
				t.Errorf("%d threads, not one", n)
			}
			if _, err := tx.Exec(ctx, "ROLLBACK; BEGIN TRANSACTION"); err != nil {
				return err
			}
			if err := back(); err != nil {
				return err
			}
			if n := threads(ctx, tx); n != 2 {
				t.Errorf("%d threads, not two", n)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
