package modeler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// How many documents a part of a comparison computes: a refresh waits for it, and each costs about as much as 10,000
// documents do, however few it has.
const (
	compareSome = 25_000
	compareAll  = DefaultChunk
)

// ErrNotBuilt means that models were never built, or are to be built anew: there is nothing to compare with.
var ErrNotBuilt = errors.New("models are to be built first")

// Comparison is what comparing stored models with computed ones showed.
type Comparison struct {
	// Models were compared; those that depend on one that differs were not, and are named in Skipped.
	Models  int
	Skipped []string
	// Sessions and documents that were computed, of all documents.
	Documents, Total int64
	Differences      []ModelDifference
}

// ModelDifference is a model whose stored rows are not those that it computes.
type ModelDifference struct {
	Model string
	// Missing rows are computed and not stored, Extra rows stored and not computed: one that changed counts in both.
	Missing, Extra int64
	// Examples are keys of such rows, each with how it differs.
	Examples []string
}

// comparing is one comparison.
type comparing struct {
	*Modeler
	project *project.Project
	chunk   int64
	out     Comparison
	found   map[*project.Node]*ModelDifference
}

// Compare computes models beside what is stored, and compares them row for row. Models that are computed by session are
// computed some sessions at a time, so that refreshes go on in between: all of them, or about limit documents' worth if
// that is not 0, other ones each hour. Models over models are computed from what is stored, whole. Sessions whose
// changes no refresh has taken up yet are left out. seen may be nil.
func (m *Modeler) Compare(ctx context.Context, limit int64, seen func(done, of int64)) (Comparison, error) {
	if seen == nil {
		seen = func(int64, int64) {}
	}
	c := &comparing{Modeler: m, found: map[*project.Node]*ModelDifference{}, chunk: compareAll}
	if limit > 0 {
		c.chunk = compareSome
	}
	if err := c.run(ctx, limit, seen); err != nil {
		return Comparison{}, fmt.Errorf("compare models: %w", err)
	}
	return c.out, nil
}

func (c *comparing) run(ctx context.Context, limit int64, seen func(done, of int64)) error {
	var parts [][]string
	if err := c.inTurn(ctx, func() (err error) {
		if c.project, err = c.load(Options{Reason: ReasonTimer}); err != nil {
			return err
		}
		parts, err = c.prepare(ctx)
		return err
	}); err != nil {
		return err
	}
	for i, sessions := range c.choose(parts, limit, time.Now()) {
		if err := c.part(ctx, sessions); err != nil {
			return err
		}
		seen(min(int64(i+1)*c.chunk, c.out.Total), c.out.Total)
	}
	for _, n := range c.project.Nodes {
		if n.HasTable() && (n.Scope == project.Keyed || n.Scope == project.Whole) {
			if err := c.inTurn(ctx, func() error { return c.over(ctx, n) }); err != nil {
				return err
			}
		}
	}
	for _, n := range c.project.Nodes {
		if d := c.found[n]; d != nil {
			c.out.Differences = append(c.out.Differences, *d)
		}
	}
	return nil
}

// choose takes as many parts as the limit allows, other ones each hour, so that all have their turn.
func (c *comparing) choose(parts [][]string, limit int64, now time.Time) [][]string {
	n := int((limit + c.chunk - 1) / c.chunk)
	if limit <= 0 || n >= len(parts) {
		return parts
	}
	from := int(now.Unix()/3600) * n % len(parts)
	return slices.Concat(parts[from:], parts[:from])[:n]
}

