package warehouse

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/array"
)

// Select runs a statement of the program's own on the live database: its text is fixed or made of known names, values
// are bound. want is told what the marts hold, in the same transaction, before the statement runs; if it says no, the
// result is nil.
func (d *DB) Select(ctx context.Context, statement string, args []any, limits Limits, want func(Version) bool) (result *Result, version Version, err error) {
	limits = limits.complete()
	err = d.within(ctx, limits, func(ctx context.Context, tx *Tx) error {
		if version, err = tx.Version(ctx); err != nil || !want(version) {
			return err
		}
		columns, err := tx.columns(ctx, "SELECT column_name, column_type FROM (DESCRIBE "+statement+"\n)", args...)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, bounded(statement, columns, limits.Rows), args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // Err says it
		result, err = collect(rows, columns, limits)
		return err
	})
	return result, version, err
}

// SelectArrow is Select with Arrow records, as QueryArrow gives them; use is not called if want says no.
func (d *DB) SelectArrow(ctx context.Context, statement string, args []any, limits Limits, want func(Version) bool, use func(array.RecordReader) error) (truncated bool, version Version, err error) {
	limits = limits.complete()
	err = d.within(ctx, limits, func(ctx context.Context, tx *Tx) error {
		if version, err = tx.Version(ctx); err != nil || !want(version) {
			return err
		}
		truncated, err = tx.arrowWithin(ctx, statement, args, limits, use)
		return err
	})
	return truncated, version, err
}

// within runs fn in a reading transaction that ends in time.
func (d *DB) within(ctx context.Context, limits Limits, fn func(context.Context, *Tx) error) error {
	bounded, cancel := context.WithTimeout(ctx, limits.Timeout)
	defer cancel()
	err := d.Read(bounded, fn)
	if err != nil && errors.Is(bounded.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("took longer than %s: %w", limits.Timeout, context.DeadlineExceeded)
	}
	return err
}

func (t *Tx) arrowWithin(ctx context.Context, statement string, args []any, limits Limits, use func(array.RecordReader) error) (truncated bool, err error) {
	reader, err := t.QueryArrow(ctx, fmt.Sprintf("SELECT * FROM (\n%s\n) LIMIT %d", statement, limits.Rows+1), args...)
	if err != nil {
		return false, err
	}
	bounded := &boundedReader{RecordReader: reader, rows: int64(limits.Rows), bytes: limits.Bytes}
	defer bounded.Release()
	if err := use(bounded); err != nil {
		return false, err
	}
	return bounded.truncated, reader.Err()
}

// IsBadValue is whether DuckDB found a bound value, or one in the data, that does not fit its type.
func IsBadValue(err error) bool { return isType(err, badValue...) }

// IsBadSQL is whether DuckDB could not make sense of a statement: its syntax, its names, its types.
func IsBadSQL(err error) bool { return isType(err, badSQL...) }
