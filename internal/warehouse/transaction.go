package warehouse

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// Tx is an open transaction. It belongs to the function it was given to and ends with it.
type Tx struct {
	conn *sql.Conn
	inst *instance
	// place is the writer's in the queue, and away are those who have left theirs; nil for a reader.
	place *place
	away  *away
	// shared is the schema in memory that Shared has made; empty: none.
	shared string
}

// restart ends a transaction and begins another.
const restart = "COMMIT; BEGIN TRANSACTION"

// Write runs fn in a write transaction: one at a time, in the order of asking. The transaction is committed if fn
// returns nil and rolled back if it returns an error or panics. Cancelling ctx interrupts the running statement; a
// commit that has begun is finished. Temporary tables made by fn are gone when Write returns.
//
// fn must call neither Write nor Read, and must not keep the Tx.
func (d *DB) Write(ctx context.Context, name string, fn func(context.Context, *Tx) error) error {
	if d.cfg.ReadOnly {
		return fmt.Errorf("%s: %w", name, ErrReadOnly)
	}
	asked := time.Now()
	place, err := d.takePlace(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer place.leave()
	began := time.Now()
	err = d.use(ctx, func(inst *instance) error {
		return inst.write(ctx, &Tx{inst: inst, place: place, away: &d.away}, fn)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	d.log.Debug().Str("write", name).Dur("waited", began.Sub(asked)).Dur("took", time.Since(began)).Msg("committed")
	return nil
}

func (inst *instance) write(ctx context.Context, tx *Tx, fn func(context.Context, *Tx) error) (err error) {
	conn, err := inst.writers.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close() //nolint:errcheck // closing a DuckDB connection cannot fail
	if _, err := conn.ExecContext(ctx, "BEGIN TRANSACTION"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	tx.conn = conn
	defer func() { err = errors.Join(err, tx.unshare(ctx)) }()
	open := true
	defer func() {
		if open {
			err = errors.Join(err, rollback(ctx, conn))
		}
	}()
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	open = false
	if _, err := conn.ExecContext(context.WithoutCancel(ctx), "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w: %w", ErrUnknownOutcome, err)
	}
	return nil
}

// Read runs fn in a read-only transaction on a pooled connection: it sees one committed state throughout, however
// much is written meanwhile. Temporary tables made by fn are gone when Read returns.
func (d *DB) Read(ctx context.Context, fn func(context.Context, *Tx) error) error {
	return d.use(ctx, func(inst *instance) error {
		return inst.read(ctx, fn)
	})
}

func (inst *instance) read(ctx context.Context, fn func(context.Context, *Tx) error) (err error) {
	conn, err := inst.readers.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close() //nolint:errcheck // it goes back to the pool
	defer func() {
		if failed := rollback(ctx, conn); failed != nil {
			// A connection that is still in a transaction must not go back to the pool.
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
			err = errors.Join(err, failed)
		}
	}()
	if _, err := conn.ExecContext(ctx, "BEGIN TRANSACTION READ ONLY"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return fn(ctx, &Tx{conn: conn, inst: inst})
}

// rollback ends a transaction even if ctx is over, and does not mind one that DuckDB has ended already.
func rollback(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	if err != nil && !isType(err, duckdb.ErrorTypeTransaction) {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}

// Checkpoint writes the log into the file. It waits its turn in the write queue.
func (d *DB) Checkpoint(ctx context.Context) error {
	if d.cfg.ReadOnly {
		return fmt.Errorf("checkpoint: %w", ErrReadOnly)
	}
	place, err := d.takePlace(ctx)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer place.leave()
	return d.use(ctx, func(inst *instance) error {
		if _, err := inst.writers.ExecContext(ctx, "CHECKPOINT "+Catalog); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		return nil
	})
}

// Exec runs one or more statements and returns how many rows the last one changed.
func (t *Tx) Exec(ctx context.Context, statement string, args ...any) (int64, error) {
	result, err := t.conn.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Query runs one statement; the caller closes the rows. Results are whole in memory before the first row is read.
func (t *Tx) Query(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	return t.conn.QueryContext(ctx, statement, args...)
}

// QueryRow runs a statement that returns at most one row; Scan gives sql.ErrNoRows if there is none.
func (t *Tx) QueryRow(ctx context.Context, statement string, args ...any) *sql.Row {
	return t.conn.QueryRowContext(ctx, statement, args...)
}