// prepare sees that all models are built, looks for rows of sessions that have no documents, and cuts the sessions.
func (c *comparing) prepare(ctx context.Context) (parts [][]string, err error) {
	err = c.db.Write(ctx, "compare models", func(ctx context.Context, tx *warehouse.Tx) error {
		r := c.newRun(c.project, tx, Options{Reason: ReasonTimer})
		r.chunk = c.chunk
		if err := r.begin(ctx); err != nil {
			return err
		}
		if !r.state.found {
			return ErrNotBuilt
		}
		if err := r.plan(ctx); err != nil && !errors.Is(err, errPrebuild) {
			return err
		}
		for n := range r.rebuild {
			return fmt.Errorf("%w: %s", ErrNotBuilt, n.Name)
		}
		if c.out.Total, err = r.number(ctx, "count documents", "SELECT count(*) FROM "+documents); err != nil {
			return err
		}
		for _, n := range c.project.Nodes {
			if !isSessionTable(n) {
				continue
			}
			c.out.Models++
			if err := c.orphans(ctx, r, n); err != nil {
				return err
			}
		}
		parts, err = r.partition(ctx)
		return err
	})
	return parts, err
}

// orphans are rows of sessions that have no document, and no change that is still to be taken up.
func (c *comparing) orphans(ctx context.Context, r *run, n *project.Node) error {
	where := fmt.Sprintf(`coalesce(session_id, '') NOT IN (SELECT coalesce(session_id, '') FROM %s)
		AND coalesce(session_id, '') NOT IN (SELECT session_id FROM %s)`, documents, changedKeys)
	count, err := r.number(ctx, "look for rows without documents", "SELECT count(*) FROM "+n.Relation()+" WHERE "+where)
	if err != nil || count == 0 {
		return err
	}
	keys, err := r.strings(ctx, "name rows", fmt.Sprintf("SELECT %s FROM %s WHERE %s LIMIT 5", keyText(n), n.Relation(), where))
	if err != nil {
		return err
	}
	c.note(n, 0, count, nil, keys)
	return nil
}

// part computes some sessions and compares their rows, while no refresh changes them.
func (c *comparing) part(ctx context.Context, sessions []string) error {
	write := func() error {
		return c.db.Write(ctx, "compare a part of the models", func(ctx context.Context, tx *warehouse.Tx) error {
			return tx.OnOneThread(ctx, fewThreads, func() error { return c.partOn(ctx, tx, sessions) })
		})
	}
	return c.inTurn(ctx, func() error { return untilDone(ctx, write) })
}

// partOn is part within its turn in the write queue.
func (c *comparing) partOn(ctx context.Context, tx *warehouse.Tx, sessions []string) error {
	r := c.newRun(c.project, tx, Options{Reason: ReasonTimer})
	if err := r.listSessions(ctx, sessions); err != nil {
		return err
	}
	// What waits for a refresh differs rightly, and so may all that it shares a record with.
	if err := r.exec(ctx, "leave out what changed", fmt.Sprintf(`DELETE FROM %[1]s WHERE session_id IN (SELECT session_id FROM %[2]s)
			OR session_id IN (SELECT session_id FROM meta.session_links WHERE group_id IN
				(SELECT group_id FROM meta.session_links WHERE session_id IN (SELECT session_id FROM %[2]s)))`, temp(closedTable), changedKeys)); err != nil {
		return err
	}
	if err := r.bound(ctx); err != nil || r.sessions == 0 {
		return err
	}
	var wanted []*project.Node
	for _, n := range c.project.Nodes {
		if isSessionTable(n) {
			wanted = append(wanted, n)
		}
	}
	if err := r.computeSessions(ctx, wanted, true); err != nil {
		return err
	}
	read, err := r.number(ctx, "count documents", "SELECT count(*) FROM "+documents+" WHERE "+r.bounds.where(false))
	if err != nil {
		return err
	}
	c.out.Documents += read
	for _, n := range wanted {
		columns, err := tx.Columns(ctx, n.Schema, n.Name)
		if err != nil {
			return err
		}
		if err := r.copyRows(ctx, r.tx, storedTable(n), table{relation: n.Relation(), columns: "*"}); err != nil {
			return err
		}
		if err := c.compare(ctx, r, n, columns, r.at(n.Name), r.at(storedTable(n))); err != nil {
			return err
		}
	}
	return nil
}

