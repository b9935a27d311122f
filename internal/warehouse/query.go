package warehouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"
)

// Limits bound one user query; zero values mean the defaults.
type Limits struct {
	// Rows of the result at most; default 10,000.
	Rows int
	// Timeout after which the query is interrupted, waiting for its turn included; default 30 s.
	Timeout time.Duration
	// Bytes of the result at most, roughly, as handed out; default 64 MiB. DuckDB has no memory limit for one query:
	// what it needs on the way is bounded by the instance's limit alone.
	Bytes int64
}

const (
	defaultRows    = 10_000
	defaultTimeout = 30 * time.Second
	defaultBytes   = 64 << 20
)

// Result is what a user query returned. Every value encodes to JSON: numbers (DECIMAL and HUGEINT as json.Number, with
// all digits), strings (dates and times in ISO 8601, TIMESTAMPTZ in UTC; UUID, INTERVAL, ENUM, BIT in DuckDB's text;
// NaN and infinities by name), []byte for BLOB, json.RawMessage for nested values, nil for NULL.
type Result struct {
	Columns []Column `json:"columns"`
	Rows    [][]any  `json:"rows"`
	// Truncated says that there was more than the limits allow.
	Truncated bool `json:"truncated"`
}

// Query runs SQL that a person wrote: exactly one reading statement, within the database, within limits. What is not
// that gives ErrRefused; a query that takes too long gives context.DeadlineExceeded. At most two run at a time.
func (d *DB) Query(ctx context.Context, query string, limits Limits) (result *Result, err error) {
	limits = limits.complete()
	err = d.ask(ctx, limits, func(ctx context.Context, tx *Tx) (err error) {
		result, err = tx.userQuery(ctx, query, limits)
		return err
	})
	return result, err
}

func (limits Limits) complete() Limits {
	if limits.Rows <= 0 {
		limits.Rows = defaultRows
	}
	if limits.Timeout <= 0 {
		limits.Timeout = defaultTimeout
	}
	if limits.Bytes <= 0 {
		limits.Bytes = defaultBytes
	}
	return limits
}

// ask waits for a turn and runs fn in a reading transaction, all within the time limit.
func (d *DB) ask(ctx context.Context, limits Limits, fn func(context.Context, *Tx) error) error {
	return inTurn(ctx, d.asked, limits, func(ctx context.Context) error { return d.Read(ctx, fn) })
}

// inTurn waits for one of a few turns and runs fn, all within the time limit.
func inTurn(ctx context.Context, turns *semaphore.Weighted, limits Limits, fn func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, limits.Timeout)
	defer cancel()
	err := turns.Acquire(bounded, 1)
	if err == nil {
		defer turns.Release(1)
		err = fn(bounded)
	}
	switch {
	case errors.Is(bounded.Err(), context.DeadlineExceeded) && ctx.Err() == nil && err != nil:
		return fmt.Errorf("query: took longer than %s: %w", limits.Timeout, context.DeadlineExceeded)
	case err != nil:
		return fmt.Errorf("query: %w", err)
	}
	return nil
}

func (t *Tx) userQuery(ctx context.Context, query string, limits Limits) (*Result, error) {
	if explained, ok := explains(query); ok {
		return t.explain(ctx, explained, limits)
	}
	statement, err := inspect(ctx, t.conn, query)
	if err != nil {
		return nil, err
	}
	columns, err := t.Describe(ctx, "SELECT * FROM (\n"+statement+"\n)")
	if err != nil {
		return nil, err
	}
	rows, err := t.Query(ctx, bounded(statement, columns, limits.Rows))
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err says it
	return collect(rows, columns, limits)
}

// bounded wraps the statement so that DuckDB stops at the limit, one row beyond it to know of more, and hands over
// what has no plain Go type as text.
func bounded(statement string, columns []Column, limit int) string {
	names := make([]string, len(columns))
	values := make([]string, len(columns))
	for i, column := range columns {
		names[i] = fmt.Sprintf("c%d", i)
		switch shapeOf(column.Type) {
		case plain:
			values[i] = names[i]
		case nested:
			values[i] = fmt.Sprintf("to_json(%s)::VARCHAR", names[i])
		default:
			values[i] = names[i] + "::VARCHAR"
		}
	}
	return fmt.Sprintf("SELECT %s FROM (\n%s\n) AS bounded(%s) LIMIT %d",
		strings.Join(values, ", "), statement, strings.Join(names, ", "), limit+1)
}

func collect(rows *sql.Rows, columns []Column, limits Limits) (*Result, error) {
	result := &Result{Columns: columns, Rows: [][]any{}}
	var size int64
	for rows.Next() {
		if len(result.Rows) == limits.Rows {
			result.Truncated = true
			break
		}
		values := make([]any, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, fmt.Errorf("read row: %w", err)
		}
		for i := range values {
			values[i] = encodable(values[i], columns[i].Type)
			size += sizeOf(values[i])
		}
		if size > limits.Bytes {
			if len(result.Rows) == 0 {
				return nil, refuse(fmt.Sprintf("the first row alone has %d bytes, an answer at most %d", size, limits.Bytes))
			}
			result.Truncated = true
			break
		}
		result.Rows = append(result.Rows, values)
	}
	return result, rows.Err()
}
