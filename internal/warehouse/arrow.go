package warehouse

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/duckdb/duckdb-go/v2"
)

// InsertArrow appends records to a table, column by column name; columns that the records lack become NULL. The reader
// is used up and stays the caller's.
func (t *Tx) InsertArrow(ctx context.Context, table string, reader array.RecordReader) error {
	return t.scanArrow(ctx, reader, "INSERT INTO "+table+" BY NAME")
}

// RegisterArrow makes records a temporary table of this transaction, in place of one of that name; release drops it,
// and need not be called before the transaction ends. The reader is used up and stays the caller's.
func (t *Tx) RegisterArrow(name string, reader array.RecordReader) (release func(), err error) {
	// A copy of what is in memory: short, so that nothing need cancel it.
	ctx := context.Background()
	if err := t.scanArrow(ctx, reader, "CREATE OR REPLACE TEMP TABLE "+Ident(name)+" AS"); err != nil {
		return nil, err
	}
	return func() { _, _ = t.Exec(ctx, "DROP TABLE IF EXISTS temp.main."+Ident(name)) }, nil
}

// arrowView is the view that a reader is scanned through.
const arrowView = "arrow_records"

// scanArrow runs a statement on all rows and columns of the reader, in their order. Nothing else would be safe: DuckDB
// believes that the reader picks columns and filters rows when asked to, so that a scan of some columns gets the first
// ones, and a WHERE is lost (duckdb/duckdb#17012). So no view on Arrow data ever leaves this function.
func (t *Tx) scanArrow(ctx context.Context, reader array.RecordReader, statement string) (err error) {
	var release func()
	err = t.raw(func(arrow *duckdb.Arrow) (err error) {
		release, err = arrow.RegisterView(reader, arrowView)
		return err
	})
	if err != nil {
		return fmt.Errorf("hand over records: %w", err)
	}
	defer release()
	// The view must not outlive its records: whoever read it then would read memory that is no longer there.
	defer func() {
		if _, failed := t.Exec(context.WithoutCancel(ctx), "DROP VIEW IF EXISTS "+arrowView); err == nil {
			err = failed
		}
	}()
	_, err = t.Exec(ctx, statement+" SELECT * FROM "+arrowView)
	return err
}

// QueryArrow runs one statement and returns its result as Arrow records; the caller releases the reader.
func (t *Tx) QueryArrow(ctx context.Context, statement string, args ...any) (reader array.RecordReader, err error) {
	err = t.raw(func(arrow *duckdb.Arrow) error {
		reader, err = arrow.QueryContext(ctx, statement, args...)
		return err
	})
	return reader, err
}

func (t *Tx) raw(fn func(*duckdb.Arrow) error) error {
	return t.conn.Raw(func(conn any) error {
		driverConn, ok := conn.(driver.Conn)
		if !ok {
			return fmt.Errorf("unexpected driver connection %T", conn)
		}
		arrow, err := duckdb.NewArrowFromConn(driverConn)
		if err != nil {
			return err
		}
		return fn(arrow)
	})
}
