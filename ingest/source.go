package ingest

import (
	"context"

	"golang.org/x/sync/errgroup"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// piece is a run of changes of one place, in its order: a part of a transcript, or a reply of MongoDB.
type piece interface {
	// Len is the number of entries.
	Len() int
	// Entry is the i-th change (without Data: only its position is to be published), or the dead letter in its place,
	// and how many bytes of the source it stands for.
	Entry(i int) (change stream.Outgoing, letter *proto.DeadLetter, size int64)
	// Place tells positions apart within the lane, PositionSubject is where this one stands.
	Place() uint64
	PositionSubject() string
	// Position says that everything up to entry i, inclusive, has been published.
	Position(i int) *proto.Position
	// Done is called once everything in the piece is durable, with the sequence of the last message of its batch.
	Done(seq uint64)
}

// reader is one life of a source, between two resets of its lane.
type reader interface {
	// run reads until ctx ends, or with Config.Once everything has been read; pieces is closed when it returns.
	run(ctx context.Context) error
	pieces() <-chan piece
	// quiet reports that no piece is about to come, so that waiting for more is vain.
	quiet() bool
	// backlog reports that there is much to read yet, so that large batches matter more than early ones.
	backlog() bool
	caughtUp() bool
	// see adds what the reader sees to a status.
	see(*Status)
}

// beginning is where a reader starts.
type beginning struct {
	positions map[string]*proto.Position // by the last token of their subjects
	// lost is why there are no positions although the lane had begun; empty: there is nothing wrong.
	lost string
	// maxMessage is the largest message that the stream takes, bytes.
	maxMessage int64
}

// source is what a lane reads: folders of transcripts, or a collection.
type source interface {
	// identify settles names that have to stay, before the lane is opened.
	identify(*laneIdentity) error
	open(beginning) (reader, error)
	// see adds what is known without a reader.
	see(*Status)
}

// pump runs a source's own reader, and passes on what it hands over as pieces. It closes out when it returns.
func pump[T any](ctx context.Context, run func(context.Context) error, in <-chan T, out chan<- piece, as func(T) piece) error {
	defer close(out)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return run(ctx) })
	for read := range in {
		select {
		case out <- as(read):
		case <-ctx.Done():
			return g.Wait()
		}
	}
	return g.Wait()
}
