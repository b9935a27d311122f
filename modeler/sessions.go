package modeler

import (
	"context"
	"fmt"

	"claude-analytics/modeler/project"
)

// refreshSessions computes the session models: those that are to be rebuilt over all documents, the others over the
// documents of the sessions in closedTable.
func (r *run) refreshSessions(ctx context.Context) error {
	full := r.selectedNodes(func(n *project.Node) bool { return isSessionTable(n) && r.rebuild[n] })
	changed := r.selectedNodes(func(n *project.Node) bool { return isSessionTable(n) && !r.rebuild[n] })
	if len(full) > 0 {
		if err := r.computeSessions(ctx, full, false, r.replaceTable); err != nil {
			return err
		}
		if len(changed) > 0 && r.sessions > 0 { // the names are needed again
			if err := r.dropTemps(ctx, r.sessionAncestors(full)); err != nil {
				return err
			}
		}
		if err := r.noteFreshness(ctx, documents); err != nil {
			return err
		}
	}
	if len(changed) == 0 || r.sessions == 0 {
		return nil
	}
	return r.computeSessions(ctx, changed, true, r.replaceSessions)
}

// computeSessions evaluates session models and what they need, upstream first, each into a temporary table of its name,
// and hands those that are wanted to apply. scoped restricts the sources to the sessions of closedTable.
func (r *run) computeSessions(ctx context.Context, wanted []*project.Node, scoped bool, apply func(context.Context, *project.Node) (int64, error)) error {
	nodes := r.sessionAncestors(wanted)
	names := project.Names{Ref: func(up *project.Node) string {
		if up.Scope == project.Session {
			return temp(up.Name)
		}
		return up.Relation()
	}}
	if scoped {
		if err := r.scopeSources(ctx, nodes); err != nil {
			return err
		}
		names.Source = func(s *project.Source) string { return temp(r.sourceName(s)) }
	}
	want := map[*project.Node]bool{}
	for _, n := range wanted {
		want[n] = true
	}
	for _, n := range nodes {
		err := r.timed(n, func() (int64, error) {
			if err := r.create(ctx, n, "CREATE TEMP TABLE "+project.Quote(n.Name), names); err != nil {
				return 0, err
			}
			if !want[n] {
				return 0, nil
			}
			if scoped {
				if err := r.checkSessions(ctx, n); err != nil {
					return 0, err
				}
			}
			return apply(ctx, n)
		})
		if err != nil {
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
func (r *run) checkSessions(ctx context.Context, n *project.Node) error {
	strange, err := r.strings(ctx, "check sessions", fmt.Sprintf(`SELECT DISTINCT coalesce(session_id, '') FROM %s
		WHERE coalesce(session_id, '') NOT IN (SELECT session_id FROM %s) LIMIT 3`, temp(n.Name), temp(closedTable)))
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

// replaceTable makes the node's table anew from the temporary one.
func (r *run) replaceTable(ctx context.Context, n *project.Node) (int64, error) {
	r.diffs[n] = &diff{changed: true, all: true}
	if err := r.exec(ctx, "write "+n.Name, fmt.Sprintf("CREATE OR REPLACE TABLE %s AS FROM %s", n.Relation(), temp(n.Name))); err != nil {
		return 0, err
	}
	return r.number(ctx, "count rows", "SELECT count(*) FROM "+n.Relation())
}

// replaceSessions brings the rows of the sessions in closedTable up to date with the temporary table.
func (r *run) replaceSessions(ctx context.Context, n *project.Node) (int64, error) {
	if err := r.copyRows(ctx, oldTable(n), n.Relation(), "rowid AS "+ridColumn+", *", false); err != nil {
		return 0, err
	}
	return r.replaceRows(ctx, n)
}
