package stream

import (
	"context"
	"sync"
	"time"
)

// link counts the lives of the connection: whatever depends on state in the server looks again when it changed.
type link struct {
	mu    sync.Mutex
	count uint64
	next  chan struct{}
	// waiting are the requests under way, to be given up when the connection is lost.
	waiting map[*context.CancelFunc]struct{}
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
		(*cancel)()
	}
}

// request is ctx for one request: it ends after d, and when the connection is lost. The caller sees by its own ctx
// which of the three it was.
func (l *link) request(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, d)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = map[*context.CancelFunc]struct{}{}
	}
	l.waiting[&cancel] = struct{}{}
	return ctx, func() {
		cancel()
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.waiting, &cancel)
	}
}
