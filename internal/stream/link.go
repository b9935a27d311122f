package stream

import (
	"context"
	"errors"
	"sync"
	"time"
)

// link counts the lives of the connection: whatever depends on state in the server looks again when it changed.
type link struct {
	mu    sync.Mutex
	count uint64
	next  chan struct{}
	// waiting are the requests under way, to be given up when the connection is lost.
	waiting map[*context.CancelCauseFunc]struct{}
}

// state returns the number of the connection's present life, and a channel that is closed when the next begins.
func (l *link) state() (uint64, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == nil {
		l.next = make(chan struct{})
	}
	return l.count, l.next
}

// renew begins the next life.
func (l *link) renew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	if l.next != nil {
		close(l.next)
		l.next = nil
	}
}

// cut gives up the requests under way: their answers are lost with the connection.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for cancel := range l.waiting {
		(*cancel)(errLinkLost)
	}
}

// errLinkLost is why a request under way was given up.
var errLinkLost = errors.New("connection was lost before the answer came")

// request calls fn with ctx for one request: it ends after d, and when the connection is lost.
func (l *link) request(ctx context.Context, d time.Duration, fn func(context.Context) error) error {
	ctx, stop := context.WithTimeout(ctx, d)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l.mu.Lock()
	if l.waiting == nil {
		l.waiting = map[*context.CancelCauseFunc]struct{}{}
	}
	l.waiting[&cancel] = struct{}{}
	l.mu.Unlock()
	err := fn(ctx)
	l.mu.Lock()
	delete(l.waiting, &cancel)
	l.mu.Unlock()
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errLinkLost) {
		return errLinkLost
	}
	return err
}
