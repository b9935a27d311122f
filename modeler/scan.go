package modeler

import (
	"context"
	"fmt"
	"strings"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// A table holds its rows in the order they came, mostly: those of a few sessions lie in few places. So a scan for them
// first reads the narrow session column alone and notes where the rows are, and then reads whole rows from those places
// only. Reading the wide columns everywhere costs 30 times as much.
const (
	rowGroup = warehouse.RowGroupSize
	// maxPlaces is how many places are read one by one; with more, one pass over all is cheaper.
	maxPlaces = 256
)

// place is a range of row ids.
type place struct{ first, last int64 }

// copyRows makes a temporary table of a table's rows that belong to the sessions of closedTable. columns is a select list.
func (r *run) copyRows(ctx context.Context, name, relation, columns string, hasDate bool) error {
	where := r.bounds.where("", hasDate)
	places, err := r.locate(ctx, relation, where)
	if err != nil {
		return err
	}
	statement := fmt.Sprintf("CREATE TEMP TABLE %s AS SELECT %s FROM %s WHERE ", project.Quote(name), columns, relation)
	switch {
	case places == nil:
		statement += "false"
	case len(places) > maxPlaces:
		statement += where
	default:
		parts := make([]string, len(places))
		for i, p := range places {
			parts[i] = fmt.Sprintf("SELECT %s FROM %s WHERE rowid BETWEEN %d AND %d AND %s", columns, relation, p.first, p.last, r.bounds.where("", false))
		}
		statement = "CREATE TEMP TABLE " + project.Quote(name) + " AS " + strings.Join(parts, " UNION ALL ")
	}
	return r.exec(ctx, "read "+relation, statement)
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
	columns, err := r.tx.Columns(ctx, s.Schema, s.Identifier)
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
	if err := r.copyRows(ctx, r.sourceName(s), s.Relation(), needed, has["date"]); err != nil {
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
