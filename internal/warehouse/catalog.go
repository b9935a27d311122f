package warehouse

import (
	"context"
	"fmt"
)

// Column is a column's name and DuckDB's name of its type.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Table is a table or view of the file.
type Table struct {
	Schema, Name string
	View         bool
}

// Schemas lists the file's schemas, sorted, without DuckDB's own.
func (t *Tx) Schemas(ctx context.Context) ([]string, error) {
	rows, err := t.Query(ctx, `SELECT schema_name FROM duckdb_schemas() WHERE database_name = ? AND NOT internal ORDER BY 1`, Catalog)
	if err != nil {
		return nil, fmt.Errorf("list schemas: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	var schemas []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("list schemas: %w", err)
		}
		schemas = append(schemas, name)
	}
	return schemas, rows.Err()
}

// Tables lists the tables and views of the file, sorted by schema and name.
func (t *Tx) Tables(ctx context.Context) ([]Table, error) { return t.tablesOf(ctx, Catalog, "") }

// tablesOf lists the tables and views of a database, in one schema or, if that is empty, in all.
func (t *Tx) tablesOf(ctx context.Context, database, schema string) ([]Table, error) {
	rows, err := t.Query(ctx, `SELECT schema_name, table_name, false FROM duckdb_tables() WHERE database_name = $1 AND $2 IN ('', schema_name) AND NOT internal
		UNION ALL SELECT schema_name, view_name, true FROM duckdb_views() WHERE database_name = $1 AND $2 IN ('', schema_name) AND NOT internal ORDER BY 1, 2`,
		database, schema)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	var tables []Table
	for rows.Next() {
		var table Table
		if err := rows.Scan(&table.Schema, &table.Name, &table.View); err != nil {
			return nil, fmt.Errorf("list tables: %w", err)
		}
		tables = append(tables, table)
	}
	return tables, rows.Err()
}

// Columns lists a table's or view's columns in order, none if it does not exist. An empty schema means a temporary
// table of this transaction.
func (t *Tx) Columns(ctx context.Context, schema, table string) ([]Column, error) {
	database := Catalog
	if schema == "" {
		database, schema = "temp", "main"
	}
	return t.columns(ctx, `SELECT column_name, data_type FROM duckdb_columns()
		WHERE database_name = ? AND schema_name = ? AND table_name = ? ORDER BY column_index`, database, schema, table)
}

// Describe lists the columns that a query returns, without running it.
func (t *Tx) Describe(ctx context.Context, query string) ([]Column, error) {
	return t.columns(ctx, "SELECT column_name, column_type FROM (DESCRIBE "+query+"\n)")
}

func (t *Tx) columns(ctx context.Context, query string, args ...any) ([]Column, error) {
	rows, err := t.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list columns: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	var columns []Column
	for rows.Next() {
		var column Column
		if err := rows.Scan(&column.Name, &column.Type); err != nil {
			return nil, fmt.Errorf("list columns: %w", err)
		}
		columns = append(columns, column)
	}
	return columns, rows.Err()
}
