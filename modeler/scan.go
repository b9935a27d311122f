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
// from a few places by row id, else session by session (an equality passes over a table faster than a list does).
// Reading the wide columns everywhere costs up to 30 times as much.
const rowGroup = warehouse.RowGroupSize

// scanLimits say when which way of reading is taken.
type scanLimits struct {
	places   int   // up to so many are read by row id
	sessions int64 // up to so many are read one by one
}

func defaultLimits() scanLimits { return scanLimits{places: 16, sessions: 256} }

// place is a range of row ids.
type place struct{ first, last int64 }

// copyRows makes a temporary table of a table's rows that belong to the sessions of closedTable. columns is a select list.
func (r *run) copyRows(ctx context.Context, name, relation, columns string, hasDate bool) error {
	where := r.bounds.where("", hasDate)
	places, err := r.locate(ctx, relation, where)
	if err != nil {
		return err
	}
	var conditions []string
	switch {
	case len(places) == 0:
		conditions = []string{"false"}
	case len(places) <= r.limits.places:
		for _, p := range places {
			conditions = append(conditions, fmt.Sprintf("rowid BETWEEN %d AND %d AND %s", p.first, p.last, r.bounds.where("", false)))
		}
	case len(r.bounds.sessions) > 0:
		for _, s := range r.bounds.sessions {
			conditions = append(conditions, s.where(hasDate))
		}
	default:
		conditions = []string{where}
	}
	for i, c := range conditions {
		conditions[i] = fmt.Sprintf("SELECT %s FROM %s WHERE %s", columns, relation, c)
	}
	return r.exec(ctx, "read "+relation, "CREATE TEMP TABLE "+project.Quote(name)+" AS "+strings.Join(conditions, " UNION ALL "))
}

// sessionBounds is one session of closedTable with the dates between which its documents lie; no dates: not known.
type sessionBounds struct {
	session     string
	first, last *string
}

func (s sessionBounds) where(hasDate bool) string {
	condition := project.SessionKey + " = " + project.Literal(s.session)
	if s.session == "" {
		condition = "(" + condition + " OR " + project.SessionKey + " IS NULL)"
	}
	if hasDate && s.first != nil {
		condition += " AND date BETWEEN DATE " + project.Literal(*s.first) + " AND DATE " + project.Literal(*s.last)
	}
	return condition
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
