package ingest

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// lettersAtOnce is how many dead letters are stored at the same time, each durable by itself.
const lettersAtOnce = 16

// Lane is what an ingest needs of its lane.
type Lane interface {
	// MaxBatch is how many messages a batch may have.
	MaxBatch() int
	// Stage takes the next batch, and may send a part of it ahead; publish publishes it.
	Stage(messages []stream.Outgoing) (publish func(context.Context) (lastSeq uint64, err error))
	Positions(ctx context.Context) (map[string][]byte, error)
}

// pace is how far apart batches begin to be published, unless they are full. Each has a fixed price, mostly the server's: a
// folder and files of its own, which it makes durable. A few lines now and then are published at once.
const pace = 100 * time.Millisecond

// publisher puts pieces into batches and publishes them, one after the other. While one is under way the next is gathered.
type publisher struct {
	lane   Lane
	letter func(context.Context, proto.DeadLetter) error
	pieces <-chan piece
	// quiet reports that no piece is about to come, so that waiting for more is vain.
	quiet func() bool
	// backlog reports that much is still to come, so that a batch had better be full.
	backlog func() bool
	writer  string
	linger  time.Duration
	limit   int64
	// published is told what became durable, one batch at a time.
	published func(*batch, uint64, time.Duration)

	piece piece // not yet in a batch from next on
	next  int
	sent  time.Time // when the last batch began to be published
	under *underWay // nil: nothing is being published
}

// underWay is a batch that is being published.
type underWay struct {
	done chan struct{}
	err  error // once it is done
}

// run publishes until there are no more pieces, or ctx ends: then it publishes the batch in hand within grace, which is asked for
// then.
func (p *publisher) run(ctx context.Context, grace func() time.Duration) (err error) {
	finishing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace(), cancel) })()
	for more := true; more && err == nil && ctx.Err() == nil; {
		b := newBatch(p.limit, p.lane.MaxBatch())
		more = p.collect(ctx, b)
		if !b.empty() {
			err = p.publish(finishing, b)
		}
	}
	if failed := p.wait(); failed != nil {
		return failed
	}
	return err
}

// wait returns when nothing is under way any more, with what failed of it.
func (p *publisher) wait() error {
	if p.under == nil {
		return nil
	}
	<-p.under.done
	if p.under.err == nil {
		p.under = nil
		return nil
	}
	return p.under.err
}

// busy reports whether a batch is under way; failed, that one could not be published.
func (p *publisher) busy() (busy, failed bool) {
	if p.under == nil {
		return false, false
	}
	select {
	case <-p.under.done:
		return false, p.wait() != nil
	default:
		return true, false
	}
}

// collect fills a batch: until it is full, or nothing is under way and nothing more is about to come, or the first of it has
// waited long enough. It returns false once there will be no more pieces, or no more can be published.
func (p *publisher) collect(ctx context.Context, b *batch) bool {
	for p.piece == nil {
		if _, failed := p.busy(); failed || !p.receive(ctx, forever) {
			return false
		}
	}
	began := time.Now()
	for {
		p.next = p.take(b)
		if p.piece != nil {
			return true // full
		}
		if !p.receive(ctx, 0) { // what is there already
			return false
		}
		for p.piece == nil {
			left, failed := p.patience(began)
			if failed {
				return false
			}
			if left == 0 {
				return ctx.Err() == nil
			}
			if !p.receive(ctx, left) {
				return false
			}
		}
	}
}

// forever is how long to wait where something else ends it.
const forever = -1

// patience is how long to wait for more before the next look, for a batch that is not full and began at a time; 0: it had
// better be published.
func (p *publisher) patience(began time.Time) (left time.Duration, failed bool) {
	if busy, failed := p.busy(); busy || failed {
		return forever, failed
	}
	if left := time.Until(p.sent.Add(pace)); left > 0 {
		return left, false
	}
	linger := p.linger
	if p.backlog() {
		linger = max(linger, backlogLinger)
	}
	left = time.Until(began.Add(linger))
	if left <= 0 || p.quiet() {
		return 0, false
	}
	return min(left, time.Millisecond), false // nobody tells when it has become quiet
}

// take moves what fits of the piece at hand into the batch, and forgets the piece if all of it did.
func (p *publisher) take(b *batch) int {
	next := b.take(p.piece, p.next)
	if next == p.piece.Len() {
		p.piece = nil
	}
	return next
}

// receive waits for a piece, so long at most; it returns true without one when that is over, or what is under way has
// ended, and false if there will be none.
func (p *publisher) receive(ctx context.Context, wait time.Duration) bool {
	if wait == 0 {
		select {
		case s, ok := <-p.pieces:
			return p.got(s, ok)
		default:
			return true
		}
	}
	var ended <-chan struct{}
	if p.under != nil {
		ended = p.under.done
	}
	var over <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case s, ok := <-p.pieces:
		return p.got(s, ok)
	case <-over:
		return true
	case <-ended:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *publisher) got(s piece, ok bool) bool {
	if ok {
		p.piece, p.next = s, 0
	}
	return ok
}

// publish begins to make a batch durable: first what is set aside, since the positions in the batch pass it. It returns when
// the batch before is durable.
func (p *publisher) publish(ctx context.Context, b *batch) error {
	letters, lctx := errgroup.WithContext(ctx)
	letters.SetLimit(lettersAtOnce)
	for _, letter := range b.letters {
		letters.Go(func() error { return p.letter(lctx, *letter) })
	}
	if err := letters.Wait(); err != nil {
		return fmt.Errorf("set aside: %w", err)
	}
	messages, err := b.messages(p.writer)
	if err != nil {
		return err
	}
	publish := p.lane.Stage(messages)
	if err := p.wait(); err != nil {
		return err
	}
	p.sent = time.Now()
	under := &underWay{done: make(chan struct{})}
	p.under = under
	go func(began time.Time) {
		defer close(under.done)
		seq, err := publish(ctx)
		if err != nil {
			under.err = fmt.Errorf("publish %d messages: %w", len(messages), err)
			return
		}
		p.published(b, seq, time.Since(began))
		for _, done := range b.done {
			done.Done(seq)
		}
	}(p.sent)
	return nil
}
