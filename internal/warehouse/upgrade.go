package warehouse

import (
	"context"
	"database/sql"
	"fmt"
)

// mirrors are the tables that only repeat what stands elsewhere, with a column that tells their present shape from
// older ones. One of an older shape is dropped: it is made and filled anew.
var mirrors = []struct{ schema, table, column string }{
	{"meta", "dead_letters", "letter"},
}

func dropOldMirrors(ctx context.Context, conn *sql.Conn) error {
	for _, m := range mirrors {
		var old bool
		err := conn.QueryRowContext(ctx, `SELECT count(*) > 0 AND NOT bool_or(column_name = $4) FROM duckdb_columns()
			WHERE database_name = $1 AND schema_name = $2 AND table_name = $3`, Catalog, m.schema, m.table, m.column).Scan(&old)
		if err != nil {
			return fmt.Errorf("look at %s.%s: %w", m.schema, m.table, err)
		}
		if !old {
			continue
		}
		if _, err := conn.ExecContext(ctx, fmt.Sprintf("DROP TABLE %s.%s", m.schema, m.table)); err != nil {
			return fmt.Errorf("drop the old %s.%s: %w", m.schema, m.table, err)
		}
	}
	return nil
}
