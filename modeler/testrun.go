package modeler

import (
	"context"
	"fmt"
	"strings"
	"time"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// Outcomes of a test.
const (
	TestPass  = "pass"
	TestWarn  = "warn"
	TestFail  = "fail"
	TestError = "error" // it could not be run
)

// TestResult is the outcome of a test.
type TestResult struct {
	Name     string    `json:"name"`
	Model    string    `json:"model,omitempty"`
	Column   string    `json:"column,omitempty"`
	Kind     string    `json:"kind"`
	Severity string    `json:"severity"`
	Status   string    `json:"status"` // pass, warn, fail or error
	Failures int64     `json:"failures"`
	Message  string    `json:"message,omitempty"`
	Seconds  float64   `json:"seconds"` // of a test that was run together with others its share
	At       time.Time `json:"at"`
}

// Failed is whether the result is worth an exit code: a warning is not.
func (t TestResult) Failed() bool { return t.Status == TestFail || t.Status == TestError }

// Test runs the tests of the selected models over their whole tables and keeps the results in meta.test_results. A failing
// test is a result, not an error. Without selectors the tests of sources and the singular tests run too; with them, a
// singular test runs if every model that it reads is selected.
func (m *Modeler) Test(ctx context.Context, selectors, exclude []string) ([]TestResult, error) {
	p, err := m.loadForTests(ctx)
	if err != nil {
		return nil, err
	}
	nodes, err := p.Select(selectors, exclude)
	if err != nil {
		return nil, err
	}
	selected := map[*project.Node]bool{}
	for _, n := range nodes {
		selected[n] = true
	}
	whole := len(nodes) == len(p.Nodes)
	var tests []*project.Test
	for _, t := range p.Tests {
		if whole || concernsOnly(t, selected) {
			tests = append(tests, t)
		}
	}
	return m.runTests(ctx, p, tests, true)
}

// concernsOnly is whether a test speaks of selected models alone.
func concernsOnly(t *project.Test, selected map[*project.Node]bool) bool {
	if t.Kind != project.KindSingular {
		return t.Node != nil && selected[t.Node]
	}
	for _, n := range t.Refs() {
		if !selected[n] {
			return false
		}
	}
	return len(t.Refs()) > 0
}

// loadForTests uses the project of the refreshes, or reads it.
func (m *Modeler) loadForTests(ctx context.Context) (p *project.Project, err error) {
	err = m.inTurn(ctx, func() (err error) {
		if p = m.project; p == nil {
			p, err = m.load(Options{Reason: ReasonRequest})
		}
		return err
	})
	return p, err
}

// runTests runs tests over whole tables, those of one model in one pass, and keeps the results.
func (m *Modeler) runTests(ctx context.Context, p *project.Project, tests []*project.Test, store bool) ([]TestResult, error) {
	if err := m.tests.load(ctx, m.db); err != nil {
		return nil, err
	}
	m.tests.begin(tests)
	views, err := m.viewsAreSmall(ctx)
	if err != nil {
		return nil, err
	}
	var results []TestResult
	for _, group := range groupTests(tests) {
		if n := group[0].Node; n != nil && overDocuments(n) && group[0].IsGeneric() && !views {
			results = append(results, m.tests.known(group)...) // from the refreshes, which compute it session by session
			continue
		}
		results = append(results, m.runGroup(ctx, group)...)
		if err := ctx.Err(); err != nil {
			m.tests.again(tests)
			return nil, err
		}
	}
	return results, m.tests.keep(ctx, m.db, p, results, store)
}

// overDocuments is whether a node is a view that is computed from documents: asking it costs as much as a rebuild.
func overDocuments(n *project.Node) bool {
	return n.Scope == project.Session && n.Materialized == project.View
}

// viewsAreSmall is whether views over documents can be asked whole.
func (m *Modeler) viewsAreSmall(ctx context.Context) (bool, error) {
	var rows int64
	err := m.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM "+documents).Scan(&rows)
	})
	if err != nil {
		return false, fmt.Errorf("count documents: %w", err)
	}
	return rows <= m.cfg.Chunk, nil
}

// groupTests puts the generic tests of one relation together, in the order of the first; each other test stands alone.
func groupTests(tests []*project.Test) [][]*project.Test {
	var out [][]*project.Test
	at := map[string]int{}
	for _, t := range tests {
		if !t.IsGeneric() {
			out = append(out, []*project.Test{t})
			continue
		}
		i, ok := at[t.Relation()]
		if !ok {
			i = len(out)
			at[t.Relation()] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], t)
	}
	return out
}

// runGroup runs tests that belong together. If they cannot be run together, each is run alone, so that one that cannot be
// run does not take the others with it.
func (m *Modeler) runGroup(ctx context.Context, group []*project.Test) []TestResult {
	began := time.Now()
	failures, message, err := m.countFailures(ctx, group)
	if err != nil && len(group) > 1 {
		var out []TestResult
		for _, t := range group {
			out = append(out, m.runGroup(ctx, []*project.Test{t})...)
		}
		return out
	}
	out := make([]TestResult, len(group))
	for i, t := range group {
		out[i] = resultOf(t)
		out[i].Seconds = time.Since(began).Seconds() / float64(len(group))
		out[i].judge(t, at(failures, i), err)
		if message != "" {
			out[i].Message = message
		}
	}
	return out
}

