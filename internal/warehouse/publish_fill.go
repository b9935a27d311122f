package warehouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// building is the name that the copy has while it is written.
const building = "building_copy"

// copying is one copy that is being made.
type copying struct {
	path     string // where it will stand, and the one before does
	aside    string // where it is made
	describe func(table string) Comments
	since    sinceCopy
}

func (inst *instance) copyGold(ctx context.Context, c *copying) (published Published, err error) {
	conn, err := inst.writers.Conn(ctx)
	if err != nil {
		return published, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close() //nolint:errcheck // closing a DuckDB connection cannot fail
	detached := false
	detach := func() error {
		detached = true
		_, err := conn.ExecContext(context.WithoutCancel(ctx), "USE "+inst.catalog+"; DETACH "+building)
		return err
	}
	defer func() {
		if !detached {
			_ = detach() // err says what went wrong
		}
	}()
	if published, err = c.fill(ctx, conn); err != nil {
		return published, err
	}
	if err := writeOut(ctx, conn); err != nil {
		return published, fmt.Errorf("write the copy out: %w", err)
	}
	if err := detach(); err != nil {
		return published, fmt.Errorf("close the copy: %w", err)
	}
	return published, nil
}

// fill attaches the copy and makes it what the marts are, in one transaction.
func (c *copying) fill(ctx context.Context, conn *sql.Conn) (published Published, err error) {
	if _, err := conn.ExecContext(ctx, "BEGIN TRANSACTION"); err != nil {
		return published, fmt.Errorf("begin: %w", err)
	}
	open := true
	defer func() {
		if open {
			err = errors.Join(err, rollback(ctx, conn))
		}
	}()
	tx := &Tx{conn: conn}
	tables, err := tx.Tables(ctx)
	if err != nil {
		return published, err
	}
	if published.Version, err = tx.Version(ctx); err != nil {
		return published, err
	}
	var layer, meta []Table
	for _, table := range tables {
		switch {
		case table.Schema == Gold:
			layer = append(layer, table)
		case table.Schema == "meta" && publishedMeta[table.Name] != "":
			meta = append(meta, table)
		}
	}
	published.Tables = len(layer) + len(meta)
	if published.replaced, published.Whole, err = c.fillFrom(ctx, tx, layer, published.Refresh); err != nil {
		return published, err
	}
	for _, table := range meta {
		if err := tx.copyTable(ctx, table, "meta", publishedMeta[table.Name]); err != nil {
			return published, err
		}
	}
	published.PublishedAt = time.Now().UTC().Truncate(time.Microsecond)
	if err := tx.stamp(ctx, published); err != nil {
		return published, err
	}
	open = false
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		return published, fmt.Errorf("commit: %w", err)
	}
	return published, nil
}

// fillFrom attaches the copy before and follows up what changed in the gold layer, or an empty file and fills it.
func (c *copying) fillFrom(ctx context.Context, tx *Tx, tables []Table, refresh int64) (replaced int64, whole bool, err error) {
	if c.since != nil {
		if holds, changed, ok := c.since(ctx, refresh); ok {
			if err := copyFile(c.path, c.aside); err != nil {
				return 0, false, fmt.Errorf("%w: %w", errWhole, err)
			}
			if err := c.attach(ctx, tx, ""); err != nil {
				return 0, false, fmt.Errorf("%w: %w", errWhole, err)
			}
			replaced, err = tx.followUp(ctx, tables, holds, changed, c.describe)
			return replaced, false, err
		}
	}
	if err := c.attach(ctx, tx, " (STORAGE_VERSION '"+copyStorage+"')"); err != nil {
		return 0, false, err
	}
	if _, err := tx.Exec(ctx, "CREATE SCHEMA "+building+".meta"); err != nil {
		return 0, false, fmt.Errorf("create schema: %w", err)
	}
	if err := tx.copyAll(ctx, tables); err != nil {
		return 0, false, err
	}
	return 0, true, tx.comment(ctx, tables, c.describe)
}

func (c *copying) attach(ctx context.Context, tx *Tx, how string) error {
	if _, err := tx.Exec(ctx, fmt.Sprintf("ATTACH %s AS %s%s", Literal(c.aside), building, how)); err != nil {
		return fmt.Errorf("begin the copy: %w", err)
	}
	return nil
}

// copyAll copies tables, and then the views over them.
func (t *Tx) copyAll(ctx context.Context, tables []Table) error {
	for _, table := range tables {
		if !table.View {
			if err := t.copyTable(ctx, table, "main", "SELECT * FROM %s"); err != nil {
				return err
			}
		}
	}
	for _, view := range tables {
		if view.View {
			if err := t.copyView(ctx, view); err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	writeOutPause = 50 * time.Millisecond
	writeOutTries = 200
)

// writeOut checkpoints the copy. DuckDB refuses while a transaction of another connection has touched the copy, which each
// look at the whole catalog does (a refresh's, a BI tool's): those are waited for. FORCE would hold up new ones meanwhile.
func writeOut(ctx context.Context, conn *sql.Conn) error {
	for try := 1; ; try++ {
		_, err := conn.ExecContext(ctx, "CHECKPOINT "+building)
		if err == nil || try == writeOutTries || !isType(err, duckdb.ErrorTypeTransaction) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(writeOutPause):
		}
	}
}

func (t *Tx) copyTable(ctx context.Context, table Table, schema, query string) error {
	statement := fmt.Sprintf("CREATE OR REPLACE TABLE %s.%s.%s AS "+query, building, schema, Ident(table.Name), source(table))
	if _, err := t.Exec(ctx, statement); err != nil {
		return fmt.Errorf("copy %s.%s: %w", table.Schema, table.Name, err)
	}
	return nil
}
