package warehouse

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrRefused is returned for user SQL that is not one reading statement, or that reaches out of the database.
var ErrRefused = errors.New("query refused")

// tableFunctions that user SQL may call. All others are refused: among them are those that read files, run SQL held in
// a string, change settings, or take memory addresses.
var tableFunctions = set(
	"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "histogram", "histogram_values",
	"duckdb_columns", "duckdb_constraints", "duckdb_databases", "duckdb_functions", "duckdb_indexes", "duckdb_keywords",
	"duckdb_schemas", "duckdb_tables", "duckdb_types", "duckdb_views",
	"pragma_table_info", "pragma_version", "pragma_database_size", "icu_calendar_names", "pg_timezone_names",
)

// scalarFunctions that user SQL may not call: they write, wait, plan SQL held in a string (which opens files), or show
// what is not of this database.
var scalarFunctions = set(
	"nextval", "currval", "setseed", "write_log", "sleep_ms", "pg_sleep", "json_serialize_plan", "getenv", "getvariable",
)

// shows are the statements without a query in them.
var shows = set("show tables", "show all tables", "show schemas", "show databases")

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

// inspect parses text with DuckDB's own parser and refuses what is not exactly one SELECT within the database. It
// returns the statement in DuckDB's spelling: without comments and the closing semicolon.
//
// It is the first of three fences: the transaction is read-only, and DuckDB's access to files is off.
func inspect(ctx context.Context, conn *sql.Conn, text string) (string, error) {
	var tree, spelled sql.NullString
	if err := conn.QueryRowContext(ctx, `SELECT json_serialize_sql($1::VARCHAR)::VARCHAR`, text).Scan(&tree); err != nil {
		return "", refuse(err.Error())
	}
	var parsed struct {
		Error      bool              `json:"error"`
		Message    string            `json:"error_message"`
		Statements []json.RawMessage `json:"statements"`
	}
	if err := json.Unmarshal([]byte(tree.String), &parsed); err != nil {
		return "", fmt.Errorf("read DuckDB's syntax tree: %w", err)
	}
	switch {
	case parsed.Error && strings.HasPrefix(parsed.Message, "Only SELECT statements"):
		return "", refuse("only a SELECT (or DESCRIBE, SHOW, SUMMARIZE, VALUES) may be run here; it must be a single statement")
	case parsed.Error:
		return "", refuse(parsed.Message)
	case len(parsed.Statements) != 1:
		return "", refuse(fmt.Sprintf("one statement at a time, not %d", len(parsed.Statements)))
	}
	var statement any
	if err := json.Unmarshal(parsed.Statements[0], &statement); err != nil {
		return "", fmt.Errorf("read DuckDB's syntax tree: %w", err)
	}
	if err := walk(statement); err != nil {
		return "", err
	}
	if plain := strings.ToLower(strings.Join(strings.Fields(strings.TrimRight(text, "; \t\r\n")), " ")); shows[plain] {
		return plain, nil // DuckDB does not spell these right
	}
	if err := conn.QueryRowContext(ctx, `SELECT json_deserialize_sql($1::JSON)`, tree.String).Scan(&spelled); err != nil {
		return "", refuse(err.Error())
	}
	return strings.TrimRight(spelled.String, "; \n"), nil
}

// walk looks at every node of the tree, wherever it stands.
func walk(node any) error {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			if err := walk(child); err != nil {
				return err
			}
		}
	case map[string]any:
		if err := check(node); err != nil {
			return err
		}
		for _, child := range node {
			if err := walk(child); err != nil {
				return err
			}
		}
	}
	return nil
}

func check(node map[string]any) error {
	switch node["type"] {
	case "TABLE_FUNCTION":
		function, _ := node["function"].(map[string]any)
		if name := text(function, "function_name"); !tableFunctions[strings.ToLower(name)] {
			return refuse("the table function " + name + " may not be used here")
		}
	case "BASE_TABLE":
		// FROM 'x.csv' reads a file. No table of ours has such a name.
		if name := text(node, "table_name"); strings.ContainsAny(name, `./\:*?`) {
			return refuse("files may not be read here: " + name)
		}
	case "PARAMETER", "VALUE_PARAMETER":
		return refuse("parameters are not supported")
	}
	if node["class"] == "FUNCTION" {
		if name := text(node, "function_name"); scalarFunctions[strings.ToLower(name)] {
			return refuse("the function " + name + " may not be used here")
		}
	}
	return nil
}

func text(node map[string]any, key string) string {
	value, _ := node[key].(string)
	return value
}

func refuse(why string) error { return fmt.Errorf("%w: %s", ErrRefused, why) }
