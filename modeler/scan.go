package modeler

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// A table holds its rows in the order they came, mostly: those of a few sessions lie in few places. So a scan for them
// first reads the narrow session column alone and notes where the rows are, and then reads whole rows from there only.
// Reading the wide columns everywhere costs up to 30 times as much.

// vector is how many rows DuckDB reads at once. A filter on row ids that takes none of them leaves the other columns unread.
const vector = 2048

// maxVectors bounds the condition on them. Rows that are a transaction's own have row ids far beyond all others.
const maxVectors = 1 << 20

// table is what a scan must know of one.
type table struct {
	relation string
	columns  string // select list of the copy
	bounded  bool   // it has bronze's date, so that the dates of the sessions hold
	arrives  bool   // it says when a row arrived
}

// rowsOf is the query for a table's rows that belong to the sessions of closedTable.
func (r *run) rowsOf(ctx context.Context, tx *warehouse.Tx, t table) (string, error) {
	vectors, err := r.locate(ctx, tx, t)
	if err != nil {
		return "", err
	}
	where := r.bounds.lookedUp().where("", false)
	switch n := len(vectors); {
	case n == 0:
		where = "false"
	case vectors[n-1]-vectors[0] < maxVectors:
		where = inVectors(vectors) + " AND " + where
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s", t.columns, t.relation, where), nil
}

// locate finds the vectors in which rows lie, in order.
func (r *run) locate(ctx context.Context, tx *warehouse.Tx, t table) ([]int64, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf("SELECT DISTINCT rowid // %d FROM %s WHERE %s ORDER BY 1", vector, t.relation, r.bounds.where("", t.bounded)))
	if err != nil {
		return nil, fmt.Errorf("locate rows of %s: %w", t.relation, err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	var out []int64
	for rows.Next() {
		var v int64
		if err := rows.Scan(&v); err != nil {
			return nil, fmt.Errorf("locate rows of %s: %w", t.relation, err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// inVectors is the condition that a row lies in one of the vectors: a bit for each, from the first on. It costs the same
// however many they are; ranges would be compared one after the other, or be scans of their own.
func inVectors(vectors []int64) string {
	first, last := vectors[0], vectors[len(vectors)-1]
	bits := bytes.Repeat([]byte{'0'}, int(last-first+1))
	for _, v := range vectors {
		bits[v-first] = '1'
	}
	// The range passes over row groups unread. DuckDB may ask for a bit outside of it all the same.
	return fmt.Sprintf("rowid BETWEEN %d AND %d AND get_bit('%s'::BIT, (least(greatest(rowid // %d, %d), %d) - %[5]d)::INTEGER) = 1",
		first*vector, last*vector+vector-1, bits, vector, first, last)
}

// scopeSources makes tables in memory of the sources that the nodes read, with the rows of the sessions of closedTable: several
// at once, since nobody else writes in this turn.
func (r *run) scopeSources(ctx context.Context, nodes []*project.Node) error {
	tables := map[*project.Source]table{}
	for _, n := range nodes {
		for _, s := range n.Sources {
			if _, done := tables[s]; done {
				continue
			}
			t, err := r.tableOf(ctx, s, n)
			if err != nil {
				return err
			}
			tables[s] = t
		}
	}
	sources := slices.Collect(maps.Keys(tables))
	err := besideEach(ctx, r, sources, func(ctx context.Context, tx *warehouse.Tx, s *project.Source) error {
		return r.copyRows(ctx, tx, r.sourceName(s), tables[s])
	})
	if err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil { // so that they are seen here
		return err
	}
	for s, t := range tables {
		if !t.arrives {
			continue
		}
		if err := r.noteFreshness(ctx, r.at(r.sourceName(s))); err != nil {
			return err
		}
	}
	return nil
}

// tableOf is a source's table as the models above it need it.
func (r *run) tableOf(ctx context.Context, s *project.Source, reader *project.Node) (table, error) {
	columns, err := r.columns.source(ctx, r, s)
	if err != nil {
		return table{}, err
	}
	has := map[string]bool{}
	for _, c := range columns {
		has[strings.ToLower(c.Name)] = true
	}
	if !has[project.SessionKey] {
		return table{}, &ModelError{Model: reader.Name, File: reader.File, Err: fmt.Errorf(
			"source %s has no column %s (or does not exist), so models above it cannot be refreshed by session", s.Key(), project.SessionKey)}
	}
	needed, err := r.columns.needed(r, s, columns)
	return table{relation: s.Relation(), columns: needed, bounded: has["date"], arrives: has["extracted_at"]}, err
}

// copyRows makes a table in memory of those rows of a table that belong to the sessions of closedTable.
func (r *run) copyRows(ctx context.Context, tx *warehouse.Tx, name string, t table) error {
	query, err := r.rowsOf(ctx, tx, t)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "CREATE TABLE "+r.at(name)+" AS "+query); err != nil {
		return fmt.Errorf("read %s: %w", t.relation, err)
	}
	return nil
}

// noteFreshness keeps the arrival of the newest document that the marts hold.
func (r *run) noteFreshness(ctx context.Context, relation string) error {
	newest := r.state.newest
	if err := r.tx.QueryRow(ctx, "SELECT max(extracted_at) FROM "+relation).Scan(&newest); err != nil {
		return fmt.Errorf("read freshness: %w", err)
	}
	if newest.Valid && (!r.state.newest.Valid || newest.Time.After(r.state.newest.Time)) {
		r.state.newest = newest
	}
	return nil
}

// sourceName is the name of a source's table in memory: its own, so that it can stand before a column, unless a model
// has it.
func (r *run) sourceName(s *project.Source) string {
	if r.project.Node(s.Table) != nil {
		return s.Name + "__" + s.Table
	}
	return s.Table
}
