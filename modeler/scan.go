package modeler

import (
	"context"
	"fmt"
	"strings"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// A table holds its rows in the order they came, mostly: those of a few sessions lie in few places. So a scan for them
// first reads the narrow session column alone and notes where the rows are, and then reads whole rows from there only:
// from few places by row id, from many session by session within the dates that its rows have there (row ids are looked
// at row by row, dates pass over whole row groups). Reading the wide columns everywhere costs up to 30 times as much.
const rowGroup = warehouse.RowGroupSize

// scanLimits say when which way of reading is taken.
type scanLimits struct {
	places   int   // up to so many are read by row id
	sessions int64 // up to so many are read one by one
}

func defaultLimits() scanLimits { return scanLimits{places: 16, sessions: 256} }

// place is a range of row ids.
type place struct{ first, last int64 }

// table is what a scan must know of one.
type table struct {
	relation string
	columns  string // select list of the copy
	bounded  bool   // it has bronze's date, so that the dates of the sessions hold
	clock    string // a DATE column that follows the order of the rows, mostly; empty: none
}

// newTable finds the clock among a table's columns.
func newTable(relation, list string, columns []warehouse.Column, bounded bool) table {
	t := table{relation: relation, columns: list, bounded: bounded}
	for _, name := range []string{"date_key", "date"} {
		if c, ok := findColumn(columns, name); ok && c.Type == "DATE" {
			t.clock = project.Quote(c.Name)
		}
	}
	return t
}

// copyRows makes a temporary table of a table's rows that belong to the sessions of closedTable.
func (r *run) copyRows(ctx context.Context, name string, t table) error {
	query, err := r.rowsOf(ctx, t)
	if err != nil {
		return err
	}
	return r.exec(ctx, "read "+t.relation, "CREATE TEMP TABLE "+project.Quote(name)+" AS "+query)
}

// rowsOf is the query for a table's rows that belong to the sessions of closedTable.
func (r *run) rowsOf(ctx context.Context, t table) (string, error) {
	where := r.bounds.where("", t.bounded)
	places, err := r.locate(ctx, t.relation, where)
	if err != nil {
		return "", err
	}
	var conditions []string
	switch {
	case len(places) == 0:
		conditions = []string{"false"}
	case len(places) <= r.limits.places:
		for _, p := range places {
			conditions = append(conditions, fmt.Sprintf("rowid BETWEEN %d AND %d AND %s", p.first, p.last, r.bounds.where("", false)))
		}
	case t.clock != "" && r.sessions <= r.limits.sessions:
		if conditions, err = r.bySession(ctx, t, where); err != nil {
			return "", err
		}
	default:
		conditions = []string{where}
	}
	for i, c := range conditions {
		conditions[i] = fmt.Sprintf("SELECT %s FROM %s WHERE %s", t.columns, t.relation, c)
	}
	return strings.Join(conditions, " UNION ALL "), nil
}

// bySession gives a condition for each session that has rows, with the dates that they have.
func (r *run) bySession(ctx context.Context, t table, where string) ([]string, error) {
	rows, err := r.tx.Query(ctx, fmt.Sprintf("SELECT %[1]s, min(%[2]s)::VARCHAR, max(%[2]s)::VARCHAR, count(*) > count(%[2]s) FROM %[3]s WHERE %[4]s GROUP BY 1",
		project.SessionKey, t.clock, t.relation, where))
	if err != nil {
		return nil, fmt.Errorf("locate rows of %s: %w", t.relation, err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	var out []string
	for rows.Next() {
		var session, first, last *string
		var undated bool
		if err := rows.Scan(&session, &first, &last, &undated); err != nil {
			return nil, fmt.Errorf("locate rows of %s: %w", t.relation, err)
		}
		condition := project.SessionKey + " IS NULL"
		if session != nil {
			condition = project.SessionKey + " = " + project.Literal(*session)
		}
		if !undated {
			condition += fmt.Sprintf(" AND %s BETWEEN DATE %s AND DATE %s", t.clock, project.Literal(*first), project.Literal(*last))
		}
		out = append(out, condition)
	}
	return out, rows.Err()
}

// locate finds where the rows lie; nil if there are none.
func (r *run) locate(ctx context.Context, relation, where string) ([]place, error) {
	rows, err := r.tx.Query(ctx, fmt.Sprintf("SELECT min(rowid), max(rowid) FROM %s WHERE %s GROUP BY rowid // %d ORDER BY 1", relation, where, rowGroup))
	if err != nil {
		return nil, fmt.Errorf("locate rows of %s: %w", relation, err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	var out []place
	for rows.Next() {
		var p place
		if err := rows.Scan(&p.first, &p.last); err != nil {
			return nil, fmt.Errorf("locate rows of %s: %w", relation, err)
		}
		if n := len(out); n > 0 && p.first-out[n-1].last < rowGroup {
			out[n-1].last = p.last
			continue
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// scopeSources makes temporary tables of the sources that the nodes read, with the rows of the sessions of closedTable.
func (r *run) scopeSources(ctx context.Context, nodes []*project.Node) error {
	done := map[*project.Source]bool{}
	for _, n := range nodes {
		for _, s := range n.Sources {
			if done[s] {
				continue
			}
			done[s] = true
			if err := r.scopeSource(ctx, s, n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) scopeSource(ctx context.Context, s *project.Source, reader *project.Node) error {
	columns, err := r.columns.source(ctx, r, s)
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, c := range columns {
		has[strings.ToLower(c.Name)] = true
	}
	if !has[project.SessionKey] {
		return &ModelError{Model: reader.Name, File: reader.File, Err: fmt.Errorf(
			"source %s has no column %s (or does not exist), so models above it cannot be refreshed by session", s.Key(), project.SessionKey)}
	}
	needed, err := r.columns.needed(r, s, columns)
	if err != nil {
		return err
	}
	if err := r.copyRows(ctx, r.sourceName(s), newTable(s.Relation(), needed, columns, has["date"])); err != nil {
		return err
	}
	if has["extracted_at"] {
		return r.noteFreshness(ctx, temp(r.sourceName(s)))
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

// sourceName is the name of a source's temporary table: its own, so that it can stand before a column, unless a model
// has it.
func (r *run) sourceName(s *project.Source) string {
	if r.project.Node(s.Table) != nil {
		return s.Name + "__" + s.Table
	}
	return s.Table
}
