package warehouse

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/duckdb/duckdb-go/v2"
)

// AppendTemp adds rows to a temporary table of this transaction, which may be one of Read: InsertArrow needs a view, and
// so a transaction that may write. Values are of the Go types that DuckDB's appender takes for the table's columns.
func (t *Tx) AppendTemp(ctx context.Context, table string, rows [][]driver.Value) error {
	err := t.conn.Raw(func(conn any) (err error) {
		driverConn, ok := conn.(driver.Conn)
		if !ok {
			return fmt.Errorf("unexpected driver connection %T", conn)
		}
		appender, err := duckdb.NewAppender(driverConn, "temp", "main", table)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, appender.CloseWithCancel(ctx)) }()
		for _, row := range rows {
			if err := appender.AppendRow(row...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("append to %s: %w", table, err)
	}
	return nil
}
