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
	// replaced are the values of the column that the node is refreshed by whose rows were computed anew; nil: those of changed
	// sessions, or all were.
	replaced *keySet
	column   warehouse.Column
}

// keySet are values of a column, as DuckDB writes them.
type keySet struct {
	values []string
	null   bool
	all    bool // too many to name
}

// maxKeys is how many changed values of a column are named; with more, models refreshed by it are computed whole.
const maxKeys = 20000

// ridColumn is the row id in a query for a mart's rows.
const ridColumn = "__rid"

func diffTable(n *project.Node) string { return n.Name + "__diff" }

// pairs are stored and computed rows of a table, side by side.
type pairs struct {
	table  string // where they stand
	counts diffCounts
}

// replaceRows makes the stored rows, which a query gives with their row ids, equal to the rows that were computed of the node.
// Rows that did not change stay where they are: a session that gets a line costs a line, and what is computed from the table is
// told of that line only.
func (r *run) replaceRows(ctx context.Context, n *project.Node, stored string) (int64, error) {
	r.fresh[n] = r.computed(n)
	p, err := r.pair(ctx, r.tx, n, stored, temp(diffTable(n)))
	if err != nil {
		return 0, err
	}
	return p.counts.deleted + p.counts.inserted, r.applyDiff(ctx, n, p)
}

// computed is where the rows lie that were computed of a table.
func (r *run) computed(n *project.Node) string {
	if isSessionTable(n) {
		return r.at(n.Name)
	}
	return temp(n.Name)
}

// pair compares stored rows with computed ones, and notes what changes, for the models downstream.
func (r *run) pair(ctx context.Context, tx *warehouse.Tx, n *project.Node, stored, into string) (pairs, error) {
	columns, err := r.columns.of(ctx, r, n)
	if err != nil {
		return pairs{}, err
	}
	wanted := r.wantedColumns(n, columns)
	compare := "CREATE TABLE " + into + " AS "
	if tx == r.tx { // which has written to the file, and can write to nothing else but what is temporary
		compare = "CREATE TEMP TABLE " + into + " AS "
	}
	if _, err := tx.Exec(ctx, compare+pairRows(n, r.computed(n), stored, columns, wanted)); err != nil {
		return pairs{}, &ModelError{Model: n.Name, File: n.File, Err: fmt.Errorf("compare rows: %w", err)}
	}
	p := pairs{table: into}
	if p.counts, err = countDiff(ctx, tx, n, into); err != nil {
		return p, err
	}
	if p.counts.repeated {
		// Without a key that tells rows apart, all are replaced.
		if _, err := tx.Exec(ctx, "DROP TABLE "+into+"; "+compare+allRows(r.computed(n), stored, wanted)); err != nil {
			return p, fmt.Errorf("compare rows of %s: %w", n.Name, err)
		}
		if p.counts, err = countDiff(ctx, tx, n, into); err != nil {
			return p, err
		}
	}
	return p, noteDiff(ctx, tx, n, r.diffOf(n), p, wanted)
}

// pairRows is the query that pairs stored and computed rows by their key: their row ids, whether they differ, and their values
// of the wanted columns. Equal pairs are in it too, since they show whether a key is repeated.
func pairRows(n *project.Node, computed, stored string, columns, wanted []warehouse.Column) string {
	key := n.UniqueKey
	if len(key) == 0 {
		for _, c := range columns {
			key = append(key, c.Name)
		}
	}
	join, differ := make([]string, len(key)), make([]string, len(columns))
	for i, k := range key {
		join[i] = fmt.Sprintf("o.%[1]s IS NOT DISTINCT FROM n.%[1]s", project.Quote(k))
	}
	for i, c := range columns {
		differ[i] = fmt.Sprintf("o.%[1]s IS DISTINCT FROM n.%[1]s", project.Quote(c.Name))
	}
	return fmt.Sprintf("SELECT o.%[1]s AS old_rid, n.rowid AS new_rid, o.%[1]s IS NULL OR n.rowid IS NULL OR %[2]s AS differs%[3]s FROM (%[4]s) o FULL JOIN %[5]s n ON %[6]s",
		ridColumn, strings.Join(differ, " OR "), valuesOf(wanted), stored, computed, strings.Join(join, " AND "))
}

