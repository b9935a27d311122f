package modeler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// table is what a scan must know of one.
type table struct {
	relation string
	columns  string // select list of the copy
	bounded  bool   // it has bronze's date, so that the dates of the sessions hold
	arrives  bool   // it says when a row arrived
}

// rowsOf is the query for a table's rows that belong to the sessions of closedTable.
func (r *run) rowsOf(t table) string {
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s", t.columns, t.relation, r.bounds.where(t.bounded))
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
	if _, err := tx.Exec(ctx, "CREATE TABLE "+r.at(name)+" AS "+r.rowsOf(t)); err != nil {
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
