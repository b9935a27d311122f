package modeler

import (
	"context"

	"claude-analytics/internal/warehouse"
)

// noteChanges says which rows this refresh replaced, for whoever keeps a copy of the tables. It may say too much, and never
// too little.
func (r *run) noteChanges(ctx context.Context) error {
	r.changes = warehouse.Changes{Refresh: r.id}
	if len(r.rebuild) > 0 || r.ahead != nil || r.sessions > warehouse.MaxChanged {
		r.changes.All = true
		return nil
	}
	sessions := r.bounds.few
	if int64(len(sessions)) < r.sessions {
		var err error
		if sessions, err = r.strings(ctx, "read sessions", "SELECT session_id FROM "+temp(closedTable)); err != nil {
			return err
		}
	}
	for _, n := range r.project.Nodes {
		d := r.diffs[n]
		switch {
		case d == nil || !d.changed || n.Schema != warehouse.Gold:
			continue
		case d.all:
			r.changes.All = true
			return nil
		}
		change := warehouse.TableChange{Table: n.Name}
		switch {
		case isSessionTable(n):
			change.Column, change.Values, change.Null = sessionColumn, sessions, r.bounds.nulls
		case d.replaced != nil:
			change.Column, change.Values, change.Null = d.column, d.replaced.values, d.replaced.null
		default:
			change.Whole = true
		}
		r.changes.Tables = append(r.changes.Tables, change)
	}
	return nil
}
