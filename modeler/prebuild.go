package modeler

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// A rebuild of many documents does not fit into one transaction: a transaction holds its temporary tables in memory
// until it ends, and the sink waits behind it. So session models are computed beside the marts first, some sessions at a
// time, each in its own short transaction. The refresh then puts the new tables in place of the old ones, and brings
// them up to date with what changed meanwhile. Nobody sees the new tables before.

// prebuilt are session models that were computed beside the marts.
type prebuilt struct {
	nodes    map[*project.Node]bool
	batch    int64 // newest batch when the building began: what came later is still to be applied
	complete bool  // every session model of the project is among them
	tests    *changedTests
}

// suffix of a table that is being built.
const nextSuffix = "__next"

func nextTable(n *project.Node) string {
	return project.Quote(n.Schema) + "." + project.Quote(n.Name+nextSuffix)
}

// prebuild computes the session models that the refresh would rebuild.
func (m *Modeler) prebuild(ctx context.Context, p *project.Project, opts Options) (*prebuilt, error) {
	ahead := &prebuilt{nodes: map[*project.Node]bool{}, complete: true, tests: newChangedTests(p)}
	var parts [][]string
	err := m.db.Write(ctx, "prepare rebuild", func(ctx context.Context, tx *warehouse.Tx) error {
		r := m.newRun(p, tx, opts)
		if err := r.begin(ctx); err != nil {
			return err
		}
		if err := r.plan(ctx); err != nil && err != errPrebuild { //nolint:errorlint // plan returns it bare
			return err
		}
		for _, n := range p.Nodes {
			if isSessionTable(n) {
				if r.rebuild[n] {
					ahead.nodes[n] = true
				} else {
					ahead.complete = false
				}
			}
		}
		ahead.batch = r.batch
		if err := r.createSchemas(ctx); err != nil {
			return err
		}
		for n := range ahead.nodes {
			if err := r.drop(ctx, n.Schema, n.Name+nextSuffix, false); err != nil {
				return err
			}
		}
		if err := r.buildStatic(ctx); err != nil { // the session models read it
			return err
		}
		if err := r.link(ctx); err != nil {
			return err
		}
		var err error
		parts, err = r.partition(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, sessions := range parts {
		err := m.db.Write(ctx, fmt.Sprintf("rebuild part %d of %d", i+1, len(parts)), func(ctx context.Context, tx *warehouse.Tx) error {
			r := m.newRun(p, tx, opts)
			r.tests = ahead.tests
			return tx.OnOneThread(ctx, fewThreads, func() error { return r.buildPart(ctx, ahead, sessions) })
		})
		if err != nil {
			return nil, err
		}
		for _, n := range p.Nodes {
			ahead.tests.whole[n] = overDocuments(n)
		}
		m.log.Debug().Int("part", i+1).Int("of", len(parts)).Msg("rebuilding")
	}
	return ahead, nil
}

// partition cuts all sessions into parts of about chunk documents, in the order in which they lie in the table, and
// keeps the sessions of a group together.
func (r *run) partition(ctx context.Context) ([][]string, error) {
	rows, err := r.tx.Query(ctx, `SELECT s, coalesce(l.group_id, s), n, place FROM (
			SELECT coalesce(session_id, '') AS s, count(*) AS n, min(rowid) AS place FROM `+documents+` GROUP BY 1) d
		LEFT JOIN meta.session_links l ON l.session_id = d.s`)
	if err != nil {
		return nil, fmt.Errorf("count documents: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	type group struct {
		sessions []string
		rows     int64
		place    int64
	}
	byName := map[string]*group{}
	var all []*group
	for rows.Next() {
		var session, name string
		var n, place int64
		if err := rows.Scan(&session, &name, &n, &place); err != nil {
			return nil, fmt.Errorf("count documents: %w", err)
		}
		g := byName[name]
		if g == nil {
			g = &group{place: place}
			byName[name] = g
			all = append(all, g)
		}
		g.sessions = append(g.sessions, session)
		g.rows += n
		g.place = min(g.place, place)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count documents: %w", err)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].place < all[j].place })
	var parts [][]string
	var part []string
	var size int64
	for _, g := range all {
		if size > 0 && size+g.rows > r.chunk {
			parts, part, size = append(parts, part), nil, 0
		}
		part, size = append(part, g.sessions...), size+g.rows
	}
	// The last part exists even if there are no sessions: it creates the tables.
	return append(parts, part), nil
}

// buildPart computes some sessions and adds them to the new tables.
func (r *run) buildPart(ctx context.Context, ahead *prebuilt, sessions []string) error {
	if err := r.listSessions(ctx, sessions); err != nil {
		return err
	}
	if err := r.bound(ctx); err != nil {
		return err
	}
	var wanted []*project.Node
	for _, n := range r.project.Nodes {
		if ahead.nodes[n] {
			wanted = append(wanted, n)
		}
	}
	if err := r.computeSessions(ctx, wanted, true); err != nil {
		return err
	}
	for _, n := range wanted {
		if err := r.exec(ctx, "create "+n.Name, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s AS FROM %s LIMIT 0", nextTable(n), r.at(n.Name))); err != nil {
			return err
		}
		if err := r.exec(ctx, "add to "+n.Name, fmt.Sprintf("INSERT INTO %s FROM %s", nextTable(n), r.at(n.Name))); err != nil {
			return err
		}
	}
	return nil
}

// listSessions fills closedTable with these sessions.
func (r *run) listSessions(ctx context.Context, sessions []string) error {
	if err := r.exec(ctx, "list sessions", "CREATE TEMP TABLE "+closedTable+" (session_id VARCHAR)"); err != nil {
		return err
	}
	for len(sessions) > 0 {
		n := min(len(sessions), 10000)
		values := make([]string, n)
		for i, s := range sessions[:n] {
			values[i] = "(" + project.Literal(s) + ")"
		}
		if err := r.exec(ctx, "list sessions", "INSERT INTO "+temp(closedTable)+" VALUES "+strings.Join(values, ", ")); err != nil {
			return err
		}
		sessions = sessions[n:]
	}
	return nil
}

// swapPrebuilt puts what was built beside the marts in its place.
func (r *run) swapPrebuilt(ctx context.Context) error {
	if r.ahead == nil {
		return nil
	}
	for n := range r.ahead.nodes {
		if err := r.drop(ctx, n.Schema, n.Name, false); err != nil {
			return err
		}
		if err := r.exec(ctx, "put "+n.Name+" in place", fmt.Sprintf("ALTER TABLE %s RENAME TO %s", nextTable(n), project.Quote(n.Name))); err != nil {
			return err
		}
		r.diffs[n] = &diff{changed: true, all: true}
		rows, err := r.number(ctx, "count rows", "SELECT count(*) FROM "+n.Relation())
		if err != nil {
			return err
		}
		r.models = append(r.models, ModelResult{Name: n.Name, Rows: rows, Full: true})
	}
	return nil
}
