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

// replaceSessionTables brings the rows of the sessions in closedTable up to date with what was computed.
func (r *run) replaceSessionTables(ctx context.Context) error {
	for _, n := range r.changedSessionTables() {
		err := r.timed(n, func() (int64, error) {
			stored, err := r.rowsOf(ctx, table{relation: n.Relation(), columns: "rowid AS " + ridColumn + ", *"})
			if err != nil {
				return 0, err
			}
			return r.replaceRows(ctx, n, stored)
		})
		if err != nil {
			return err
		}
	}
	return nil
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
		if err := r.exec(ctx, "set "+n.Name+" aside", fmt.Sprintf("ALTER TABLE %s RENAME TO %s", temp(n.Name), project.Quote(fullTable(n)))); err != nil {
			return err
		}
	}
	if err := r.dropTemps(ctx, r.sessionAncestors(nodes)); err != nil { // the names may be wanted again
		return err
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
			if err := r.exec(ctx, "write "+n.Name, fmt.Sprintf("CREATE OR REPLACE TABLE %s AS FROM %s", n.Relation(), temp(fullTable(n)))); err != nil {
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

// computeSessions evaluates session models and what they need, upstream first, each into a temporary table of its name.
// scoped restricts the sources to the sessions of closedTable: they are copied, and other writers go ahead while the
// copies are computed from, since nothing else is read then but what the modeler alone writes.
func (r *run) computeSessions(ctx context.Context, wanted []*project.Node, scoped bool) error {
	nodes := r.sessionAncestors(wanted)
	if !scoped {
		return r.evaluate(ctx, nodes, wanted, scoped)
	}
	if err := r.scopeSources(ctx, nodes); err != nil {
		return err
	}
	return r.tx.Apart(ctx, func(ctx context.Context) error { return r.evaluate(ctx, nodes, wanted, scoped) })
}

func (r *run) evaluate(ctx context.Context, nodes, wanted []*project.Node, scoped bool) error {
	names := project.Names{Ref: func(up *project.Node) string {
		if up.Scope == project.Session {
			return temp(up.Name)
		}
		return up.Relation()
	}}
	if scoped {
		names.Source = func(s *project.Source) string { return temp(r.sourceName(s)) }
	}
	want := map[*project.Node]bool{}
	for _, n := range wanted {
		want[n] = true
	}
	unsettled := map[*project.Node]bool{}
	for i, n := range nodes {
		err := r.timed(n, func() (int64, error) {
			if readsAny(n, unsettled) {
				clear(unsettled)
				if err := r.settle(ctx); err != nil {
					return 0, err
				}
			}
			if err := r.create(ctx, n, "CREATE TEMP TABLE "+project.Quote(n.Name), names); err != nil {
				return 0, err
			}
			unsettled[n] = true
			if want[n] {
				if err := r.checkSessions(ctx, n, scoped); err != nil {
					return 0, err
				}
			}
			if err := r.dropUsed(ctx, nodes[:i+1], nodes[i+1:], want, scoped); err != nil {
				return 0, err
			}
			return 0, r.testView(ctx, n, unsettled)
		})
		if err != nil {
			return err
		}
	}
	return r.settle(ctx)
}

// readsAny is whether a node reads one of some others.
func readsAny(n *project.Node, of map[*project.Node]bool) bool {
	for _, up := range n.Refs {
		if of[up] {
			return true
		}
	}
	return false
}

// dropUsed frees the memory of what the last computed node read and no later one does.
func (r *run) dropUsed(ctx context.Context, done, ahead []*project.Node, want map[*project.Node]bool, scoped bool) error {
	nodes, sources := map[*project.Node]bool{}, map[*project.Source]bool{}
	for _, n := range ahead {
		for _, up := range n.Refs {
			nodes[up] = true
		}
		for _, s := range n.Sources {
			sources[s] = true
		}
	}
	last := done[len(done)-1]
	var names []string
	for _, up := range last.Refs {
		if up.Scope == project.Session && !nodes[up] && !want[up] {
			names = append(names, up.Name)
		}
	}
	for _, s := range last.Sources {
		if scoped && !sources[s] {
			names = append(names, r.sourceName(s))
		}
	}
	for _, name := range names {
		if err := r.exec(ctx, "drop temporary table", "DROP TABLE "+temp(name)); err != nil {
			return err
		}
	}
	return nil
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

// checkSessions refuses rows of sessions that were not asked for: they would stand beside those that are already there.
func (r *run) checkSessions(ctx context.Context, n *project.Node, scoped bool) error {
	asked := r.bounds.sessions()
	if !scoped {
		asked = "SELECT coalesce(session_id, '') FROM " + documents
	}
	strange, err := r.strings(ctx, "check sessions", fmt.Sprintf(
		"SELECT DISTINCT coalesce(session_id, '') FROM %s WHERE coalesce(session_id, '') NOT IN (%s) LIMIT 3", temp(n.Name), asked))
	if err != nil {
		return &ModelError{Model: n.Name, File: n.File, Err: err}
	}
	if len(strange) > 0 {
		return &ModelError{Model: n.Name, File: n.File, Err: fmt.Errorf(
			"it is refreshed by session, but makes rows of sessions that are not its input's: %q", strange)}
	}
	return nil
}

// dropTemps frees the names of temporary tables.
func (r *run) dropTemps(ctx context.Context, nodes []*project.Node) error {
	for _, n := range nodes {
		if err := r.exec(ctx, "drop temporary table", "DROP TABLE IF EXISTS "+temp(n.Name)); err != nil {
			return err
		}
	}
	return nil
}
