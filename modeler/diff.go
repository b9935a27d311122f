package modeler

import (
	"context"
	"fmt"
	"strings"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// diff is what a refresh changed in a table.
type diff struct {
	changed bool
	all     bool               // perhaps every row
	lost    bool               // a key has gone
	keys    map[string]*keySet // by column, the values that occur in rows deleted or inserted
}

// keySet are values of a column, as DuckDB writes them.
type keySet struct {
	values []string
	null   bool
	all    bool // too many to name
}

// maxKeys is how many changed values of a column are named; with more, models refreshed by it are computed whole.
const maxKeys = 20000

// ridColumn holds the row id in a copy of a mart's rows.
const ridColumn = "__rid"

func oldTable(n *project.Node) string { return n.Name + "__old" }

func diffTable(n *project.Node) string { return n.Name + "__diff" }

// replaceRows makes the stored rows that were copied to oldTable equal to the rows of the temporary table of the node's
// name. Rows that did not change stay where they are: a session that gets a line costs a line, and what is computed
// from the table is told of that line only.
func (r *run) replaceRows(ctx context.Context, n *project.Node) (int64, error) {
	r.fresh[n] = n.Name
	columns, err := r.columns.of(ctx, r, n)
	if err != nil {
		return 0, err
	}
	wanted := r.wantedColumns(n, columns)
	compare, err := r.compareRows(ctx, n, columns, wanted)
	if err != nil {
		return 0, err
	}
	if err := r.exec(ctx, "compare rows of "+n.Name, "CREATE TEMP TABLE "+project.Quote(diffTable(n))+" AS "+compare); err != nil {
		return 0, err
	}
	rows, err := r.applyDiff(ctx, n)
	if err != nil {
		return 0, err
	}
	return rows, r.noteDiff(ctx, n, rows, wanted)
}

// compareRows is the query for the rows that differ: the row ids of those to delete and to insert, and their values of
// the wanted columns.
func (r *run) compareRows(ctx context.Context, n *project.Node, columns, wanted []warehouse.Column) (string, error) {
	key := n.UniqueKey
	if len(key) == 0 {
		for _, c := range columns {
			key = append(key, c.Name)
		}
	}
	repeated, err := r.number(ctx, "check unique_key", repeatedKeys(n, key))
	if err != nil {
		return "", &ModelError{Model: n.Name, File: n.File, Err: err}
	}
	var old, fresh strings.Builder
	for _, c := range wanted {
		fmt.Fprintf(&old, ", o.%s AS %s", project.Quote(c.Name), project.Quote("old_"+c.Name))
		fmt.Fprintf(&fresh, ", n.%s AS %s", project.Quote(c.Name), project.Quote("new_"+c.Name))
	}
	from, to := temp(oldTable(n)), temp(n.Name)
	if repeated > 0 {
		// Without a key that tells rows apart, all are replaced.
		return fmt.Sprintf("SELECT o.%[1]s AS old_rid, NULL::BIGINT AS new_rid%[2]s%[3]s FROM %[4]s o LEFT JOIN %[5]s n ON false UNION ALL SELECT NULL, n.rowid%[2]s%[3]s FROM %[5]s n LEFT JOIN %[4]s o ON false",
			ridColumn, old.String(), fresh.String(), from, to), nil
	}
	join, differ := make([]string, len(key)), make([]string, len(columns))
	for i, k := range key {
		join[i] = fmt.Sprintf("o.%[1]s IS NOT DISTINCT FROM n.%[1]s", project.Quote(k))
	}
	for i, c := range columns {
		differ[i] = fmt.Sprintf("o.%[1]s IS DISTINCT FROM n.%[1]s", project.Quote(c.Name))
	}
	return fmt.Sprintf("SELECT o.%[1]s AS old_rid, n.rowid AS new_rid%[2]s%[3]s FROM %[4]s o FULL JOIN %[5]s n ON %[6]s WHERE o.%[1]s IS NULL OR n.rowid IS NULL OR %[7]s",
		ridColumn, old.String(), fresh.String(), from, to, strings.Join(join, " AND "), strings.Join(differ, " OR ")), nil
}

// repeatedKeys counts keys that stand in more than one row, old or new.
func repeatedKeys(n *project.Node, key []string) string {
	keys := make([]string, len(key))
	for i, k := range key {
		keys[i] = project.Quote(k)
	}
	list := strings.Join(keys, ", ")
	return fmt.Sprintf("SELECT count(*) FROM (SELECT false AS fresh, %[3]s FROM %[1]s UNION ALL SELECT true, %[3]s FROM %[2]s) GROUP BY fresh, %[3]s HAVING count(*) > 1 LIMIT 1",
		temp(oldTable(n)), temp(n.Name), list)
}

// applyDiff deletes and inserts, and says how many rows that were.
func (r *run) applyDiff(ctx context.Context, n *project.Node) (int64, error) {
	var first, last *int64
	var deleted, inserted, lost int64
	err := r.tx.QueryRow(ctx, "SELECT min(old_rid), max(old_rid), count(old_rid), count(new_rid), count(*) FILTER (WHERE new_rid IS NULL) FROM "+
		temp(diffTable(n))).Scan(&first, &last, &deleted, &inserted, &lost)
	if err != nil {
		return 0, fmt.Errorf("compare rows of %s: %w", n.Name, err)
	}
	if lost > 0 {
		r.diffOf(n).lost = true
	}
	if deleted > 0 {
		if err := r.exec(ctx, "delete from "+n.Name, fmt.Sprintf("DELETE FROM %s WHERE rowid BETWEEN %d AND %d AND rowid IN (SELECT old_rid FROM %s)",
			n.Relation(), *first, *last, temp(diffTable(n)))); err != nil {
			return 0, err
		}
	}
	if inserted > 0 {
		if err := r.exec(ctx, "insert into "+n.Name, fmt.Sprintf("INSERT INTO %s BY NAME SELECT n.* FROM %s n WHERE n.rowid IN (SELECT new_rid FROM %s)",
			n.Relation(), temp(n.Name), temp(diffTable(n)))); err != nil {
			return 0, err
		}
	}
	return deleted + inserted, nil
}

func (r *run) diffOf(n *project.Node) *diff {
	d := r.diffs[n]
	if d == nil {
		d = &diff{}
		r.diffs[n] = d
	}
	return d
}

// wantedColumns are those of the node's columns that a model downstream is refreshed by.
func (r *run) wantedColumns(n *project.Node, columns []warehouse.Column) []warehouse.Column {
	var out []warehouse.Column
	done := map[string]bool{}
	for _, down := range r.project.Nodes {
		if down.Scope != project.Keyed || done[down.RefreshBy] || !refers(down, n) {
			continue
		}
		done[down.RefreshBy] = true
		if c, ok := findColumn(columns, down.RefreshBy); ok {
			out = append(out, warehouse.Column{Name: down.RefreshBy, Type: c.Type})
		}
	}
	return out
}

func refers(n, up *project.Node) bool {
	for _, ref := range n.Refs {
		if ref == up {
			return true
		}
	}
	return false
}

// noteDiff keeps what changed, for the models downstream.
func (r *run) noteDiff(ctx context.Context, n *project.Node, rows int64, wanted []warehouse.Column) error {
	d := r.diffOf(n)
	if rows == 0 || d.all {
		return nil
	}
	d.changed, d.keys = true, map[string]*keySet{}
	if len(wanted) == 0 {
		return nil
	}
	parts := make([]string, len(wanted))
	for i, c := range wanted {
		d.keys[c.Name] = &keySet{}
		parts[i] = fmt.Sprintf(`(SELECT DISTINCT %[1]d, v::VARCHAR FROM (SELECT %[2]s AS v FROM %[4]s WHERE old_rid IS NOT NULL
			UNION ALL SELECT %[3]s FROM %[4]s WHERE new_rid IS NOT NULL) LIMIT %[5]d)`,
			i, project.Quote("old_"+c.Name), project.Quote("new_"+c.Name), temp(diffTable(n)), maxKeys+1)
	}
	rowsOf, err := r.tx.Query(ctx, strings.Join(parts, " UNION ALL "))
	if err != nil {
		return fmt.Errorf("read changed values of %s: %w", n.Name, err)
	}
	defer rowsOf.Close() //nolint:errcheck // Err says it
	for rowsOf.Next() {
		var i int
		var v *string
		if err := rowsOf.Scan(&i, &v); err != nil {
			return fmt.Errorf("read changed values of %s: %w", n.Name, err)
		}
		keys := d.keys[wanted[i].Name]
		if v == nil {
			keys.null = true
			continue
		}
		keys.values = append(keys.values, *v)
		keys.all = len(keys.values) > maxKeys
	}
	return rowsOf.Err()
}
