package warehouse

import (
	"context"
	"testing"
)

// TestGiveBack: what DuckDB holds of the file is forgotten, and everything is as before otherwise.
func TestGiveBack(t *testing.T) {
	db := open(t, Config{MemoryLimit: "400MB", Threads: 1})
	ctx := context.Background()
	err := db.Write(ctx, "fill", func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, "CREATE TABLE meta.much AS SELECT hash(i) AS h, md5(i::VARCHAR) AS m FROM range(6000000) r(i)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	one := func(query string) (n int64) {
		err := db.Read(ctx, func(ctx context.Context, tx *Tx) error { return tx.QueryRow(ctx, query).Scan(&n) })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const (
		read = "SELECT count(DISTINCT m[:3]) + sum(h % 2)::BIGINT FROM meta.much"
		held = "SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory()"
	)
	want, before := one(read), one(held)
	if done, err := db.GiveBack(ctx); err != nil || !done {
		t.Fatal(done, err)
	}
	if after := one(held); after > 64<<20 || after > before/2 {
		t.Errorf("DuckDB holds %d bytes, %d before", after, before)
	}
	if got := one(read); got != want {
		t.Errorf("read %d, want %d", got, want)
	}
	if again := one(held); again <= 64<<20 {
		t.Errorf("it may hold no more than %d bytes from now on", again)
	}
}

// TestGiveBackInUse: what somebody works with stays, and nobody is disturbed.
func TestGiveBackInUse(t *testing.T) {
	db := open(t, Config{MemoryLimit: "400MB", Threads: 1})
	err := db.Write(context.Background(), "work", func(ctx context.Context, tx *Tx) error {
		if _, err := tx.Exec(ctx, "CREATE TEMP TABLE mine AS SELECT hash(i) AS h FROM range(12000000) r(i)"); err != nil {
			return err
		}
		if done, err := db.GiveBack(ctx); err != nil || done {
			t.Errorf("given back while somebody works: %t, %v", done, err)
		}
		var n int64
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM mine").Scan(&n); err != nil {
			return err
		}
		if n != 12_000_000 {
			t.Errorf("%d rows are left", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
