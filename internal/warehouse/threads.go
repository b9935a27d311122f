package warehouse

import (
	"context"
	"errors"
	"fmt"

	"github.com/duckdb/duckdb-go/v2"
)

// UseThreads sets how many threads DuckDB works with from now on; 0: as many as configured. More than are configured
// there never are. It waits its turn in the write queue.
func (d *DB) UseThreads(ctx context.Context, threads int) error {
	if threads <= 0 || d.cfg.Threads > 0 && threads > d.cfg.Threads {
		threads = d.cfg.Threads
	}
	if threads <= 0 {
		return nil // nothing is configured: DuckDB's own choice stands
	}
	if err := d.queue.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("set threads: wait for the write queue: %w", err)
	}
	defer d.queue.Release(1)
	return d.use(ctx, func(inst *instance) error {
		if _, err := inst.writers.ExecContext(ctx, fmt.Sprintf("SET threads = %d", threads)); err != nil {
			return fmt.Errorf("set threads: %w", err)
		}
		return nil
	})
}

// Threads is how many are configured; 0: one a core.
func (d *DB) Threads() int { return d.cfg.Threads }

// OnOneThread runs fn with one thread for DuckDB, within the writer's turn: statements over few rows cost a quarter more
// processor time when two threads share them. Where there are more than most, nothing changes; 0: always. What was set
// before is set again.
func (t *Tx) OnOneThread(ctx context.Context, most int64, fn func() error) (err error) {
	var before int64
	if err := t.QueryRow(ctx, "SELECT current_setting('threads')::BIGINT").Scan(&before); err != nil {
		return fmt.Errorf("read threads: %w", err)
	}
	if before == 1 || most > 0 && before > most {
		return fn()
	}
	if _, err := t.Exec(ctx, "SET threads = 1"); err != nil {
		return fmt.Errorf("set threads: %w", err)
	}
	defer func() { err = errors.Join(err, t.setThreads(context.WithoutCancel(ctx), before)) }()
	return fn()
}

// setThreads sets the number of threads, at once or, if the transaction failed and takes no statement any more, when it
// has ended.
func (t *Tx) setThreads(ctx context.Context, n int64) error {
	statement := fmt.Sprintf("SET threads = %d", n)
	_, err := t.Exec(ctx, statement)
	if isType(err, duckdb.ErrorTypeTransaction) {
		t.ended = append(t.ended, statement)
		return nil
	}
	if err != nil {
		return fmt.Errorf("set threads: %w", err)
	}
	return nil
}
