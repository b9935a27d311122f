package ingest

import (
	"fmt"

	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// touched is how far a batch goes in one place.
type touched struct {
	piece piece
	entry int
}

// batch is what is published together: changes, then one position for each place that they came from.
type batch struct {
	limit   int64 // bytes of data
	most    int   // messages, and letters
	changes []stream.Outgoing
	places  map[uint64]int // index in last
	last    []touched
	letters []*proto.DeadLetter
	done    []piece // those that end in this batch
	bytes   int64   // of data
	source  int64   // bytes of the source that the changes stand for
}

func newBatch(limit int64, most int) *batch {
	return &batch{limit: limit, most: most, places: map[uint64]int{}}
}

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
		full := len(b.changes)+len(b.last)+need > b.most || len(b.letters) == b.most
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
