package api

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// gold is the schema that the API shows.
const gold = "marts"

// Table is a table of the gold layer, as /api/v1/catalog describes it.
type Table struct {
	Name         string   `json:"name"`
	Kind         string   `json:"kind"` // table or view
	Description  string   `json:"description"`
	Key          []string `json:"key"`          // columns that make a row unique; empty if not known
	Materialized string   `json:"materialized"` // view, table, incremental; empty if no model is known
	Refresh      string   `json:"refresh"`      // when rows are replaced
	Upstream     []string `json:"upstream"`     // models that it is made of
	SQL          string   `json:"sql"`          // of the model
	Columns      []Column `json:"columns"`
	Tests        []Test   `json:"tests"`

	columns map[string]Column
}

// Column is a column of a table.
type Column struct {
	Name        string         `json:"name"`
	Type        string         `json:"type"`
	Description string         `json:"description"`
	Meta        map[string]any `json:"meta,omitempty"`
}

// Test is a data test of a table, with its newest result if it was run.
type Test struct {
	Name     string    `json:"name"`
	Kind     string    `json:"kind"`
	Column   string    `json:"column,omitempty"`
	Severity string    `json:"severity"`
	Status   string    `json:"status"` // pass, warn, fail, error; not_run
	Failures int64     `json:"failures"`
	TestedAt time.Time `json:"tested_at,omitzero"`
}

// catalogAnswer is what /api/v1/catalog says.
type catalogAnswer struct {
	AsOf   warehouse.Version `json:"as_of"`
	Tables []*Table          `json:"tables"`
}

// catalogCache keeps the catalog of one refresh: tables change at a refresh only.
type catalogCache struct {
	mu      sync.Mutex
	version warehouse.Version
	tables  []*Table
}

// tablesOf reads the catalog, or what is remembered of it.
func (a *API) tablesOf(ctx context.Context, w *Warehouse) ([]*Table, warehouse.Version, error) {
	a.known.mu.Lock()
	defer a.known.mu.Unlock()
	var version warehouse.Version
	var tables []*Table
	err := w.DB.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) (err error) {
		if version, err = tx.Version(ctx); err != nil {
			return err
		}
		if a.known.tables != nil && a.known.version == version {
			tables = a.known.tables
			return nil
		}
		tables, err = readTables(ctx, tx, w.Models)
		return err
	})
	if err != nil {
		return nil, version, err
	}
	a.known.tables, a.known.version = tables, version
	return tables, version, nil
}

func readTables(ctx context.Context, tx *warehouse.Tx, models *project.Project) ([]*Table, error) {
	all, err := tx.Tables(ctx)
	if err != nil {
		return nil, err
	}
	tables := []*Table{}
	for _, one := range all {
		if one.Schema != gold {
			continue
		}
		columns, err := tx.Columns(ctx, one.Schema, one.Name)
		if err != nil {
			return nil, err
		}
		table := &Table{Name: one.Name, Kind: "table", Key: []string{}, Upstream: []string{}, Tests: []Test{}, columns: map[string]Column{}}
		if one.View {
			table.Kind = "view"
		}
		for _, column := range columns {
			table.Columns = append(table.Columns, Column{Name: column.Name, Type: column.Type})
		}
		table.describe(models)
		for _, column := range table.Columns {
			table.columns[column.Name] = column
		}
		tables = append(tables, table)
	}
	return tables, nil
}