// over computes a model from the stored rows of those below it, all of one committed state.
func (c *comparing) over(ctx context.Context, n *project.Node) error {
	for _, up := range n.Refs {
		if c.differs(up) {
			c.out.Skipped = append(c.out.Skipped, n.Name)
			return nil
		}
	}
	c.out.Models++
	return c.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		r := c.newRun(c.project, tx, Options{Reason: ReasonTimer})
		if readsBronze(n) {
			waiting, err := r.number(ctx, "count changes", "SELECT count(*) FROM "+changedKeys)
			if err != nil || waiting > 0 {
				return err
			}
		}
		columns, err := tx.Columns(ctx, n.Schema, n.Name)
		if err != nil {
			return err
		}
		if err := r.create(ctx, n, "CREATE TEMP TABLE "+project.Quote(n.Name), project.Names{}); err != nil {
			return err
		}
		return c.compare(ctx, r, n, columns, temp(n.Name), n.Relation())
	})
}

// differs is whether a model, or one below a view, was found to differ: what is computed from it would differ too.
func (c *comparing) differs(n *project.Node) bool {
	if c.found[n] != nil || slices.Contains(c.out.Skipped, n.Name) {
		return true
	}
	return n.Materialized == project.View && slices.ContainsFunc(n.Refs, c.differs)
}

// readsBronze is whether a model sees documents that no refresh has taken up yet.
func readsBronze(n *project.Node) bool {
	if len(n.Sources) > 0 {
		return true
	}
	return slices.ContainsFunc(n.Refs, func(up *project.Node) bool { return up.Materialized == project.View && readsBronze(up) })
}

// compare compares the rows that were computed of a node with what is stored.
func (c *comparing) compare(ctx context.Context, r *run, n *project.Node, columns []warehouse.Column, computed, stored string) error {
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = project.Quote(column.Name)
	}
	list := strings.Join(names, ", ")
	side := func(of, but string) string {
		return fmt.Sprintf("(SELECT %[1]s FROM %[2]s EXCEPT ALL SELECT %[1]s FROM %[3]s)", list, of, but)
	}
	var counts [2]int64
	var keys [2][]string
	for i, query := range []string{side(computed, stored), side(stored, computed)} {
		var err error
		if counts[i], err = r.number(ctx, "compare "+n.Name, "SELECT count(*) FROM "+query); err != nil {
			return err
		}
		if counts[i] == 0 {
			continue
		}
		if keys[i], err = r.strings(ctx, "name rows", fmt.Sprintf("SELECT %s FROM %s ORDER BY 1 LIMIT 5", keyText(n), query)); err != nil {
			return err
		}
	}
	if counts != [2]int64{} {
		c.note(n, counts[0], counts[1], keys[0], keys[1])
	}
	return nil
}

// maxRowExamples is how many rows of a model are named.
const maxRowExamples = 10

func (c *comparing) note(n *project.Node, missing, extra int64, computed, stored []string) {
	d := c.found[n]
	if d == nil {
		d = &ModelDifference{Model: n.Name}
		c.found[n] = d
	}
	d.Missing, d.Extra = d.Missing+missing, d.Extra+extra
	for _, key := range computed {
		what := "missing"
		if slices.Contains(stored, key) {
			what = "changed"
		}
		d.Examples = append(d.Examples, what+": "+key)
	}
	for _, key := range stored {
		if !slices.Contains(computed, key) {
			d.Examples = append(d.Examples, "not computed: "+key)
		}
	}
	d.Examples = d.Examples[:min(len(d.Examples), maxRowExamples)]
}

// keyText is an expression for a row's key as text.
func keyText(n *project.Node) string {
	if len(n.UniqueKey) == 0 {
		return "left(to_json(COLUMNS(*))::VARCHAR, 80)"
	}
	parts := make([]string, len(n.UniqueKey))
	for i, column := range n.UniqueKey {
		parts[i] = project.Literal(column+"=") + " || coalesce(" + project.Quote(column) + "::VARCHAR, 'NULL')"
	}
	return strings.Join(parts, " || ' ' || ")
}

func storedTable(n *project.Node) string { return n.Name + "__stored" }
