package modeler

import (
	"context"
	"fmt"
	"sync"
	"time"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// maxBeside is on how many connections at most models are computed at once: few are ready at the same time.
const maxBeside = 4

// evaluation computes session models, each as soon as what it reads is there, several at once. Each becomes a table in
// memory that all connections see.
type evaluation struct {
	*run
	names  project.Names
	nodes  []*project.Node
	want   map[*project.Node]bool
	scoped bool

	ready chan *project.Node

	mu      sync.Mutex
	missing map[*project.Node]int // how many of those that a model reads are not computed yet
	readers map[string]int        // how many models are still to read a table
	left    int
	took    map[*project.Node]time.Duration
}

// evaluate computes the nodes, of which some are wanted and the others only read by those.
func (r *run) evaluate(ctx context.Context, nodes, wanted []*project.Node, scoped bool) error {
	e := &evaluation{
		run: r, nodes: nodes, scoped: scoped, want: map[*project.Node]bool{}, ready: make(chan *project.Node, len(nodes)),
		missing: map[*project.Node]int{}, readers: map[string]int{}, left: len(nodes), took: map[*project.Node]time.Duration{},
	}
	e.names.Ref = func(up *project.Node) string {
		if up.Scope == project.Session {
			return r.at(up.Name)
		}
		return up.Relation()
	}
	if scoped {
		e.names.Source = func(s *project.Source) string { return r.at(r.sourceName(s)) }
	}
	for _, n := range wanted {
		e.want[n] = true
	}
	e.plan()
	err := r.beside(ctx, len(nodes), e.work)
	for _, n := range nodes {
		r.note(n, 0, e.took[n])
	}
	return err
}

// beside runs work on a few connections, no more than there are things to do.
func (r *run) beside(ctx context.Context, things int, work func(context.Context, *warehouse.Tx) error) error {
	threads, err := r.tx.Threads(ctx)
	if err != nil {
		return err
	}
	return r.tx.Beside(ctx, min(threads, maxBeside, things), work)
}

// besideEach does something with each of some things, several at once.
func besideEach[T any](ctx context.Context, r *run, things []T, do func(context.Context, *warehouse.Tx, T) error) error {
	waiting := make(chan T, len(things))
	for _, thing := range things {
		waiting <- thing
	}
	close(waiting)
	return r.beside(ctx, len(things), func(ctx context.Context, tx *warehouse.Tx) error {
		for thing := range waiting {
			if err := do(ctx, tx, thing); err != nil {
				return err
			}
		}
		return nil
	})
}

// plan counts who waits for whom.
func (e *evaluation) plan() {
	computed := map[*project.Node]bool{}
	for _, n := range e.nodes {
		computed[n] = true
	}
	for _, n := range e.nodes {
		for up := range computed {
			if refers(n, up) {
				e.missing[n]++
			}
		}
		for _, name := range e.reads(n) {
			e.readers[name]++
		}
		if e.missing[n] == 0 {
			e.ready <- n
		}
	}
}

// reads are the tables in memory that a model reads and nobody wants afterwards.
func (e *evaluation) reads(n *project.Node) (names []string) {
	for _, up := range n.Refs {
		if up.Scope == project.Session && !e.want[up] {
			names = append(names, up.Name)
		}
	}
	if e.scoped {
		for _, s := range n.Sources {
			names = append(names, e.sourceName(s))
		}
	}
	return names
}

// work computes what is ready until all is done.
func (e *evaluation) work(ctx context.Context, tx *warehouse.Tx) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case n, ok := <-e.ready:
			if !ok {
				return nil
			}
			began := time.Now()
			if err := e.compute(ctx, tx, n); err != nil {
				return err
			}
			for _, name := range e.done(n, time.Since(began)) {
				if _, err := tx.Exec(ctx, "DROP TABLE "+e.at(name)); err != nil {
					return fmt.Errorf("drop what was read: %w", err)
				}
			}
		}
	}
}

func (e *evaluation) compute(ctx context.Context, tx *warehouse.Tx, n *project.Node) error {
	if err := createOn(ctx, tx, n, "CREATE TABLE "+e.at(n.Name), e.names); err != nil {
		return err
	}
	if e.want[n] {
		if err := e.checkSessions(ctx, tx, n, e.scoped); err != nil {
			return err
		}
	}
	tests := e.tests.byNode[n]
	if !overDocuments(n) || len(tests) == 0 {
		return nil
	}
	// A view over documents is tested while its rows are at hand. A fault of a test never is one of the refresh.
	failures, err := e.checkRows(ctx, tx, tests, e.at(n.Name))
	if err != nil && ctx.Err() != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tests.note(tests, failures, err)
	return nil
}

// done lets those begin that waited for a model, and says which tables nobody reads any more.
func (e *evaluation) done(n *project.Node, took time.Duration) (unread []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.took[n] = took
	for _, down := range e.nodes {
		if !refers(down, n) {
			continue
		}
		if e.missing[down]--; e.missing[down] == 0 {
			e.ready <- down
		}
	}
	for _, name := range e.reads(n) {
		if e.readers[name]--; e.readers[name] == 0 {
			unread = append(unread, name)
		}
	}
	if e.left--; e.left == 0 {
		close(e.ready)
	}
	return unread
}

// checkSessions refuses rows of sessions that were not asked for: they would stand beside those that are already there.
func (r *run) checkSessions(ctx context.Context, tx *warehouse.Tx, n *project.Node, scoped bool) error {
	asked := r.bounds.sessions()
	if !scoped {
		asked = "SELECT coalesce(session_id, '') FROM " + documents
	}
	strange, err := readStrings(ctx, tx, "check sessions", fmt.Sprintf(
		"SELECT DISTINCT coalesce(session_id, '') FROM %s WHERE coalesce(session_id, '') NOT IN (%s) LIMIT 3", r.at(n.Name), asked))
	if err != nil {
		return &ModelError{Model: n.Name, File: n.File, Err: err}
	}
	if len(strange) > 0 {
		return &ModelError{Model: n.Name, File: n.File, Err: fmt.Errorf(
			"it is refreshed by session, but makes rows of sessions that are not its input's: %q", strange)}
	}
	return nil
}
