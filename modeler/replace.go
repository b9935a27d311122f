package modeler

import (
	"context"
	"sync"
	"time"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// storedRows is the query for the stored rows of the sessions in closedTable, with their row ids.
func (r *run) storedRows(n *project.Node) string {
	return r.rowsOf(table{relation: n.Relation(), columns: "rowid AS " + ridColumn + ", *"})
}

// pairSessionTables compares the rows of the session tables, several tables at once, before this transaction writes anything.
// Row ids stand until then: nobody else writes in this turn, so that nothing is moved. When tables change places in this
// refresh, they are compared once they have.
func (r *run) pairSessionTables(ctx context.Context) error {
	nodes := r.changedSessionTables()
	if len(nodes) == 0 || len(r.rebuild) > 0 || r.ahead != nil {
		return nil
	}
	for _, n := range nodes {
		if _, err := r.columns.of(ctx, r, n); err != nil { // so that it is known, and only read below
			return err
		}
		r.fresh[n] = r.computed(n)
		r.diffOf(n)
	}
	var mu sync.Mutex
	paired, took := map[*project.Node]pairs{}, map[*project.Node]time.Duration{}
	err := besideEach(ctx, r, nodes, func(ctx context.Context, tx *warehouse.Tx, n *project.Node) error {
		began := time.Now()
		p, err := r.pair(ctx, tx, n, r.storedRows(n), r.at(diffTable(n)))
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		paired[n], took[n] = p, time.Since(began)
		return nil
	})
	if err != nil {
		return err
	}
	r.paired = paired
	for _, n := range nodes {
		r.note(n, 0, took[n])
	}
	return r.settle(ctx)
}

// replaceSessionTables brings the rows of the sessions in closedTable up to date with what was computed.
func (r *run) replaceSessionTables(ctx context.Context) error {
	for _, n := range r.changedSessionTables() {
		err := r.timed(n, func() (int64, error) {
			if p, ok := r.paired[n]; ok {
				return p.counts.deleted + p.counts.inserted, r.applyDiff(ctx, n, p)
			}
			return r.replaceRows(ctx, n, r.storedRows(n))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
