package modeler

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"claude-analytics/modeler/project"
)

// The tables of bronze that say what changed.
const (
	documents   = "raw.conversations"
	linkKeys    = "raw.link_keys"
	changedKeys = "meta.changed_keys"
)

// Temporary tables of a refresh; a model cannot have such a name.
const (
	changedTable = "__changed" // sessions whose documents changed
	closedTable  = "__closed"  // those, and all sessions that share a record with them
)

// findChanges fills closedTable: the sessions to compute. Sessions without an id are the session ”.
func (r *run) findChanges(ctx context.Context) error {
	if err := r.link(ctx); err != nil {
		return err
	}
	if err := r.rememberDates(ctx); err != nil {
		return err
	}
	after := int64(-1)
	if r.ahead != nil && r.ahead.complete {
		after = r.ahead.batch // what was there when the building began is in the new tables
	}
	changed := fmt.Sprintf("FROM %s WHERE batch > %d AND batch <= %d", changedKeys, after, r.batch)
	if r.rebuildsAllSessions() {
		// Everything is computed from all documents; what changed is in there.
		rows, err := r.number(ctx, "count changed sessions", "SELECT count(DISTINCT session_id) "+changed)
		r.changed = rows
		return err
	}
	if err := r.exec(ctx, "find changed sessions", "CREATE TEMP TABLE "+changedTable+" AS SELECT DISTINCT session_id "+changed); err != nil {
		return err
	}
	if err := r.exec(ctx, "close changed sessions", fmt.Sprintf(`CREATE TEMP TABLE %[1]s AS
		SELECT session_id FROM %[2]s
		UNION
		SELECT session_id FROM meta.session_links
		WHERE group_id IN (SELECT group_id FROM meta.session_links WHERE session_id IN (SELECT session_id FROM %[2]s))`,
		closedTable, temp(changedTable))); err != nil {
		return err
	}
	var err error
	if r.changed, err = r.number(ctx, "count changed sessions", "SELECT count(*) FROM "+temp(changedTable)); err != nil {
		return err
	}
	if err := r.boundWithDates(ctx); err != nil || r.sessions == 0 {
		return err
	}
	return r.limit(ctx)
}

// rebuildsAllSessions is whether no session model is refreshed by what changed.
func (r *run) rebuildsAllSessions() bool {
	for n := range r.selected {
		if isSessionTable(n) && !r.rebuild[n] {
			return false
		}
	}
	return true
}