// allRows is the query that pairs none: every stored row goes, every computed one comes.
func allRows(computed, stored string, wanted []warehouse.Column) string {
	return fmt.Sprintf(`SELECT o.%[1]s AS old_rid, NULL::BIGINT AS new_rid, true AS differs%[2]s FROM (%[3]s) o LEFT JOIN %[4]s n ON false
		UNION ALL SELECT NULL, n.rowid, true%[2]s FROM %[4]s n LEFT JOIN (%[3]s) o ON false`, ridColumn, valuesOf(wanted), stored, computed)
}

func valuesOf(wanted []warehouse.Column) string {
	var old, fresh strings.Builder
	for _, c := range wanted {
		fmt.Fprintf(&old, ", o.%s AS %s", project.Quote(c.Name), project.Quote("old_"+c.Name))
		fmt.Fprintf(&fresh, ", n.%s AS %s", project.Quote(c.Name), project.Quote("new_"+c.Name))
	}
	return old.String() + fresh.String()
}

// diffCounts is what stands in a node's diffTable.
type diffCounts struct {
	first, last             *int64 // row ids of what is deleted
	deleted, inserted, lost int64
	// repeated is whether a row was paired more than once.
	repeated bool
}

func countDiff(ctx context.Context, tx *warehouse.Tx, n *project.Node, table string) (diffCounts, error) {
	var c diffCounts
	err := tx.QueryRow(ctx, `SELECT min(old_rid) FILTER (WHERE differs), max(old_rid) FILTER (WHERE differs), count(old_rid) FILTER (WHERE differs),
		count(new_rid) FILTER (WHERE differs), count(*) FILTER (WHERE new_rid IS NULL),
		count(old_rid) > count(DISTINCT old_rid) OR count(new_rid) > count(DISTINCT new_rid)
		FROM `+table).Scan(&c.first, &c.last, &c.deleted, &c.inserted, &c.lost, &c.repeated)
	if err != nil {
		return c, fmt.Errorf("compare rows of %s: %w", n.Name, err)
	}
	return c, nil
}

// applyDiff deletes and inserts.
func (r *run) applyDiff(ctx context.Context, n *project.Node, p pairs) error {
	if p.counts.deleted > 0 {
		if err := r.exec(ctx, "delete from "+n.Name, fmt.Sprintf("DELETE FROM %s WHERE rowid BETWEEN %d AND %d AND rowid IN (SELECT old_rid FROM %s WHERE differs)",
			n.Relation(), *p.counts.first, *p.counts.last, p.table)); err != nil {
			return err
		}
	}
	if p.counts.inserted == 0 {
		return nil
	}
	return r.exec(ctx, "insert into "+n.Name, fmt.Sprintf("INSERT INTO %s BY NAME SELECT n.* FROM %s n WHERE n.rowid IN (SELECT new_rid FROM %s WHERE differs)",
		n.Relation(), r.computed(n), p.table))
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
func noteDiff(ctx context.Context, tx *warehouse.Tx, n *project.Node, d *diff, p pairs, wanted []warehouse.Column) error {
	d.lost = d.lost || p.counts.lost > 0
	if p.counts.deleted+p.counts.inserted == 0 || d.all {
		return nil
	}
	d.changed, d.keys = true, map[string]*keySet{}
	if len(wanted) == 0 {
		return nil
	}
	parts := make([]string, len(wanted))
	for i, c := range wanted {
		d.keys[c.Name] = &keySet{}
		parts[i] = fmt.Sprintf(`(SELECT DISTINCT %[1]d, v::VARCHAR FROM (SELECT %[2]s AS v FROM %[4]s WHERE differs AND old_rid IS NOT NULL
			UNION ALL SELECT %[3]s FROM %[4]s WHERE differs AND new_rid IS NOT NULL) LIMIT %[5]d)`,
			i, project.Quote("old_"+c.Name), project.Quote("new_"+c.Name), p.table, maxKeys+1)
	}
	rowsOf, err := tx.Query(ctx, strings.Join(parts, " UNION ALL "))
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
