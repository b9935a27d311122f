package warehouse

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Comments describe a table and its columns.
type Comments struct {
	Table   string
	Columns map[string]string
}

// viewQuery finds the query in the text that DuckDB keeps of a view.
var viewQuery = regexp.MustCompile(`(?is)^CREATE VIEW (?:"(?:[^"]|"")*"|[^\s("])+\s+AS\s+(.*?);?\s*$`)

// copyView makes a view of a view over the gold layer alone. One that reaches further, or is written in a way that is
// not understood here, becomes a table of its rows: a copy never changes, so nobody can tell.
func (t *Tx) copyView(ctx context.Context, view Table) error {
	query, ok, err := t.goldOnly(ctx, view)
	if err != nil {
		return fmt.Errorf("copy view %s: %w", view.Name, err)
	}
	if ok {
		if _, err := t.Exec(ctx, fmt.Sprintf("USE %s; CREATE VIEW main.%s AS %s; USE %s", building, Ident(view.Name), query, Catalog)); err != nil {
			return fmt.Errorf("copy view %s: %w", view.Name, err)
		}
		return nil
	}
	return t.copyTable(ctx, view, "main", "SELECT * FROM %s")
}

// goldOnly returns the view's query with the tables' schema named as in the copy; ok only if it reads nothing else.
func (t *Tx) goldOnly(ctx context.Context, view Table) (query string, ok bool, err error) {
	var text string
	if err := t.QueryRow(ctx, `SELECT sql FROM duckdb_views() WHERE database_name = ? AND schema_name = ? AND view_name = ?`,
		Catalog, view.Schema, view.Name).Scan(&text); err != nil {
		return "", false, err
	}
	found := viewQuery.FindStringSubmatch(text)
	if found == nil {
		return "", false, nil
	}
	var serialized string
	if err := t.QueryRow(ctx, `SELECT json_serialize_sql($1::VARCHAR)::VARCHAR`, found[1]).Scan(&serialized); err != nil {
		return "", false, err
	}
	decoder := json.NewDecoder(strings.NewReader(serialized))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return "", false, fmt.Errorf("read DuckDB's syntax tree: %w", err)
	}
	if root, isObject := tree.(map[string]any); !isObject || root["error"] != false || !moveToMain(tree, view.Schema) {
		return "", false, nil
	}
	moved, err := json.Marshal(tree)
	if err != nil {
		return "", false, err
	}
	if err := t.QueryRow(ctx, `SELECT json_deserialize_sql($1::JSON)`, string(moved)).Scan(&query); err != nil {
		return "", false, err
	}
	return strings.TrimRight(query, "; \n"), true, nil
}

// moveToMain renames the schema of every table to main, and is false if one stands in another schema.
func moveToMain(node any, schema string) bool {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			if !moveToMain(child, schema) {
				return false
			}
		}
	case map[string]any:
		if node["type"] == "BASE_TABLE" {
			switch text(node, "schema_name") {
			case "": // a CTE: models always write schema.table
			case schema:
				node["schema_name"], node["catalog_name"] = "main", ""
			default:
				return false
			}
		}
		for _, child := range node {
			if !moveToMain(child, schema) {
				return false
			}
		}
	}
	return true
}

// comment gives the copy's tables and columns their descriptions: BI tools show them.
func (t *Tx) comment(ctx context.Context, tables []Table, describe func(string) Comments) error {
	if describe == nil {
		return nil
	}
	for _, table := range tables {
		comments := describe(table.Name)
		var isView bool
		if err := t.QueryRow(ctx, `SELECT count(*) > 0 FROM duckdb_views() WHERE database_name = ? AND view_name = ?`, building, table.Name).Scan(&isView); err != nil {
			return fmt.Errorf("comment on %s: %w", table.Name, err)
		}
		kind, name := "TABLE", building+".main."+Ident(table.Name)
		if isView {
			kind = "VIEW"
		}
		var statements []string
		if comments.Table != "" {
			statements = append(statements, fmt.Sprintf("COMMENT ON %s %s IS %s", kind, name, Literal(comments.Table)))
		}
		columns, err := t.columns(ctx, `SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = ? AND schema_name = 'main' AND table_name = ?`, building, table.Name)
		if err != nil {
			return err
		}
		for _, column := range columns {
			if said := comments.Columns[column.Name]; said != "" {
				statements = append(statements, fmt.Sprintf("COMMENT ON COLUMN %s.%s IS %s", name, Ident(column.Name), Literal(said)))
			}
		}
		if len(statements) == 0 {
			continue
		}
		if _, err := t.Exec(ctx, strings.Join(statements, ";")); err != nil {
			return fmt.Errorf("comment on %s: %w", table.Name, err)
		}
	}
	return nil
}
