package warehouse

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Shared gives a schema in memory that belongs to this writer. Unlike temporary tables, the tables in it are seen by those who
// work Beside it, once they are committed. It is gone when Write returns. A transaction that has written to the file cannot
// write there too, nor the other way round.
func (t *Tx) Shared(ctx context.Context) (schema string, err error) {
	if t.shared == "" {
		// The instance's own database is in memory; the file is attached to it.
		name := fmt.Sprintf("memory.shared_%d", t.inst.shares.Add(1))
		if _, err := t.Exec(ctx, "CREATE SCHEMA "+name); err != nil {
			return "", fmt.Errorf("make room in memory: %w", err)
		}
		t.shared = name
	}
	return t.shared, nil
}

// unshare frees what Shared gave; the transaction has ended.
func (t *Tx) unshare(ctx context.Context) error {
	if t.shared == "" {
		return nil
	}
	if _, err := t.conn.ExecContext(context.WithoutCancel(ctx), "DROP SCHEMA IF EXISTS "+t.shared+" CASCADE"); err != nil {
		return fmt.Errorf("free what was in memory: %w", err)
	}
	return nil
}

// Beside runs fn on connections of their own, n at a time and at once. Each statement there is a transaction: it sees what is
// committed, so that whoever calls it commits first, and has the others wait or writes apart.
func (t *Tx) Beside(ctx context.Context, n int, fn func(context.Context, *Tx) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for range n {
		g.Go(func() error {
			conn, err := t.inst.writers.Conn(ctx)
			if err != nil {
				return fmt.Errorf("connect: %w", err)
			}
			defer conn.Close() //nolint:errcheck // closing a DuckDB connection cannot fail
			return fn(ctx, &Tx{conn: conn, inst: t.inst})
		})
	}
	return g.Wait()
}

// Threads is how many the instance usually works with.
func (t *Tx) Threads(ctx context.Context) (int, error) {
	t.inst.threads.mu.Lock()
	defer t.inst.threads.mu.Unlock()
	err := t.inst.threads.ask(ctx, t.inst.writers)
	return int(t.inst.threads.usual), err
}