// limit leaves a part of a large backlog to the next refresh, so that a transaction stays bounded; what changed first
// comes first. Sessions of one group stay together, also those that have lost all their documents.
func (r *run) limit(ctx context.Context) error {
	if !r.complete() {
		return nil // the changes are kept, so there is no next refresh to leave anything to
	}
	rows, err := r.tx.Query(ctx, fmt.Sprintf(`SELECT c.session_id, coalesce(l.group_id, c.session_id) AS name, coalesce(d.n, 0)
		FROM %[1]s c LEFT JOIN meta.session_links l ON l.session_id = c.session_id
		LEFT JOIN (SELECT coalesce(session_id, '') AS s, count(*) AS n FROM %[2]s WHERE %[3]s GROUP BY 1) d ON d.s = c.session_id
		LEFT JOIN (SELECT session_id, min(batch) AS first FROM %[4]s GROUP BY 1) k ON k.session_id = c.session_id
		ORDER BY min(k.first) OVER (PARTITION BY name), name`, temp(closedTable), documents, r.bounds.where(true), changedKeys))
	if err != nil {
		return fmt.Errorf("count documents of changed sessions: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	var left []string
	var total int64
	last, none := "", true
	for rows.Next() {
		var session, group string
		var n int64
		if err := rows.Scan(&session, &group, &n); err != nil {
			return fmt.Errorf("count documents of changed sessions: %w", err)
		}
		if total >= r.chunk && group != last && !none {
			left = append(left, session)
			continue
		}
		total, last, none = total+n, group, false
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("count documents of changed sessions: %w", err)
	}
	r.documents = total
	if len(left) == 0 {
		return nil
	}
	r.more = true
	for _, part := range valueLists(left) {
		if err := r.exec(ctx, "leave sessions to the next refresh", fmt.Sprintf("DELETE FROM %s WHERE session_id IN (%s)", temp(closedTable), part)); err != nil {
			return err
		}
	}
	return r.boundWithDates(ctx)
}

// valueLists writes texts as SQL lists of bounded length.
func valueLists(texts []string) []string {
	const most = 10000
	var out []string
	for len(texts) > 0 {
		n := min(len(texts), most)
		quoted := make([]string, n)
		for i, t := range texts[:n] {
			quoted[i] = project.Literal(t)
		}
		out = append(out, strings.Join(quoted, ", "))
		texts = texts[n:]
	}
	return out
}

// rememberDates adds the dates of the changed sessions to meta.session_dates. It never takes one away: what is deleted
// may still stand in a mart.
func (r *run) rememberDates(ctx context.Context) error {
	if !r.state.found {
		return r.exec(ctx, "remember dates", `DELETE FROM meta.session_dates;
			INSERT INTO meta.session_dates
			SELECT coalesce(session_id, ''), date FROM raw.conversations
			UNION SELECT coalesce(session_id, ''), date FROM raw.content_blocks
			UNION SELECT session_id, date FROM meta.changed_keys`)
	}
	return r.exec(ctx, "remember dates", `INSERT INTO meta.session_dates
		SELECT DISTINCT c.session_id, c.date FROM meta.changed_keys c
		ANTI JOIN meta.session_dates d ON d.session_id = c.session_id AND d.date = c.date`)
}

// link brings meta.session_links up to date with raw.link_keys: sessions that hold the same uuid, response key or tool
// call belong to one group, transitively. Groups only grow.
func (r *run) link(ctx context.Context) error {
	first := !r.state.found
	if first {
		if err := r.exec(ctx, "forget links", "DELETE FROM meta.session_links"); err != nil {
			return err
		}
	}
	newest, err := r.number(ctx, "read links", "SELECT coalesce(max(batch), 0) FROM "+linkKeys)
	if err != nil || (!first && newest <= r.state.linksBatch) {
		return err
	}
	touched := linkKeys
	if !first {
		// Only the new keys are looked up among all.
		touched = fmt.Sprintf("(SELECT key, session_id FROM %[1]s WHERE key IN (SELECT key FROM %[1]s WHERE batch > %[2]d))", linkKeys, r.state.linksBatch)
	}
	rows, err := r.tx.Query(ctx, fmt.Sprintf(`WITH touched AS MATERIALIZED (SELECT key, session_id FROM %s),
		shared AS (SELECT key, min(session_id) AS first FROM touched GROUP BY key HAVING min(session_id) <> max(session_id))
		SELECT DISTINCT s.first, t.session_id FROM touched t JOIN shared s USING (key) WHERE t.session_id <> s.first`, touched))
	if err != nil {
		return fmt.Errorf("find shared keys: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	groups := newGroups()
	for rows.Next() {
		var a, b string
		if err := rows.Scan(&a, &b); err != nil {
			return fmt.Errorf("find shared keys: %w", err)
		}
		groups.union(a, b)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("find shared keys: %w", err)
	}
	r.state.linksBatch = newest
	if len(groups.parent) == 0 {
		return nil
	}
	return r.storeGroups(ctx, groups)
}

// storeGroups merges new groups with the ones that are known.
func (r *run) storeGroups(ctx context.Context, groups *groups) error {
	known := map[string]string{}
	for _, part := range valueLists(groups.members()) {
		rows, err := r.tx.Query(ctx, fmt.Sprintf(`SELECT session_id, group_id FROM meta.session_links
			WHERE group_id IN (SELECT group_id FROM meta.session_links WHERE session_id IN (%s))`, part))
		if err != nil {
			return fmt.Errorf("read links: %w", err)
		}
		defer rows.Close() //nolint:errcheck // Err says it
		for rows.Next() {
			var session, group string
			if err := rows.Scan(&session, &group); err != nil {
				return fmt.Errorf("read links: %w", err)
			}
			known[session] = group
			groups.union(session, group)
		}
		if err := rows.Err(); err != nil {
			return fmt.Errorf("read links: %w", err)
		}
	}
	var old, values []string
	for _, session := range groups.members() {
		group := groups.find(session)
		before, stored := known[session]
		if stored && before == group {
			continue
		}
		if stored {
			old = append(old, session)
		}
		values = append(values, fmt.Sprintf("(%s, %s)", project.Literal(session), project.Literal(group)))
	}
	for _, part := range valueLists(old) {
		if err := r.exec(ctx, "write links", "DELETE FROM meta.session_links WHERE session_id IN ("+part+")"); err != nil {
			return err
		}
	}
	for len(values) > 0 {
		n := min(len(values), 10000)
		if err := r.exec(ctx, "write links", "INSERT INTO meta.session_links VALUES "+strings.Join(values[:n], ", ")); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// groups joins sessions into disjoint groups. A group's name is its smallest session.
type groups struct{ parent map[string]string }

func newGroups() *groups { return &groups{parent: map[string]string{}} }

func (g *groups) find(s string) string {
	p, ok := g.parent[s]
	if !ok {
		g.parent[s] = s
		return s
	}
	if p == s {
		return s
	}
	root := g.find(p)
	g.parent[s] = root
	return root
}

func (g *groups) union(a, b string) {
	a, b = g.find(a), g.find(b)
	switch {
	case a < b:
		g.parent[b] = a
	case b < a:
		g.parent[a] = b
	}
}

func (g *groups) members() []string {
	out := make([]string, 0, len(g.parent))
	for s := range g.parent {
		out = append(out, s)
	}
	sort.Strings(out)
	return out
}
