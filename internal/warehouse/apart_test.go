package warehouse

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// write runs one statement as a writer of its own.
func write(t *testing.T, db *DB, statement string) {
	t.Helper()
	if err := db.Write(t.Context(), "test", func(ctx context.Context, tx *Tx) error {
		_, err := tx.Exec(ctx, statement)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// While one writer works apart others write; what it made before stays, what it reads of the file goes on, and it has its
// turn again afterwards.
func TestApart(t *testing.T) {
	db := open(t, Config{Path: t.TempDir() + "/w.duckdb"})
	write(t, db, "CREATE TABLE numbers AS SELECT 1 AS n")
	count := func(ctx context.Context, tx *Tx, query string) (n int) {
		t.Helper()
		if err := tx.QueryRow(ctx, query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	var others sync.WaitGroup
	defer others.Wait()
	err := db.Write(t.Context(), "test", func(ctx context.Context, tx *Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO numbers VALUES (2); CREATE TEMP TABLE copied AS FROM numbers"); err != nil {
			return err
		}
		err := tx.Apart(ctx, func(ctx context.Context) error {
			write(t, db, "INSERT INTO numbers VALUES (3)")
			if n := count(ctx, tx, "SELECT count(*) FROM copied"); n != 2 {
				t.Errorf("%d rows in the temporary table, want 2", n)
			}
			_, err := tx.Exec(ctx, restart+"; CREATE TEMP TABLE sums AS SELECT sum(n) AS s FROM copied")
			return err
		})
		if err != nil {
			return err
		}
		others.Go(func() { write(t, db, "INSERT INTO numbers VALUES (4)") }) // waits until we are done
		time.Sleep(20 * time.Millisecond)
		if n := count(ctx, tx, "SELECT count(*) FROM numbers"); n != 3 {
			t.Errorf("%d rows while it is our turn, want 3", n)
		}
		_, err = tx.Exec(ctx, "INSERT INTO numbers SELECT s * 100 FROM sums")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	others.Wait()
	if got := value(t, db, "SELECT list(n ORDER BY n)::VARCHAR FROM numbers"); got != "[1, 2, 3, 4, 300]" {
		t.Errorf("numbers = %s", got)
	}
}

// Work apart that fails leaves what was committed before, and the queue to others.
func TestApartFails(t *testing.T) {
	db := open(t, Config{Path: t.TempDir() + "/w.duckdb"})
	failure := errors.New("no more")
	err := db.Write(t.Context(), "test", func(ctx context.Context, tx *Tx) error {
		if _, err := tx.Exec(ctx, "CREATE TABLE kept AS SELECT 1 AS n"); err != nil {
			return err
		}
		return tx.Apart(ctx, func(ctx context.Context) error {
			_, err := tx.Exec(ctx, "SELECT 'no number'::INTEGER")
			return errors.Join(failure, err)
		})
	})
	if !errors.Is(err, failure) || errors.Is(err, ErrCalledBack) {
		t.Fatal(err)
	}
	write(t, db, "INSERT INTO kept VALUES (2)")
	if got := value(t, db, "SELECT count(*) FROM kept"); got != "2" {
		t.Errorf("%s rows, want 2", got)
	}
}

func TestReadersHaveNoTurnToLeave(t *testing.T) {
	db := open(t, Config{Path: t.TempDir() + "/w.duckdb"})
	err := db.Read(t.Context(), func(ctx context.Context, tx *Tx) error {
		return tx.Apart(ctx, func(context.Context) error { return nil })
	})
	if err == nil {
		t.Error("a reader worked apart")
	}
}

// Whoever replaces or closes the file does not wait for work apart, nor does it for him, whatever else waits for either.
func TestApartIsCalledBack(t *testing.T) {
	for name, seize := range map[string]func(*DB) error{
		"rewrite": func(db *DB) error { _, err := db.Rewrite(context.Background()); return err },
		"reopen":  func(db *DB) error { db.broken.Store(true); return db.reopen() },
		"close":   (*DB).Close,
	} {
		for _, busy := range []bool{false, true} { // in a statement when it is called back, or waiting for its turn
			t.Run(name, func(t *testing.T) {
				db := open(t, Config{Path: t.TempDir() + "/w.duckdb"})
				write(t, db, "CREATE TABLE numbers AS SELECT 1 AS n")
				away := make(chan struct{})
				var seized error
				var others sync.WaitGroup
				others.Go(func() {
					<-away
					seized = seize(db)
				})
				err := db.Write(t.Context(), "test", func(ctx context.Context, tx *Tx) error {
					return tx.Apart(ctx, func(ctx context.Context) error {
						close(away)
						if busy {
							_, err := tx.Exec(ctx, "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 7")
							return err
						}
						<-ctx.Done()
						return nil
					})
				})
				if !errors.Is(err, ErrCalledBack) {
					t.Errorf("busy %t: %v, want to be called back", busy, err)
				}
				others.Wait()
				if seized != nil {
					t.Error(seized)
				}
				if name == "close" {
					return
				}
				write(t, db, "INSERT INTO numbers VALUES (2)")
				if got := value(t, db, "SELECT count(*) FROM numbers"); got != "2" {
					t.Errorf("%s rows, want 2", got)
				}
			})
		}
	}
}

// Once someone waits for the instance, nobody leaves the queue any more: he would wait for both.
func TestApartStaysWhenSomeoneWaits(t *testing.T) {
	db := open(t, Config{Path: t.TempDir() + "/w.duckdb"})
	var closing sync.WaitGroup
	err := db.Write(t.Context(), "test", func(ctx context.Context, tx *Tx) error {
		closing.Go(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		for waiting := false; !waiting; time.Sleep(time.Millisecond) {
			tx.away.mu.Lock()
			waiting = tx.away.wanted > 0
			tx.away.mu.Unlock()
		}
		return tx.Apart(ctx, func(ctx context.Context) error {
			if !tx.place.held {
				t.Error("left the queue")
			}
			_, err := tx.Exec(ctx, "CREATE TABLE kept AS SELECT 1 AS n")
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	closing.Wait()
}

// After its turn a writer reads on while others write; whoever closes the file waits for it.
func TestEndTurn(t *testing.T) {
	db := open(t, Config{Path: t.TempDir() + "/w.duckdb"})
	write(t, db, "CREATE TABLE numbers AS SELECT 1 AS n")
	closed := make(chan error, 1)
	err := db.Write(t.Context(), "test", func(ctx context.Context, tx *Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO numbers VALUES (2); "+restart); err != nil {
			return err
		}
		tx.EndTurn()
		write(t, db, "INSERT INTO numbers VALUES (3)")
		go func() { closed <- db.Close() }()
		time.Sleep(20 * time.Millisecond)
		var n int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM numbers").Scan(&n); err != nil {
			return err
		}
		if n < 2 {
			t.Errorf("%d rows, two were committed", n)
		}
		select {
		case err := <-closed:
			t.Errorf("closed while it is read: %v", err)
		default:
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
