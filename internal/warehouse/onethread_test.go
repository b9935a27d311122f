package warehouse

import (
	"context"
	"testing"

	"github.com/duckdb/duckdb-go/v2"
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
			err := tx.OnOneThread(ctx, 0, func() error {
				if n := threads(ctx, tx); n != 1 {
					t.Errorf("%d threads, not one", n)
				}
				_, err := tx.Exec(ctx, "ROLLBACK; BEGIN TRANSACTION")
				return err
			})
			if err != nil {
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

// Where there are more threads than the caller would give up, all of them stay.
func TestOneThreadOfFew(t *testing.T) {
	db := open(t, Config{Path: t.TempDir() + "/w.duckdb", Threads: 3})
	for _, c := range []struct{ most, want int64 }{{0, 1}, {2, 3}, {3, 1}} {
		err := db.Write(t.Context(), "test", func(ctx context.Context, tx *Tx) error {
			return tx.OnOneThread(ctx, c.most, func() error {
				var n int64
				if err := tx.QueryRow(ctx, "SELECT current_setting('threads')::BIGINT").Scan(&n); err != nil {
					return err
				}
				if n != c.want {
					t.Errorf("%d threads where at most %d are given up, want %d", n, c.most, c.want)
				}
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A turn that fails, and with it its transaction, leaves it so too.
func TestOneThreadThenFailure(t *testing.T) {
	db := open(t, Config{Path: t.TempDir() + "/w.duckdb", Threads: 2})
	err := db.Write(t.Context(), "test", func(ctx context.Context, tx *Tx) error {
		return tx.OnOneThread(ctx, 0, func() error {
			_, err := tx.Exec(ctx, "SELECT 'no number'::INTEGER")
			return err
		})
	})
	if !isType(err, duckdb.ErrorTypeConversion) {
		t.Fatal(err)
	}
	err = db.Read(t.Context(), func(ctx context.Context, tx *Tx) error {
		var n int64
		if err := tx.QueryRow(ctx, "SELECT current_setting('threads')::BIGINT").Scan(&n); err != nil {
			return err
		}
		if n != 2 {
			t.Errorf("%d threads, not two", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
