package ingest

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// lettersAtOnce is how many dead letters are stored at the same time, each durable by itself.
const lettersAtOnce = 16

// touched is how far a batch goes in one place.
type touched struct {
	piece piece
	entry int
}

// batch is what is published together: changes, then one position for each place that they came from.
type batch struct {
	limit   int64 // bytes of data
	changes []stream.Outgoing
	places  map[uint64]int // index in last
	last    []touched
	letters []*proto.DeadLetter
	done    []piece // those that end in this batch
	bytes   int64   // of data
	source  int64   // bytes of the source that the changes stand for
}

func newBatch(limit int64) *batch { return &batch{limit: limit, places: map[uint64]int{}} }

func (b *batch) empty() bool { return len(b.last) == 0 }

// take adds a piece's entries from index i on, and returns the first that found no room: Len if all did.
func (b *batch) take(p piece, i int) int {
	place := p.Place()
	at, known := b.places[place]
	for ; i < p.Len(); i++ {
		change, letter, source := p.Entry(i)
		size := int64(len(change.Data))
		need := 0
		if !known {
			need++
		}
		if change.Data != nil {
			need++
		}
		full := len(b.changes)+len(b.last)+need > stream.MaxBatch || len(b.letters) == stream.MaxBatch
		if full || !b.empty() && b.bytes+size > b.limit {
			return i
		}
		if !known {
			at, known = len(b.last), true
			b.places[place] = at
			b.last = append(b.last, touched{})
		}
		b.last[at] = touched{p, i}
		b.bytes += size
		switch {
		case letter != nil:
			b.letters = append(b.letters, letter)
		case change.Data != nil:
			b.changes = append(b.changes, change)
			b.source += source
		}
	}
	b.done = append(b.done, p)
	return i
}

// messages is the batch as it stands in the stream: positions behind what they cover.
func (b *batch) messages(writer string) ([]stream.Outgoing, error) {
	out := b.changes
	for _, t := range b.last {
		position := t.piece.Position(t.entry)
		position.Version, position.Writer = proto.Version, writer
		data, err := protobuf.Marshal(position)
		if err != nil {
			return nil, fmt.Errorf("encode position: %w", err)
		}
		out = append(out, stream.Outgoing{Subject: t.piece.PositionSubject(), Data: data, Rollup: true})
	}
	return out, nil
}

// Lane is what an ingest needs of its lane.
type Lane interface {
	Publish(ctx context.Context, messages []stream.Outgoing) (lastSeq uint64, err error)
	Positions(ctx context.Context) (map[string][]byte, error)
}

// pace is how far apart batches begin to be published, unless they are full. Each has a fixed price, mostly the server's: a
// folder and files of its own, which it makes durable. A few lines now and then are published at once.
const pace = 100 * time.Millisecond

// publisher puts pieces into batches and publishes them, one after the other.
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
	// published is told what became durable.
	published func(*batch, uint64, time.Duration)

	piece piece // not yet in a batch from next on
	next  int
	sent  time.Time // when the last batch began to be published
}

// run publishes until there are no more pieces, or ctx ends: then it publishes the batch in hand within grace.
func (p *publisher) run(ctx context.Context, grace time.Duration) error {
	finishing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })()
	for ctx.Err() == nil {
		b := newBatch(p.limit)
		more := p.collect(ctx, b)
		if !b.empty() {
			if err := p.publish(finishing, b); err != nil {
				return err
			}
		}
		if !more {
			break
		}
	}
	return nil
}

// collect fills a batch: until it is full, nothing more is about to come, or the first of it has waited long enough.
// It returns false once there will be no more pieces.
func (p *publisher) collect(ctx context.Context, b *batch) bool {
	if p.piece == nil && !p.receive(ctx, nil) {
		return false
	}
	began := time.Now()
	for {
		p.next = p.take(b)
		if p.piece != nil {
			return true // full
		}
		select {
		case s, ok := <-p.pieces:
			if !ok {
				return false
			}
			p.piece, p.next = s, 0
			continue
		default:
		}
		for p.piece == nil {
			left := p.patience(began)
			if left <= 0 {
				return ctx.Err() == nil
			}
			timer := time.NewTimer(left)
			ok := p.receive(ctx, timer.C)
			timer.Stop()
			if !ok {
				return false
			}
		}
	}
}

// patience is how long to wait for more before the next look, for a batch that is not full and began at a time; 0: it had
// better be published.
func (p *publisher) patience(began time.Time) time.Duration {
	if left := time.Until(p.sent.Add(pace)); left > 0 {
		return left
	}
	linger := p.linger
	if p.backlog() {
		linger = max(linger, backlogLinger)
	}
	left := time.Until(began.Add(linger))
	if left <= 0 || p.quiet() {
		return 0
	}
	return min(left, time.Millisecond) // nobody tells when it has become quiet
}

// take moves what fits of the piece at hand into the batch, and forgets the piece if all of it did.
func (p *publisher) take(b *batch) int {
	next := b.take(p.piece, p.next)
	if next == p.piece.Len() {
		p.piece = nil
	}
	return next
}

// receive waits for a piece; it returns true without one when giveUp fires, and false if there will be none.
func (p *publisher) receive(ctx context.Context, giveUp <-chan time.Time) bool {
	select {
	case s, ok := <-p.pieces:
		if ok {
			p.piece, p.next = s, 0
		}
		return ok
	case <-giveUp:
		return true
	case <-ctx.Done():
		return false
	}
}

// publish makes a batch durable: first what is set aside, since the positions in the batch pass it.
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
	p.sent = time.Now()
	seq, err := p.lane.Publish(ctx, messages)
	if err != nil {
		return fmt.Errorf("publish %d messages: %w", len(messages), err)
	}
	p.published(b, seq, time.Since(p.sent))
	for _, done := range b.done {
		done.Done(seq)
	}
	return nil
}
