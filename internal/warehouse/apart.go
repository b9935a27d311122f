package warehouse

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"
)

// ErrCalledBack means that work apart from the write queue was given up, since the file was to be closed or replaced.
// Nothing was written; the caller may begin anew.
var ErrCalledBack = errors.New("called back, the warehouse's file changes")

// place is a writer's place at the head of the write queue, which it may leave and take again.
type place struct {
	queue *semaphore.Weighted
	held  bool
}

// takePlace waits for its turn in the write queue; leave ends it.
func (d *DB) takePlace(ctx context.Context) (*place, error) {
	p := &place{queue: d.queue}
	return p, p.take(ctx)
}

func (p *place) take(ctx context.Context) error {
	if err := p.queue.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("wait for the write queue: %w", err)
	}
	p.held = true
	return nil
}

// leave lets the next writer in; it does nothing the second time.
func (p *place) leave() {
	if p.held {
		p.held = false
		p.queue.Release(1)
	}
}

// Apart ends the transaction, lets other writers go ahead while fn runs, and waits for its turn again, in a new
// transaction. What was written so far is committed. fn may write temporary tables only; those stay. It begins in a
// transaction, and may end it and begin others; of the file's tables each sees what is committed when it begins.
//
// When the file is to be closed or replaced, fn's ctx ends and Apart returns ErrCalledBack. After an error the
// transaction is over, and the function that was given to Write has to return it.
func (t *Tx) Apart(ctx context.Context, fn func(context.Context) error) error {
	if t.place == nil {
		return errors.New("work apart: a reader has no turn to leave")
	}
	work, done, ok := t.away.leave(ctx)
	defer done()
	if !ok {
		return t.workWithin(ctx, fn)
	}
	if _, err := t.Exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("work apart: %w", err)
	}
	t.place.leave()
	err := t.workApart(work, fn)
	if err == nil {
		err = t.place.take(work)
	}
	if err != nil && ctx.Err() == nil && work.Err() != nil {
		return fmt.Errorf("%w: %w", ErrCalledBack, err)
	}
	if err != nil {
		return err
	}
	if _, err := t.Exec(ctx, "BEGIN TRANSACTION"); err != nil {
		return fmt.Errorf("take the turn again: %w", err)
	}
	return nil
}

// EndTurn lets the next writer in, for good. What was written before must have been committed, and what follows reads, or
// writes temporary tables. Whoever closes or replaces the file waits until the function that was given to Write returns.
func (t *Tx) EndTurn() {
	if t.place != nil { // a reader has no turn
		t.place.leave()
	}
}

func (t *Tx) workApart(ctx context.Context, fn func(context.Context) error) error {
	if _, err := t.Exec(ctx, "BEGIN TRANSACTION"); err != nil {
		return fmt.Errorf("work apart: %w", err)
	}
	if err := fn(ctx); err != nil {
		return err
	}
	if _, err := t.Exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("keep what was made apart: %w", err)
	}
	return nil
}

// workWithin is work that could be apart, within the turn: whoever waits for the instance waits for one less that way.
func (t *Tx) workWithin(ctx context.Context, fn func(context.Context) error) error {
	if _, err := t.Exec(ctx, restart); err != nil {
		return fmt.Errorf("begin work: %w", err)
	}
	if err := fn(ctx); err != nil {
		return err
	}
	if _, err := t.Exec(ctx, restart); err != nil {
		return fmt.Errorf("keep what was made: %w", err)
	}
	return nil
}

// away are the writers that have left the queue. They use the instance and wait for the queue, while whoever has the
// queue may wait for the instance: so they are called back by all who want it for themselves.
type away struct {
	mu     sync.Mutex
	wanted int // how many want the instance for themselves
	next   int
	back   map[int]context.CancelFunc
}

// leave gives the context of work apart; done ends it. ok is false if someone wants the instance for himself.
func (a *away) leave(ctx context.Context) (work context.Context, done func(), ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wanted > 0 {
		return ctx, func() {}, false
	}
	work, cancel := context.WithCancel(ctx)
	if a.back == nil {
		a.back = map[int]context.CancelFunc{}
	}
	id := a.next
	a.next++
	a.back[id] = cancel
	return work, func() {
		cancel()
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.back, id)
	}, true
}

// callBack ends what is being done apart, and keeps others from leaving until settled is called.
func (a *away) callBack() (settled func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wanted++
	for _, cancel := range a.back {
		cancel()
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.wanted--
	}
}

// seize waits until nobody uses the instance; release gives it back.
func (d *DB) seize() (release func()) {
	settled := d.away.callBack()
	d.mu.Lock()
	return func() {
		d.mu.Unlock()
		settled()
	}
}
