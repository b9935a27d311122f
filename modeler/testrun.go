package modeler

import (
	"context"
	"fmt"
	"time"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// TestResult is the outcome of one of dbt's data tests.
type TestResult struct {
	Name     string  `json:"name"`
	Model    string  `json:"model,omitempty"`
	Column   string  `json:"column,omitempty"`
	Kind     string  `json:"kind"`
	Severity string  `json:"severity"`
	Status   string  `json:"status"` // pass, warn, fail or error
	Failures int64   `json:"failures"`
	Message  string  `json:"message,omitempty"`
	Seconds  float64 `json:"seconds"`
}

// Test runs the data tests of the selected models over their whole tables and keeps the results in meta.test_results.
// A failing test is a result, not an error. Without selectors the tests of sources and the singular tests run too.
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
	var results []TestResult
	for _, t := range p.Tests {
		if (t.Node != nil && !selected[t.Node]) || (t.Node == nil && !whole) {
			continue
		}
		// Each in its own transaction: one that DuckDB refuses would take the others with it.
		results = append(results, m.runTest(ctx, t))
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return results, m.storeTests(ctx, results)
}

// loadForTests uses the project of the refreshes, or reads it.
func (m *Modeler) loadForTests(ctx context.Context) (*project.Project, error) {
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return m.load(Options{Reason: ReasonRequest})
}

func (m *Modeler) runTest(ctx context.Context, t *project.Test) TestResult {
	out := TestResult{Name: t.Name, Column: t.Column, Kind: t.Kind, Severity: t.Severity, Status: "pass"}
	switch {
	case t.Node != nil:
		out.Model = t.Node.Name
	case t.Source != nil:
		out.Model = t.Source.Key()
	}
	began := time.Now()
	query, err := t.SQL()
	if err == nil {
		err = m.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
			return tx.QueryRow(ctx, "SELECT count(*) FROM (\n"+query+"\n)").Scan(&out.Failures)
		})
	}
	out.Seconds = time.Since(began).Seconds()
	switch {
	case err != nil:
		out.Status, out.Message = "error", err.Error()
	case out.Failures > 0:
		out.Status = "fail"
		if t.Severity == project.SeverityWarn {
			out.Status = "warn"
		}
		out.Message = fmt.Sprintf("%d rows: %s", out.Failures, query)
	}
	return out
}

func (m *Modeler) storeTests(ctx context.Context, results []TestResult) error {
	err := m.db.Write(ctx, "store test results", func(ctx context.Context, tx *warehouse.Tx) error {
		if _, err := tx.Exec(ctx, metaSQL); err != nil {
			return err
		}
		for _, t := range results {
			if _, err := tx.Exec(ctx, "DELETE FROM meta.test_results WHERE name = ?", t.Name); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "INSERT INTO meta.test_results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, now())",
				t.Name, t.Model, t.Column, t.Kind, t.Severity, t.Status, t.Failures, t.Message, t.Seconds); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store test results: %w", err)
	}
	return nil
}