func at(counts []int64, i int) int64 {
	if i < len(counts) {
		return counts[i]
	}
	return 0
}

// countFailures counts the failures of tests that belong together.
func (m *Modeler) countFailures(ctx context.Context, group []*project.Test) (failures []int64, message string, err error) {
	err = m.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		switch t := group[0]; t.Kind {
		case project.KindContract:
			faults, err := contractFaults(ctx, tx, t.Node)
			failures, message = []int64{int64(len(faults))}, strings.Join(faults, "; ")
			return err
		case project.KindFreshness:
			stale, text, err := m.staleness(ctx, tx, t.Source)
			failures, message = []int64{stale}, text
			return err
		case project.KindSingular:
			query, err := t.SQL()
			if err != nil {
				return err
			}
			failures = make([]int64, 1)
			return tx.QueryRow(ctx, "SELECT count(*) FROM (\n"+query+"\n)").Scan(&failures[0])
		}
		failures, err = checkRelation(ctx, tx, group, group[0].Relation(), (*project.Node).Relation)
		return err
	})
	return failures, message, err
}

// checkRelation counts the failures of generic tests in a relation; parents as in project.CheckSQL.
func checkRelation(ctx context.Context, tx *warehouse.Tx, tests []*project.Test, relation string, parents func(*project.Node) string) ([]int64, error) {
	failures, into := make([]int64, len(tests)), make([]any, len(tests))
	for i := range failures {
		into[i] = &failures[i]
	}
	return failures, tx.QueryRow(ctx, project.CheckSQL(tests, relation, parents)).Scan(into...)
}

func resultOf(t *project.Test) TestResult {
	out := TestResult{Name: t.Name, Column: t.Column, Kind: t.Kind, Severity: t.Severity, Status: TestPass, At: time.Now()}
	switch {
	case t.Node != nil:
		out.Model = t.Node.Name
	case t.Source != nil:
		out.Model = t.Source.Key()
	}
	return out
}

// judge makes a status of a count; the message says how to see the rows.
func (r *TestResult) judge(t *project.Test, failures int64, err error) {
	r.Failures = failures
	switch {
	case err != nil:
		r.Status, r.Message = TestError, err.Error()
	case t.Kind == project.KindFreshness && failures == staleWarn:
		r.Status, r.Failures = TestWarn, 1
	case failures > 0:
		r.Status = TestFail
		if t.Kind == project.KindFreshness {
			r.Failures = 1
		}
		if t.Severity == project.SeverityWarn {
			r.Status = TestWarn
		}
		if query, err := t.SQL(); err == nil && query != "" {
			r.Message = fmt.Sprintf("%d rows: %s", failures, strings.TrimSpace(query))
		}
	}
}

// contractFaults compares a model's columns with those that its contract promises.
func contractFaults(ctx context.Context, tx *warehouse.Tx, n *project.Node) ([]string, error) {
	columns, err := tx.Columns(ctx, n.Schema, n.Name)
	if err != nil {
		return nil, err
	}
	var faults []string
	promised := map[string]bool{}
	for _, want := range n.Columns {
		promised[strings.ToLower(want.Name)] = true
		have, ok := findColumn(columns, want.Name)
		switch {
		case !ok:
			faults = append(faults, "column "+want.Name+" is missing")
		case !project.SameType(have.Type, want.Type):
			faults = append(faults, fmt.Sprintf("column %s is %s, the contract says %s", want.Name, have.Type, want.Type))
		}
	}
	for _, c := range columns {
		if !promised[strings.ToLower(c.Name)] {
			faults = append(faults, "column "+c.Name+" is not in the contract")
		}
	}
	return faults, nil
}

// How stale a source is.
const (
	staleWarn  = 1 // beyond warn_after
	staleError = 2 // beyond error_after
)

// staleness says whether a source's newest row is older than a limit allows, and in words how old it is.
func (m *Modeler) staleness(ctx context.Context, tx *warehouse.Tx, s *project.Source) (int64, string, error) {
	var newest *time.Time
	if err := tx.QueryRow(ctx, fmt.Sprintf("SELECT max(%s) FROM %s", s.Freshness.LoadedAt, s.Relation())).Scan(&newest); err != nil {
		return 0, "", err
	}
	if newest == nil {
		return 0, "no rows yet", nil
	}
	age := m.now().Sub(*newest)
	message := fmt.Sprintf("the newest is of %s, %s old", newest.UTC().Format(time.DateTime), age.Round(time.Minute))
	switch f := s.Freshness; {
	case f.Error > 0 && age > f.Error:
		return staleError, fmt.Sprintf("%s: more than error_after, %s", message, f.Error), nil
	case f.Warn > 0 && age > f.Warn:
		return staleWarn, fmt.Sprintf("%s: more than warn_after, %s", message, f.Warn), nil
	}
	return 0, message, nil
}
