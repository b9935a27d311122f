package warehouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// threads is how many threads an instance works with.
type threads struct {
	mu    sync.Mutex
	usual int64 // when nobody works on one; 0: not asked yet
	alone int   // who works on one
}

// UseThreads sets how many threads DuckDB works with from now on; 0: as many as configured. More than are configured
// there never are. It waits its turn in the write queue.
func (d *DB) UseThreads(ctx context.Context, threads int) error {
	if threads <= 0 || d.cfg.Threads > 0 && threads > d.cfg.Threads {
		threads = d.cfg.Threads
	}
	if threads <= 0 {
		return nil // nothing is configured: DuckDB's own choice stands
	}
	place, err := d.takePlace(ctx)
	if err != nil {
		return fmt.Errorf("set threads: %w", err)
	}
	defer place.leave()
	return d.use(ctx, func(inst *instance) error { return inst.threads.use(ctx, inst.writers, int64(threads)) })
}

// Threads is how many are configured; 0: one a core.
func (d *DB) Threads() int { return d.cfg.Threads }

// use sets the usual number, for when nobody works on one thread any more if somebody does.
func (t *threads) use(ctx context.Context, db *sql.DB, n int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.alone == 0 {
		if err := setThreads(ctx, db, n); err != nil {
			return err
		}
	}
	t.usual = n
	return nil
}

// OnOneThread runs fn with one thread for DuckDB: statements over few rows cost a quarter more processor time when two
// threads share them. Where there are more than most, nothing changes; 0: always. Others who work at the same time,
// readers and writers beside work that is done Apart, have one thread each too.
func (t *Tx) OnOneThread(ctx context.Context, most int64, fn func() error) (err error) {
	alone, err := t.inst.threads.enter(ctx, t.inst.writers, most)
	if err != nil {
		return err
	}
	if !alone {
		return fn()
	}
	defer func() { err = errors.Join(err, t.inst.threads.leave(context.WithoutCancel(ctx), t.inst.writers)) }()
	return fn()
}

func (t *threads) enter(ctx context.Context, db *sql.DB, most int64) (alone bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.ask(ctx, db); err != nil {
		return false, err
	}
	if most > 0 && t.usual > most {
		return false, nil
	}
	if t.alone == 0 && t.usual != 1 {
		if err := setThreads(ctx, db, 1); err != nil {
			return false, err
		}
	}
	t.alone++
	return true, nil
}

// ask learns the usual number. Nobody works on one thread before it is known.
func (t *threads) ask(ctx context.Context, db *sql.DB) error {
	if t.usual > 0 {
		return nil
	}
	if err := db.QueryRowContext(ctx, "SELECT current_setting('threads')::BIGINT").Scan(&t.usual); err != nil {
		return fmt.Errorf("read threads: %w", err)
	}
	return nil
}

func (t *threads) leave(ctx context.Context, db *sql.DB) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.alone--
	if t.alone > 0 || t.usual == 1 {
		return nil
	}
	return setThreads(ctx, db, t.usual)
}

// setThreads uses a connection of its own: a transaction that failed takes no statement any more.
func setThreads(ctx context.Context, db *sql.DB, n int64) error {
	if _, err := db.ExecContext(ctx, fmt.Sprintf("SET threads = %d", n)); err != nil {
		return fmt.Errorf("set threads: %w", err)
	}
	return nil
}
