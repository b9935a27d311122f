package mongodb

import (
	"context"
	"sync/atomic"
	"time"
)

// prefetch asks for the next reply while the last one is worked on, so that the server is never without work. A session
// serves one request at a time: whoever needs it otherwise settles first. It belongs to one goroutine.
type prefetch[R any] struct {
	fetch func(context.Context) R
	// waiting is told since when the next reply is waited for, Unix nanoseconds, and 0 when it is not; nil: nobody asks.
	waiting *atomic.Int64

	coming chan R // what was asked for and not taken; nil: nothing
	cancel context.CancelFunc
}

// ask asks for the next reply, unless that was done.
func (p *prefetch[R]) ask(ctx context.Context) {
	if p.coming != nil {
		return
	}
	ctx, p.cancel = context.WithCancel(ctx)
	coming := make(chan R, 1)
	p.coming = coming
	go func() { coming <- p.fetch(ctx) }()
}

// take is the next reply, asked for now if that was not done.
func (p *prefetch[R]) take(ctx context.Context) R {
	p.ask(ctx)
	reply := p.wait()
	p.coming = nil
	p.cancel()
	return reply
}

// wait is the reply that was asked for.
func (p *prefetch[R]) wait() R {
	if p.waiting != nil {
		p.waiting.Store(time.Now().UnixNano())
		defer p.waiting.Store(0)
	}
	return <-p.coming
}

// settle returns when no request is under way; what came stays to be taken.
func (p *prefetch[R]) settle() {
	if p.coming != nil {
		p.coming <- p.wait()
	}
}

// drop gives up what was asked for.
func (p *prefetch[R]) drop() {
	if p.coming != nil {
		p.cancel()
		<-p.coming
		p.coming = nil
	}
}
