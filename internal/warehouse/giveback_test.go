package warehouse

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestGiveBack: what DuckDB holds of the file is forgotten, the log is in the file, and everything is as before otherwise.
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

// TestGiveBackCannotOpen: whoever asks next opens the file, once it can be opened.
func TestGiveBackCannotOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.duckdb")
	db := open(t, Config{Path: path})
	write(t, db, "CREATE TABLE numbers AS SELECT 1 AS n")
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if done, err := db.GiveBack(t.Context()); err == nil || done {
		t.Fatalf("given back (%t) although the file cannot be opened", done)
	}
	read := func() error { return db.Read(t.Context(), func(context.Context, *Tx) error { return nil }) }
	if read() == nil {
		t.Error("read from a file that is not there")
	}
	if err := errors.Join(os.Remove(path), os.Rename(path+".away", path)); err != nil {
		t.Fatal(err)
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	if got := value(t, db, "SELECT count(*) FROM numbers"); got != "1" {
		t.Errorf("%s rows, want 1", got)
	}
}
