package modeler

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// run is one refresh: one transaction on one project.
type run struct {
	project *project.Project
	tx      *warehouse.Tx
	columns *columnCache
	opts    Options
	chunk   int64
	// metaReady is whether a refresh of this process has created the tables of meta.sql.
	metaReady bool

	selected  map[*project.Node]bool
	rebuild   map[*project.Node]bool // to be computed from everything
	wrongKind []warehouse.Table      // what stands where a rebuilt node belongs and is a view instead of a table, or the reverse
	built     map[string]builtModel
	hashes    map[*project.Node]string
	// ahead are the session models that were built from everything beside this transaction; nil: none.
	ahead *prebuilt

	state    state
	batch    int64 // newest batch of bronze that this transaction sees
	id       int64
	changed  int64 // sessions whose documents changed
	sessions int64 // sessions computed
	// documents are those of the sessions computed; 0: not counted.
	documents int64
	bounds    bounds
	more      bool // the backlog was larger than one refresh takes
	diffs     map[*project.Node]*diff
	models    []ModelResult
	tests     *changedTests
	fresh     map[*project.Node]string // where the rows lie that were computed of a table
	shared    string                   // schema in memory that all connections see
	paired    map[*project.Node]pairs  // of tables that were compared ahead
	rules     []RuleChange
	changes   warehouse.Changes
	// seen is called when others see what was changed.
	seen func()
}

// ModelError is a model that DuckDB refused, with its place.
type ModelError struct {
	Model string
	File  string
	Line  int // 0 if DuckDB gave no position
	Err   error
}

// Error gives file:line: what DuckDB says.
func (e *ModelError) Error() string {
	place := e.File
	if e.Line > 0 {
		place += ":" + strconv.Itoa(e.Line)
	}
	message, _, _ := strings.Cut(e.Err.Error(), "\n\nLINE ")
	return fmt.Sprintf("model %s (%s): %s", e.Model, place, message)
}

// Unwrap gives DuckDB's error.
func (e *ModelError) Unwrap() error { return e.Err }

var sqlLine = regexp.MustCompile(`(?m)^LINE (\d+):`)

// modelError finds the line of the model's file; before is how many lines the statement has ahead of the model's text.
func modelError(n *project.Node, c project.Compiled, before int, err error) error {
	if err == nil {
		return nil
	}
	out := &ModelError{Model: n.Name, File: n.File, Err: err}
	if m := sqlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[1])
		out.Line = c.Line(line - before)
	}
	return out
}

// exec runs a statement of the runner's own.
func (r *run) exec(ctx context.Context, what, statement string, args ...any) error {
	if _, err := r.tx.Exec(ctx, statement, args...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// create runs "<head> AS <the model's text>"; head is one line.
func (r *run) create(ctx context.Context, n *project.Node, head string, names project.Names) error {
	return createOn(ctx, r.tx, n, head, names)
}

func createOn(ctx context.Context, tx *warehouse.Tx, n *project.Node, head string, names project.Names) error {
	compiled, err := n.Compile(names)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, head+" AS\n"+compiled.SQL+"\n")
	return modelError(n, compiled, 1, err)
}

// strings reads a query's only column.
func (r *run) strings(ctx context.Context, what, query string, args ...any) ([]string, error) {
	return readStrings(ctx, r.tx, what, query, args...)
}

func readStrings(ctx context.Context, tx *warehouse.Tx, what, query string, args ...any) ([]string, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}

// number reads a query's only value, 0 if it has no row.
func (r *run) number(ctx context.Context, what, query string, args ...any) (int64, error) {
	var n int64
	if err := r.tx.QueryRow(ctx, query, args...).Scan(&n); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return n, nil
}

// do carries the refresh out. It returns errPrebuild if session models must be built beside the transaction first, and
// nothing is written then.
//
// Up to replace nothing is changed that anyone reads: the models are computed into tables in memory, and bronze may go on
// meanwhile. From there on everything happens in one transaction.
func (r *run) do(ctx context.Context) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := r.plan(ctx); err != nil {
		return err
	}
	if err := r.buildStatic(ctx); err != nil {
		return err
	}
	if err := r.findChanges(ctx); err != nil {
		return err
	}
	if r.nothing() {
		return nil
	}
	most := int64(fewThreads)
	if r.isSmall() {
		most = 0
	}
	return r.tx.OnOneThread(ctx, most, func() error {
		if err := r.computeAll(ctx); err != nil {
			return err
		}
		if err := r.computeChanged(ctx); err != nil {
			return err
		}
		if err := r.replace(ctx); err != nil {
			return err
		}
		return r.testTables(ctx)
	})
}

