package ingest

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/ingest/transcript"
	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// lettersAtOnce is how many dead letters are stored at the same time, each durable by itself.
const lettersAtOnce = 16

// touched is how far a batch goes in one file.
type touched struct {
	slice *transcript.Slice
	entry int
}

// batch is what is published together: changes, then one position for each file that they came from.
type batch struct {
	limit   int64 // bytes of data
	changes []stream.Outgoing
	files   map[uint64]int // index in last
	last    []touched
	letters []*proto.DeadLetter
	done    []*transcript.Slice // those that end in this batch
	bytes   int64               // of data
	source  int64               // bytes of transcripts that the changes stand for
}

func newBatch(limit int64) *batch { return &batch{limit: limit, files: map[uint64]int{}} }

func (b *batch) empty() bool { return len(b.last) == 0 }

// take adds a slice's entries from index i on, and returns the first that found no room: len(s.Entries) if all did.
func (b *batch) take(s *transcript.Slice, i int) int {
	for ; i < len(s.Entries); i++ {
		entry := &s.Entries[i]
		at, known := b.files[s.File()]
		size := int64(len(entry.Data))
		need := 0
		if !known {
			need++
		}
		if entry.Data != nil {
			need++
		}
		full := len(b.changes)+len(b.last)+need > stream.MaxBatch || len(b.letters) == stream.MaxBatch
		if full || !b.empty() && b.bytes+size > b.limit {
			return i
		}
		if !known {
			at = len(b.last)
			b.files[s.File()] = at
			b.last = append(b.last, touched{})
		}
		b.last[at] = touched{s, i}
		b.bytes += size
		switch {
		case entry.Letter != nil:
			b.letters = append(b.letters, entry.Letter)
		case entry.Data != nil:
			b.changes = append(b.changes, stream.Outgoing{Subject: entry.Subject, Data: entry.Data})
			b.source += entry.Size
		}
	}
	b.done = append(b.done, s)
	return i
}

// messages is the batch as it stands in the stream: positions behind what they cover.
func (b *batch) messages(writer string) ([]stream.Outgoing, error) {
	out := b.changes
	for _, t := range b.last {
		data, err := protobuf.Marshal(&proto.Position{Version: proto.Version, Writer: writer, File: t.slice.Position(t.entry)})
		if err != nil {
			return nil, fmt.Errorf("encode position: %w", err)
		}
		out = append(out, stream.Outgoing{Subject: t.slice.PositionSubject(), Data: data, Rollup: true})
	}
	return out, nil
}

// Lane is what an ingest needs of its lane.
type Lane interface {
	Publish(ctx context.Context, messages []stream.Outgoing) (lastSeq uint64, err error)
	Positions(ctx context.Context) (map[string][]byte, error)
}

// publisher puts slices into batches and publishes them, one after the other.
type publisher struct {
	lane   Lane
	letter func(context.Context, proto.DeadLetter) error
	slices <-chan *transcript.Slice
	// quiet reports that no slice is about to come, so that waiting for more is vain.
	quiet  func() bool
	writer string
	linger time.Duration
	limit  int64
	// published is told what became durable.
	published func(*batch, uint64, time.Duration)

	slice *transcript.Slice // not yet in a batch from next on
	next  int
}

// run publishes until there are no more slices, or ctx ends: then it publishes the batch in hand within grace.
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
// It returns false once there will be no more slices.
func (p *publisher) collect(ctx context.Context, b *batch) bool {
	if p.slice == nil && !p.receive(ctx, nil) {
		return false
	}
	due := time.Now().Add(p.linger)
	for {
		p.next = p.take(b)
		if p.slice != nil {
			return true // full
		}
		select {
		case s, ok := <-p.slices:
			if !ok {
				return false
			}
			p.slice, p.next = s, 0
			continue
		default:
		}
		// A short look at a time, since nobody tells when it has become quiet.
		for p.slice == nil {
			left := time.Until(due)
			if left <= 0 || p.quiet() {
				return ctx.Err() == nil
			}
			timer := time.NewTimer(min(left, time.Millisecond))
			ok := p.receive(ctx, timer.C)
			timer.Stop()
			if !ok {
				return false
			}
		}
	}
}

// take moves what fits of the slice at hand into the batch, and forgets the slice if all of it did.
func (p *publisher) take(b *batch) int {
	next := b.take(p.slice, p.next)
	if next == len(p.slice.Entries) {
		p.slice = nil
	}
	return next
}

// receive waits for a slice; it returns true without one when giveUp fires, and false if there will be none.
func (p *publisher) receive(ctx context.Context, giveUp <-chan time.Time) bool {
	select {
	case s, ok := <-p.slices:
		if ok {
			p.slice, p.next = s, 0
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
	start := time.Now()
	seq, err := p.lane.Publish(ctx, messages)
	if err != nil {
		return fmt.Errorf("publish %d messages: %w", len(messages), err)
	}
	p.published(b, seq, time.Since(start))
	for _, s := range b.done {
		s.Done()
	}
	return nil
}
