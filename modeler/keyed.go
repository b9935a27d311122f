package modeler

import (
	"context"
	"fmt"
	"strings"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// refreshKeyed brings a model up to date that is refreshed by another column than the session: it is computed over the
// rows of its upstream tables that hold a changed value of that column, and only its rows of those values are replaced.
func (r *run) refreshKeyed(ctx context.Context, n *project.Node) error {
	if r.rebuild[n] {
		return r.timed(n, func() (int64, error) { return r.buildTable(ctx, n) })
	}
	keys := r.changedKeysOf(n)
	switch {
	case keys == nil:
		return nil
	case keys.all:
		return r.timed(n, func() (int64, error) { return r.compareWhole(ctx, n) })
	}
	return r.timed(n, func() (int64, error) { return r.replaceKeys(ctx, n, keys) })
}

// changedKeysOf joins the changed values of all upstream tables; nil if nothing upstream changed.
func (r *run) changedKeysOf(n *project.Node) *keySet {
	var out *keySet
	seen := map[string]bool{}
	for _, up := range n.Refs {
		d := r.diffs[up]
		if d == nil || !d.changed {
			continue
		}
		if out == nil {
			out = &keySet{}
		}
		keys := d.keys[n.RefreshBy]
		if d.all || keys == nil { // a table without that column concerns every value
			out.all = true
			return out
		}
		out.null = out.null || keys.null
		out.all = out.all || keys.all
		for _, v := range keys.values {
			if !seen[v] {
				seen[v] = true
				out.values = append(out.values, v)
			}
		}
	}
	if out != nil {
		out.all = out.all || len(out.values) > maxKeys
	}
	return out
}

// where is the condition that a column holds one of the values.
func (k *keySet) where(column warehouse.Column) string { return column.HoldsOneOf(k.values, k.null) }

// findColumn finds a column by name, as SQL does.
func findColumn(columns []warehouse.Column, name string) (warehouse.Column, bool) {
	for _, c := range columns {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return warehouse.Column{}, false
}

func (r *run) replaceKeys(ctx context.Context, n *project.Node, keys *keySet) (int64, error) {
	scoped := map[*project.Node]bool{}
	for _, up := range n.Refs {
		if up.Scope == project.Static || !up.HasTable() {
			continue
		}
		columns, err := r.columns.of(ctx, r, up)
		if err != nil {
			return 0, err
		}
		column, ok := findColumn(columns, n.RefreshBy)
		if !ok {
			if up.Materialized == project.Table {
				continue // read whole; a change of it would have set keys.all
			}
			return 0, &ModelError{Model: n.Name, File: n.File, Err: fmt.Errorf("it is refreshed by %s, and %s has no such column", n.RefreshBy, up.Name)}
		}
		if err := r.freeName(ctx, up); err != nil {
			return 0, err
		}
		if err := r.exec(ctx, "restrict "+up.Name, fmt.Sprintf("CREATE TEMP VIEW %s AS SELECT * FROM %s WHERE %s",
			project.Quote(up.Name), up.Relation(), keys.where(column))); err != nil {
			return 0, err
		}
		scoped[up] = true
	}
	names := project.Names{Ref: func(up *project.Node) string {
		if scoped[up] {
			return temp(up.Name)
		}
		return up.Relation()
	}}
	if err := r.create(ctx, n, "CREATE TEMP TABLE "+project.Quote(n.Name), names); err != nil {
		return 0, err
	}
	columns, err := r.columns.of(ctx, r, n)
	if err != nil {
		return 0, err
	}
	column, ok := findColumn(columns, n.RefreshBy)
	if !ok {
		return 0, &ModelError{Model: n.Name, File: n.File, Err: fmt.Errorf("it has no column %s to be refreshed by", n.RefreshBy)}
	}
	if err := r.checkKeys(ctx, n, keys.where(column)); err != nil {
		return 0, err
	}
	rows, err := r.replaceRows(ctx, n, fmt.Sprintf("SELECT rowid AS %s, * FROM %s WHERE %s", ridColumn, n.Relation(), keys.where(column)))
	if err != nil {
		return 0, err
	}
	r.diffOf(n).replaced, r.diffOf(n).column = keys, column
	for up := range scoped {
		if err := r.exec(ctx, "drop temporary view", "DROP VIEW "+temp(up.Name)); err != nil {
			return 0, err
		}
	}
	return rows, nil
}

// freeName makes room for a temporary view of an upstream table's name. The rows that were computed of it are still to be
// tested.
func (r *run) freeName(ctx context.Context, n *project.Node) error {
	if r.fresh[n] != temp(n.Name) {
		return nil
	}
	aside := n.Name + "__fresh"
	r.fresh[n] = temp(aside)
	return r.exec(ctx, "set "+n.Name+" aside", fmt.Sprintf("ALTER TABLE %s RENAME TO %s", temp(n.Name), project.Quote(aside)))
}

// checkKeys refuses rows of values that were not asked for: they would stand beside those that are already there.
func (r *run) checkKeys(ctx context.Context, n *project.Node, where string) error {
	strange, err := r.strings(ctx, "check "+n.RefreshBy, fmt.Sprintf("SELECT DISTINCT coalesce(%s::VARCHAR, 'NULL') FROM %s WHERE (%s) IS NOT TRUE LIMIT 3",
		project.Quote(n.RefreshBy), temp(n.Name), where))
	if err != nil {
		return &ModelError{Model: n.Name, File: n.File, Err: err}
	}
	if len(strange) > 0 {
		return &ModelError{Model: n.Name, File: n.File, Err: fmt.Errorf(
			"it is refreshed by %s, but makes rows of values that are not its input's: %q", n.RefreshBy, strange)}
	}
	return nil
}
