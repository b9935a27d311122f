package modeler

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// testBook knows the newest result of every test, and which tests are due. A refresh tests what it computed. That is enough
// as long as a test passed before; what it is not enough for is due, and run over whole tables beside the refreshes.
type testBook struct {
	mu      sync.Mutex
	loaded  bool
	results map[string]TestResult
	due     map[string]bool
	written time.Time
	wake    chan struct{}
}

func newTestBook() *testBook {
	return &testBook{results: map[string]TestResult{}, due: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// load reads what an earlier process found.
func (b *testBook) load(ctx context.Context, db *warehouse.DB) error {
	b.mu.Lock()
	loaded := b.loaded
	b.mu.Unlock()
	if loaded {
		return nil
	}
	results := map[string]TestResult{}
	err := db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		found, err := hasMeta(ctx, tx, "test_results")
		if err != nil || !found {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT name, coalesce(model, ''), coalesce(column_name, ''), kind, severity, status, failures,
			coalesce(message, ''), seconds, tested_at FROM meta.test_results`)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // Err says it
		for rows.Next() {
			var r TestResult
			if err := rows.Scan(&r.Name, &r.Model, &r.Column, &r.Kind, &r.Severity, &r.Status, &r.Failures, &r.Message, &r.Seconds, &r.At); err != nil {
				return err
			}
			results[r.Name] = r
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("read test results: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.loaded = true
	for name, r := range results {
		if _, newer := b.results[name]; !newer {
			b.results[name] = r
		}
	}
	return nil
}

// begin takes tests off the list of those that are due: what changes from now on makes them due again.
func (b *testBook) begin(tests []*project.Test) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range tests {
		delete(b.due, t.Name)
	}
}

// again puts tests back that were begun and not ended.
func (b *testBook) again(tests []*project.Test) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range tests {
		b.due[t.Name] = true
	}
}

// known are the newest results of tests, those without one left out.
func (b *testBook) known(tests []*project.Test) []TestResult {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []TestResult
	for _, t := range tests {
		if r, ok := b.results[t.Name]; ok {
			out = append(out, r)
		}
	}
	return out
}

// note enters what a refresh found, and which tests are due after it.
func (b *testBook) note(results []TestResult, due []string) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range results {
		before, known := b.results[r.Name]
		news = news || !known || before.Status != r.Status
		b.results[r.Name] = r
	}
	for _, name := range due {
		b.due[name] = true
	}
	if len(b.due) > 0 {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
	return news
}

// passed is whether a test's newest result is good for the tables as they were.
func (b *testBook) passed(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.results[name].Status == TestPass && !b.due[name]
}

// isDue is whether a test has to be run over its whole table.
func (b *testBook) isDue(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.due[name]
}

// rewriteAfter is how old meta.test_results may become while nothing changes in it but the times.
const rewriteAfter = 5 * time.Minute

// keep enters results of whole runs. They are written down if store says so, if they are news, or now and then.
func (b *testBook) keep(ctx context.Context, db *warehouse.DB, p *project.Project, results []TestResult, store bool) error {
	news := b.note(results, nil)
	b.mu.Lock()
	store = store || news || time.Since(b.written) > rewriteAfter
	b.mu.Unlock()
	if !store || len(results) == 0 {
		return nil
	}
	return b.write(ctx, db, p)
}

// write makes meta.test_results what the book says; results of tests that the project no longer has go.
func (b *testBook) write(ctx context.Context, db *warehouse.DB, p *project.Project) error {
	var values []string
	b.mu.Lock()
	for _, t := range p.Tests {
		r, ok := b.results[t.Name]
		if !ok {
			continue
		}
		q := project.Literal
		values = append(values, fmt.Sprintf("(%s, %s, %s, %s, %s, %s, %d, %s, %g, TIMESTAMPTZ '%s')", q(r.Name), q(r.Model), q(r.Column), q(r.Kind),
			q(r.Severity), q(r.Status), r.Failures, q(r.Message), r.Seconds, r.At.UTC().Format("2006-01-02 15:04:05.000000Z")))
	}
	b.mu.Unlock()
	err := db.Write(ctx, "store test results", func(ctx context.Context, tx *warehouse.Tx) error {
		if _, err := tx.Exec(ctx, metaSQL+"; DELETE FROM meta.test_results"); err != nil || len(values) == 0 {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO meta.test_results VALUES "+strings.Join(values, ", "))
		return err
	})
	if err != nil {
		return fmt.Errorf("store test results: %w", err)
	}
	b.mu.Lock()
	b.written = time.Now()
	b.mu.Unlock()
	return nil
}

// TestSummary is how the tests stand.
type TestSummary struct {
	Passed  int          `json:"passed"`
	Warned  int          `json:"warned"`
	Failed  int          `json:"failed"`
	Due     int          `json:"due"`               // to be run over their whole tables
	Failing []TestResult `json:"failing,omitempty"` // warnings too, the worst first
}

// Summarize counts results.
func Summarize(results []TestResult) TestSummary {
	var s TestSummary
	for _, r := range results {
		switch r.Status {
		case TestPass:
			s.Passed++
			continue
		case TestWarn:
			s.Warned++
		default:
			s.Failed++
		}
		s.Failing = append(s.Failing, r)
	}
	slices.SortFunc(s.Failing, func(a, b TestResult) int {
		if a.Failed() != b.Failed() {
			if a.Failed() {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return s
}

// summary is how the tests of the book stand.
func (b *testBook) summary() TestSummary {
	b.mu.Lock()
	defer b.mu.Unlock()
	results := make([]TestResult, 0, len(b.results))
	for _, r := range b.results {
		results = append(results, r)
	}
	s := Summarize(results)
	s.Due = len(b.due)
	return s
}
