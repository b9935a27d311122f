package verify

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
)

// What is compared is gathered in temporary tables: DuckDB holds them within its memory limit and spills what is more.
//
//	verify_lake      a row of the lake: key, order, what it was, date, namespace, hash of the content (deep)
//	verify_fences    up to which order a namespace was emptied
//	verify_newest    the newest of each key, as far as both watermarks go
//	verify_holes     ranges that the lake is known to miss
//	verify_source    a document of a source: key, the key of its former name, hash of the content and the rules it is under (deep),
//	                 whether it is of a date that retention has removed
//	verify_missing   those of them that the warehouse does not have under their own key
//	verify_tail      keys of changes that stand in the stream above the warehouse's watermark
//	verify_stream    a change in a part of the stream: order, key
const tablesSQL = `
	CREATE OR REPLACE TEMP TABLE verify_lake (k UBIGINT, ord BIGINT, op UTINYINT, date INTEGER, ns UBIGINT, h UBIGINT, rules INTEGER);
	CREATE OR REPLACE TEMP TABLE verify_fences (ns UBIGINT, fence BIGINT, ord BIGINT);
	CREATE OR REPLACE TEMP TABLE verify_newest (k UBIGINT, ord BIGINT, op UTINYINT, date INTEGER, ns UBIGINT, h UBIGINT, rules INTEGER);
	CREATE OR REPLACE TEMP TABLE verify_holes (first BIGINT, last BIGINT);
	CREATE OR REPLACE TEMP TABLE verify_source (k UBIGINT, k2 UBIGINT, h UBIGINT, rules INTEGER, old BOOLEAN);
	CREATE OR REPLACE TEMP TABLE verify_tail (k UBIGINT);
	CREATE OR REPLACE TEMP TABLE verify_stream (k UBIGINT, ord BIGINT, op UTINYINT, h UBIGINT)`

var tableNames = []string{
	"verify_lake", "verify_fences", "verify_newest", "verify_holes", "verify_source", "verify_missing", "verify_tail", "verify_stream",
}

func (r *run) createTables(ctx context.Context) error {
	return r.exec(ctx, "make room", tablesSQL)
}

// dropTables gives the room back: the connection goes on living in its pool, and its temporary tables with it, since
// present has committed them.
func (r *run) dropTables(ctx context.Context) {
	// Whatever state the transaction is in; what does not work here is done by the next verification on the connection.
	_, _ = r.tx.Exec(ctx, "ROLLBACK")
	_, _ = r.tx.Exec(ctx, "BEGIN TRANSACTION READ ONLY")
	for _, name := range tableNames {
		_, _ = r.tx.Exec(ctx, "DROP TABLE IF EXISTS temp.main."+name)
	}
	_, _ = r.tx.Exec(ctx, "COMMIT")
	_, _ = r.tx.Exec(ctx, "BEGIN TRANSACTION READ ONLY")
}

// present ends the transaction and begins another, which sees what was committed meanwhile.
func (r *run) present(ctx context.Context) error {
	return r.exec(ctx, "look at the present", "COMMIT; BEGIN TRANSACTION READ ONLY")
}

func (r *run) exec(ctx context.Context, what, statement string, args ...any) error {
	if _, err := r.tx.Exec(ctx, statement, args...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// number reads one whole number; 0 for none.
func (r *run) number(ctx context.Context, what, query string, args ...any) (int64, error) {
	var n sql.NullInt64
	if err := r.tx.QueryRow(ctx, query, args...).Scan(&n); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return n.Int64, nil
}

// each calls fn with a scan function for every row.
func (r *run) each(ctx context.Context, what, query string, fn func(scan func(...any) error) error, args ...any) error {
	rows, err := r.tx.Query(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// has is whether the warehouse has a table: some belong to parts that may never have run.
func (r *run) has(ctx context.Context, schema, table string) (bool, error) {
	columns, err := r.tx.Columns(ctx, schema, table)
	return len(columns) > 0, err
}

// filling gathers rows for a temporary table and hands them over some at a time.
type filling struct {
	*run
	ctx   context.Context //nolint:containedctx // it lives as long as one scan
	table string
	rows  [][]driver.Value
	total int64
}

// fillingRows is how many rows are handed over at once.
const fillingRows = 1 << 14

func (r *run) fill(ctx context.Context, table string) *filling {
	return &filling{run: r, ctx: ctx, table: table, rows: make([][]driver.Value, 0, fillingRows)}
}

// add adds a row, its values in the order of the table's columns.
func (f *filling) add(values ...driver.Value) error {
	f.total++
	if f.rows = append(f.rows, values); len(f.rows) < fillingRows {
		return nil
	}
	return f.flush()
}

func (f *filling) flush() error {
	if len(f.rows) == 0 {
		return nil
	}
	err := f.tx.AppendTemp(f.ctx, f.table, f.rows)
	f.rows = f.rows[:0]
	return err
}
