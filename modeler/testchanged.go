package modeler

import (
	"context"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// changedTests are the tests that a refresh runs on what it computed: the rows of the changed sessions, days, tools. They lie
// in memory then, so the cost follows the change.
type changedTests struct {
	byNode   map[*project.Node][]*project.Test
	failures map[*project.Test]int64
	errors   map[*project.Test]error
	whole    map[*project.Node]bool // all rows were looked at
}

func newChangedTests(p *project.Project) *changedTests {
	c := &changedTests{
		byNode: map[*project.Node][]*project.Test{}, failures: map[*project.Test]int64{}, errors: map[*project.Test]error{}, whole: map[*project.Node]bool{},
	}
	for _, t := range p.Tests {
		if t.Node != nil && t.IsGeneric() {
			c.byNode[t.Node] = append(c.byNode[t.Node], t)
		}
	}
	return c
}

// note adds what testing the rows of a node showed: failures add up over the parts of a rebuild.
func (c *changedTests) note(tests []*project.Test, failures []int64, err error) {
	for i, t := range tests {
		if err != nil {
			c.errors[t] = err
		}
		c.failures[t] += failures[i]
	}
}

// testRows runs the tests of a node on the rows that were computed of it, in the refresh's own transaction.
func (r *run) testRows(ctx context.Context, n *project.Node) error {
	tests := r.tests.byNode[n]
	if len(tests) == 0 {
		return nil
	}
	failures, err := r.checkRows(ctx, r.tx, tests, r.fresh[n])
	if err != nil && ctx.Err() != nil {
		return err
	}
	r.tests.note(tests, failures, err)
	if err != nil { // DuckDB may have given the transaction up; nothing was written in it
		return r.exec(ctx, "begin again after a test", "ROLLBACK; BEGIN TRANSACTION")
	}
	return nil
}

// checkRows counts failures in computed rows. What they refer to is mostly of the same sessions, and was computed with them;
// only if something is missing there, the whole parent is asked.
func (r *run) checkRows(ctx context.Context, tx *warehouse.Tx, tests []*project.Test, relation string) ([]int64, error) {
	near := func(parent *project.Node) string {
		if table := r.fresh[parent]; table != "" && isSessionTable(parent) {
			return table
		}
		return parent.Relation()
	}
	failures, err := checkRelation(ctx, tx, tests, relation, near)
	if err != nil {
		return failures, err
	}
	for i, t := range tests {
		if failures[i] > 0 && t.Parent() != nil && near(t.Parent()) != t.Parent().Relation() {
			return checkRelation(ctx, tx, tests, relation, (*project.Node).Relation)
		}
	}
	return failures, nil
}

// testTables ends the transaction, so that everybody sees the new rows, and tests them then. That only reads: other writers
// need not wait for it.
func (r *run) testTables(ctx context.Context) error {
	if err := r.settle(ctx); err != nil {
		return err
	}
	r.seen() // within the turn: who is told may read, and nobody waits for the file yet
	r.tx.EndTurn()
	for _, n := range r.project.Nodes {
		if d := r.diffs[n]; d == nil || !d.changed || d.all || r.fresh[n] == "" {
			continue
		}
		if err := r.testRows(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// noteTests enters what a refresh found into the book, and makes due what it could not find out.
func (m *Modeler) noteTests(r *run) (news bool) {
	var results []TestResult
	var due []string
	for _, t := range r.project.Tests {
		failures, tested := r.tests.failures[t]
		err := r.tests.errors[t]
		whole := t.Node != nil && r.tests.whole[t.Node]
		judged := resultOf(t)
		judged.judge(t, failures, err)
		switch {
		case tested && whole && err == nil:
			results = append(results, judged)
			m.tests.begin([]*project.Test{t})
		case tested && judged.Status != TestPass:
			if m.tests.passed(t.Name) {
				results = append(results, judged) // known at once; how many rows there are in all is found out later
			}
			due = append(due, t.Name)
		case tested && m.tests.passed(t.Name) && !r.lostParents(t):
			// It passed before, and what changed passes too.
		case tested || r.touches(t):
			due = append(due, t.Name)
		}
	}
	return m.tests.note(results, due)
}

// lostParents is whether rows may have gone that the test's column refers to.
func (r *run) lostParents(t *project.Test) bool {
	if t.Parent() == nil {
		return false
	}
	d := r.diffs[t.Parent()]
	return d != nil && d.changed && (d.all || d.lost)
}

// touches is whether a test has to be run again over whole tables, because of what a refresh changed.
func (r *run) touches(t *project.Test) bool {
	changed := func(n *project.Node) bool {
		d := r.diffs[n]
		return d != nil && d.changed
	}
	switch {
	case t.Kind == project.KindSingular:
		for _, n := range t.Refs() {
			if changed(n) {
				return true
			}
		}
		return len(t.Sources()) > 0
	case t.Kind == project.KindFreshness:
		return false // by the clock
	case t.Node == nil:
		return true
	case t.Kind == project.KindContract:
		return r.rebuild[t.Node] || (r.ahead != nil && r.ahead.nodes[t.Node])
	}
	d := r.diffs[t.Node]
	rebuilt := d != nil && d.changed && d.all || t.Node.Materialized == project.Seed && r.rebuild[t.Node]
	view := t.Node.Materialized == project.View && !overDocuments(t.Node)
	return rebuilt || r.lostParents(t) || (view && r.upstreamChanged(t.Node))
}