const (
	// smallRefresh is how many documents are computed with one thread, however many there are.
	smallRefresh = 5000
	// fewThreads is of how many at most a refresh of any size uses one. The second of two makes it no shorter, and takes
	// two fifths more processor time, from the sink, the stream and the readers.
	fewThreads = 2
)

// isSmall is whether so little is computed that a second thread would cost more than it helps.
func (r *run) isSmall() bool {
	return len(r.rebuild) == 0 && r.ahead == nil && r.documents > 0 && r.documents <= smallRefresh
}

// replace is the refresh as others see it.
func (r *run) replace(ctx context.Context) error {
	if err := r.pairSessionTables(ctx); err != nil {
		return err
	}
	if err := r.createSchemas(ctx); err != nil {
		return err
	}
	if err := r.dropRemoved(ctx); err != nil {
		return err
	}
	if err := r.swapPrebuilt(ctx); err != nil {
		return err
	}
	if err := r.replaceSessionTables(ctx); err != nil {
		return err
	}
	if err := r.rebuildSessionTables(ctx); err != nil {
		return err
	}
	if err := r.refreshRest(ctx); err != nil {
		return err
	}
	return r.finish(ctx)
}

// settle ends the transaction and begins another, within the same turn in the write queue or apart from it. While a table is only a
// transaction's own, DuckDB knows nothing about its rows, not even how many there are, and plans joins with it badly: by
// a factor of twenty for some. Only temporary tables, seeds (what they change is recorded with the refresh, which is then
// done again) and what the modeler keeps for itself may have been written so far.
func (r *run) settle(ctx context.Context) error {
	return r.exec(ctx, "settle temporary tables", "COMMIT; BEGIN TRANSACTION")
}

// nothing is whether the marts were up to date.
func (r *run) nothing() bool { return len(r.rebuild) == 0 && r.changed == 0 && r.ahead == nil }

// refreshRest brings up to date what is not computed by session, upstream first.
func (r *run) refreshRest(ctx context.Context) error {
	for _, n := range r.project.Nodes {
		if !r.selected[n] {
			continue
		}
		var err error
		switch {
		case n.Scope == project.Static:
		case n.Materialized == project.View:
			if r.rebuild[n] {
				err = r.timed(n, func() (int64, error) { return 0, r.createView(ctx, n) })
			}
		case n.Scope == project.Keyed:
			err = r.refreshKeyed(ctx, n)
		case n.Scope == project.Whole:
			err = r.refreshWhole(ctx, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// timed measures a model's share and counts its rows.
func (r *run) timed(n *project.Node, fn func() (int64, error)) error {
	began := time.Now()
	rows, err := fn()
	if err != nil {
		return err
	}
	r.note(n, rows, time.Since(began))
	return nil
}

// note adds to a model's share.
func (r *run) note(n *project.Node, rows int64, took time.Duration) {
	for i := range r.models {
		if r.models[i].Name == n.Name {
			r.models[i].Rows += rows
			r.models[i].Seconds += took.Seconds()
			return
		}
	}
	r.models = append(r.models, ModelResult{Name: n.Name, Rows: rows, Seconds: took.Seconds(), Full: r.rebuild[n]})
}

// selectedNodes are the nodes of a scope that this refresh is to bring up to date, in order.
func (r *run) selectedNodes(keep func(*project.Node) bool) []*project.Node {
	var out []*project.Node
	for _, n := range r.project.Nodes {
		if r.selected[n] && keep(n) {
			out = append(out, n)
		}
	}
	return out
}

// isSessionTable is whether a node's rows are replaced session by session.
func isSessionTable(n *project.Node) bool {
	return n.Scope == project.Session && n.Materialized == project.Incremental
}

// temp is the name of a temporary table. It is the node's own, so that text like "from {{ ref('x') }} where x.y" holds.
func temp(name string) string { return "temp.main." + project.Quote(name) }

// at is where a table of a session model, or what it reads, stands in memory.
func (r *run) at(name string) string { return r.shared + "." + project.Quote(name) }
