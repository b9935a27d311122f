package modeler

import (
	"context"
	"fmt"

	"claude-analytics/modeler/project"
)

// changedSessionTables are the session models of which only the sessions in closedTable are computed.
func (r *run) changedSessionTables() []*project.Node {
	if r.sessions == 0 {
		return nil
	}
	return r.selectedNodes(func(n *project.Node) bool { return isSessionTable(n) && !r.rebuild[n] })
}

// computeChanged computes the session models over the documents of the sessions in closedTable.
func (r *run) computeChanged(ctx context.Context) error {
	return r.computeSessions(ctx, r.changedSessionTables(), true)
}

// rebuiltSessionTables are the session models that are computed over all documents.
func (r *run) rebuiltSessionTables() []*project.Node {
	return r.selectedNodes(func(n *project.Node) bool { return isSessionTable(n) && r.rebuild[n] })
}

func fullTable(n *project.Node) string { return n.Name + "__full" }

// computeAll computes the session models that are to be rebuilt, over all documents.
func (r *run) computeAll(ctx context.Context) error {
	nodes := r.rebuiltSessionTables()
	if len(nodes) == 0 {
		return nil
	}
	if err := r.computeSessions(ctx, nodes, false); err != nil {
		return err
	}
	for _, n := range r.sessionAncestors(nodes) {
		r.tests.whole[n] = overDocuments(n)
	}
	for _, n := range nodes {
		if err := r.exec(ctx, "set "+n.Name+" aside", fmt.Sprintf("ALTER TABLE %s RENAME TO %s", r.at(n.Name), project.Quote(fullTable(n)))); err != nil {
			return err
		}
	}
	if err := r.noteFreshness(ctx, documents); err != nil {
		return err
	}
	return r.settle(ctx)
}

// rebuildSessionTables puts what computeAll made in place.
func (r *run) rebuildSessionTables(ctx context.Context) error {
	for _, n := range r.rebuiltSessionTables() {
		r.diffs[n] = &diff{changed: true, all: true}
		err := r.timed(n, func() (int64, error) {
			if err := r.exec(ctx, "write "+n.Name, fmt.Sprintf("CREATE OR REPLACE TABLE %s AS FROM %s", n.Relation(), r.at(fullTable(n)))); err != nil {
				return 0, err
			}
			return r.number(ctx, "count rows", "SELECT count(*) FROM "+n.Relation())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// computeSessions computes session models and what they need. scoped restricts the sources to the sessions of closedTable:
// they are copied, and other writers go ahead while the copies are computed from, since nothing else is read then but what the
// modeler alone writes.
func (r *run) computeSessions(ctx context.Context, wanted []*project.Node, scoped bool) error {
	nodes := r.sessionAncestors(wanted)
	if len(nodes) == 0 {
		return nil
	}
	if err := r.share(ctx, scoped); err != nil {
		return err
	}
	if !scoped {
		if err := r.evaluate(ctx, nodes, wanted, scoped); err != nil {
			return err
		}
		return r.settle(ctx)
	}
	if err := r.scopeSources(ctx, nodes); err != nil {
		return err
	}
	return r.tx.Apart(ctx, func(ctx context.Context) error { return r.evaluate(ctx, nodes, wanted, scoped) })
}

// share makes room for tables that several connections see, and puts the sessions there.
func (r *run) share(ctx context.Context, scoped bool) (err error) {
	if err := r.settle(ctx); err != nil {
		return err
	}
	if r.shared, err = r.tx.Shared(ctx); err != nil {
		return err
	}
	if scoped {
		if err := r.exec(ctx, "share the sessions", fmt.Sprintf("CREATE TABLE %s AS FROM %s", r.at(closedTable), temp(closedTable))); err != nil {
			return err
		}
		r.bounds.table = r.at(closedTable)
	}
	return r.settle(ctx) // so that others see it
}

// sessionAncestors are the given models and every session node they are computed from, in order.
func (r *run) sessionAncestors(wanted []*project.Node) []*project.Node {
	need := map[*project.Node]bool{}
	var visit func(n *project.Node)
	visit = func(n *project.Node) {
		if need[n] || n.Scope != project.Session {
			return
		}
		need[n] = true
		for _, up := range n.Refs {
			visit(up)
		}
	}
	for _, n := range wanted {
		visit(n)
	}
	var out []*project.Node
	for _, n := range r.project.Nodes {
		if need[n] {
			out = append(out, n)
		}
	}
	return out
}
