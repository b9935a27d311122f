package modeler

import (
	"context"
	"fmt"
	"strings"

	"claude-analytics/modeler/project"
)

// diff is what a refresh changed in a table.
type diff struct {
	changed bool
	all     bool               // perhaps every row
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
	columns, err := r.tx.Columns(ctx, "", n.Name)
	if err != nil {
		return 0, err
	}
	key := n.UniqueKey
	if len(key) == 0 {
		for _, c := range columns {
			key = append(key, c.Name)
		}
	}
	repeated, err := r.number(ctx, "check unique_key", repeatedKeys(n, key))
	if err != nil {
		return 0, &ModelError{Model: n.Name, File: n.File, Err: err}
	}
	differ := make([]string, len(columns))
	for i, c := range columns {
		differ[i] = fmt.Sprintf("o.%[1]s IS DISTINCT FROM n.%[1]s", project.Quote(c.Name))
	}
	join := "false" // without a key that tells rows apart, all are replaced
	if repeated == 0 {
		keys := make([]string, len(key))
		for i, k := range key {
			keys[i] = fmt.Sprintf("o.%[1]s IS NOT DISTINCT FROM n.%[1]s", project.Quote(k))
		}
		join = strings.Join(keys, " AND ")
	}
	compare := fmt.Sprintf(`CREATE TEMP TABLE %[1]s AS SELECT o.%[2]s AS old_rid, n.rowid AS new_rid FROM %[3]s o FULL JOIN %[4]s n ON %[5]s
		WHERE o.%[2]s IS NULL OR n.rowid IS NULL OR %[6]s`,
		project.Quote(diffTable(n)), ridColumn, temp(oldTable(n)), temp(n.Name), join, strings.Join(differ, " OR "))
	if join == "false" {
		compare = fmt.Sprintf(`CREATE TEMP TABLE %s AS SELECT %s AS old_rid, NULL::BIGINT AS new_rid FROM %s UNION ALL SELECT NULL, rowid FROM %s`,
			project.Quote(diffTable(n)), ridColumn, temp(oldTable(n)), temp(n.Name))
	}
	if err := r.exec(ctx, "compare rows of "+n.Name, compare); err != nil {
		return 0, err
	}
	deleted, inserted, err := r.applyDiff(ctx, n)
	if err != nil {
		return 0, err
	}
	if err := r.noteDiff(ctx, n, deleted+inserted); err != nil {
		return 0, err
	}
	for _, name := range []string{oldTable(n), diffTable(n)} {
		if err := r.exec(ctx, "drop temporary table", "DROP TABLE "+temp(name)); err != nil {
			return 0, err
		}
	}
	return deleted + inserted, nil
}

// repeatedKeys counts keys that stand in more than one row, old or new.
func repeatedKeys(n *project.Node, key []string) string {
	keys := make([]string, len(key))
	for i, k := range key {
		keys[i] = project.Quote(k)
	}
	list := strings.Join(keys, ", ")
	return fmt.Sprintf(`SELECT (SELECT count(*) FROM (SELECT 1 FROM %[1]s GROUP BY %[3]s HAVING count(*) > 1))
		+ (SELECT count(*) FROM (SELECT 1 FROM %[2]s GROUP BY %[3]s HAVING count(*) > 1))`, temp(oldTable(n)), temp(n.Name), list)
}

func (r *run) applyDiff(ctx context.Context, n *project.Node) (deleted, inserted int64, err error) {
	var first, last *int64
	err = r.tx.QueryRow(ctx, "SELECT min(old_rid), max(old_rid), count(old_rid), count(new_rid) FROM "+temp(diffTable(n))).Scan(&first, &last, &deleted, &inserted)
	if err != nil {
		return 0, 0, fmt.Errorf("compare rows of %s: %w", n.Name, err)
	}
	if deleted > 0 {
		if err := r.exec(ctx, "delete from "+n.Name, fmt.Sprintf("DELETE FROM %s WHERE rowid BETWEEN %d AND %d AND rowid IN (SELECT old_rid FROM %s)",
			n.Relation(), *first, *last, temp(diffTable(n)))); err != nil {
			return 0, 0, err
		}
	}
	if inserted > 0 {
		if err := r.exec(ctx, "insert into "+n.Name, fmt.Sprintf("INSERT INTO %s BY NAME SELECT n.* FROM %s n WHERE n.rowid IN (SELECT new_rid FROM %s)",
			n.Relation(), temp(n.Name), temp(diffTable(n)))); err != nil {
			return 0, 0, err
		}
	}
	return deleted, inserted, nil
}

// noteDiff reads, for every column that a model downstream is refreshed by, the values in the rows that changed.
func (r *run) noteDiff(ctx context.Context, n *project.Node, rows int64) error {
	d := r.diffs[n]
	if d == nil {
		d = &diff{keys: map[string]*keySet{}}
		r.diffs[n] = d
	}
	if rows == 0 || d.all {
		return nil
	}
	d.changed = true
	if d.keys == nil {
		d.keys = map[string]*keySet{}
	}
	for _, down := range r.project.Nodes {
		if down.Scope != project.Keyed || d.keys[down.RefreshBy] != nil || !refers(down, n) {
			continue
		}
		keys, err := r.changedValues(ctx, n, down.RefreshBy)
		if err != nil {
			return err
		}
		if keys != nil {
			d.keys[down.RefreshBy] = keys
		}
	}
	return nil
}

func refers(n, up *project.Node) bool {
	for _, ref := range n.Refs {
		if ref == up {
			return true
		}
	}
	return false
}

// changedValues are a column's values in the changed rows; nil if the table has no such column.
func (r *run) changedValues(ctx context.Context, n *project.Node, column string) (*keySet, error) {
	columns, err := r.tx.Columns(ctx, "", n.Name)
	if err != nil {
		return nil, err
	}
	has := false
	for _, c := range columns {
		has = has || strings.EqualFold(c.Name, column)
	}
	if !has {
		return nil, nil
	}
	rows, err := r.tx.Query(ctx, fmt.Sprintf(`SELECT DISTINCT v::VARCHAR FROM (
			SELECT o.%[1]s AS v FROM %[2]s o WHERE o.%[5]s IN (SELECT old_rid FROM %[4]s)
			UNION ALL SELECT n.%[1]s FROM %[3]s n WHERE n.rowid IN (SELECT new_rid FROM %[4]s)) LIMIT %[6]d`,
		project.Quote(column), temp(oldTable(n)), temp(n.Name), temp(diffTable(n)), ridColumn, maxKeys+1))
	if err != nil {
		return nil, fmt.Errorf("read changed %s of %s: %w", column, n.Name, err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	out := &keySet{}
	for rows.Next() {
		var v *string
		if err := rows.Scan(&v); err != nil {
			return nil, fmt.Errorf("read changed %s of %s: %w", column, n.Name, err)
		}
		if v == nil {
			out.null = true
			continue
		}
		out.values = append(out.values, *v)
	}
	out.all = len(out.values) > maxKeys
	return out, rows.Err()
}