// describe adds what the model says.
func (t *Table) describe(models *project.Project) {
	model := models.Node(t.Name)
	if model == nil {
		return
	}
	t.Description, t.Materialized, t.SQL = model.Description, string(model.Materialized), model.Text()
	t.Refresh, _ = model.Meta["refresh"].(string)
	for _, upstream := range model.Refs {
		t.Upstream = append(t.Upstream, upstream.Schema+"."+upstream.Name)
	}
	for _, source := range model.Sources {
		t.Upstream = append(t.Upstream, source.Schema+"."+source.Identifier)
	}
	described := map[string]project.Column{}
	for _, column := range model.Columns {
		described[column.Name] = column
	}
	for i, column := range t.Columns {
		t.Columns[i].Description, t.Columns[i].Meta = described[column.Name].Description, described[column.Name].Meta
	}
	for _, test := range models.Tests {
		if test.Node != model {
			continue
		}
		t.Tests = append(t.Tests, Test{Name: test.Name, Kind: test.Kind, Column: test.Column, Severity: test.Severity, Status: "not_run"})
		if test.Kind == "unique" && len(t.Key) == 0 {
			t.Key = append(t.Key, test.Column)
		}
	}
	if len(t.Key) == 0 && model.RefreshBy != "" && model.RefreshBy != project.SessionKey {
		t.Key = append(t.Key, model.UniqueKey...)
	}
}

// find returns a table by its name; nothing that is not in the catalog ever gets into a statement.
func (a *API) find(ctx context.Context, w *Warehouse, name string) (*Table, error) {
	tables, _, err := a.tablesOf(ctx, w)
	if err != nil {
		return nil, err
	}
	for _, table := range tables {
		if table.Name == name {
			return table, nil
		}
	}
	return nil, NewError(http.StatusNotFound, CodeUnknownTable, "there is no table "+short(name), "/api/v1/marts names the tables.")
}

// catalog answers /api/v1/catalog: tables, columns, descriptions, tests with their newest results.
func (a *API) catalog(w http.ResponseWriter, r *http.Request, _ url.Values) error {
	data, err := a.warehouse()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	tables, version, err := a.tablesOf(ctx, data)
	if err != nil {
		return err
	}
	out := catalogAnswer{AsOf: version, Tables: make([]*Table, len(tables))}
	results, err := testResults(ctx, data.DB)
	if err != nil {
		return err
	}
	for i, table := range tables {
		tested := *table
		tested.Tests = make([]Test, len(table.Tests))
		for j, test := range table.Tests {
			if result, ok := results[test.Name]; ok {
				test.Status, test.Failures, test.TestedAt = result.Status, result.Failures, result.TestedAt
			}
			tested.Tests[j] = test
		}
		out.Tables[i] = &tested
	}
	sendJSON(w, r, http.StatusOK, out, "")
	return nil
}

// testResults are the newest results by the test's name; none before the first run.
func testResults(ctx context.Context, db *warehouse.DB) (map[string]Test, error) {
	results := map[string]Test{}
	err := db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		columns, err := tx.Columns(ctx, "meta", "test_results")
		if err != nil || len(columns) == 0 {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT name, status, failures, tested_at FROM meta.test_results")
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // Err says it
		for rows.Next() {
			var test Test
			if err := rows.Scan(&test.Name, &test.Status, &test.Failures, &test.TestedAt); err != nil {
				return err
			}
			results[test.Name] = test
		}
		return rows.Err()
	})
	return results, err
}

// tableEntry is one line of /api/v1/marts.
type tableEntry struct {
	Name        string `json:"name"`
	Kind        string `json:"kind"`
	Description string `json:"description"`
	Columns     int    `json:"columns"`
	URL         string `json:"url"`
}

// tables answers /api/v1/marts: which tables there are.
func (a *API) tables(w http.ResponseWriter, r *http.Request, _ url.Values) error {
	data, err := a.warehouse()
	if err != nil {
		return err
	}
	tables, version, err := a.tablesOf(r.Context(), data)
	if err != nil {
		return err
	}
	entries := make([]tableEntry, len(tables))
	for i, table := range tables {
		entries[i] = tableEntry{table.Name, table.Kind, table.Description, len(table.Columns), "/api/v1/marts/" + table.Name}
	}
	tag := a.tag(version, "list")
	if knows(r, tag) {
		notModified(w, tag)
		return nil
	}
	sendJSON(w, r, http.StatusOK, map[string]any{"as_of": version, "tables": entries}, tag)
	return nil
}
