package mongodb

import (
	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// PositionName is the last token of the subject of a collection's position.
const PositionName = "token"

// Piece is a run of changes of the collection, in its order, ready to be published.
type Piece struct {
	namespace string
	subject   string // of the position
	entries   []entry
	weight    int64
	done      func(*Piece, uint64)
}

// entry is what one change or document became.
type entry struct {
	change stream.Outgoing // Data nil: there is only a new place to publish
	letter *proto.DeadLetter
	size   int64 // bytes of the document
	after  place
	// begins and ends say that it is a snapshot's beginning, or its end.
	begins, ends bool
}

// Len is the number of entries.
func (p *Piece) Len() int { return len(p.entries) }

// Entry is the i-th change (without Data: only its position is to be published), or the dead letter in its place, and
// how many bytes of the source it stands for.
func (p *Piece) Entry(i int) (change stream.Outgoing, letter *proto.DeadLetter, size int64) {
	e := &p.entries[i]
	return e.change, e.letter, e.size
}

// Place is the same for all pieces of a collection: they share one position.
func (p *Piece) Place() uint64 { return 0 }

// PositionSubject is where the position stands in the stream.
func (p *Piece) PositionSubject() string { return p.subject }

// Position says that everything up to entry i, inclusive, has been published.
func (p *Piece) Position(i int) *proto.Position { return p.entries[i].after.position(p.namespace) }

// Done is called once everything in the piece is durable, with the sequence of the last message of its batch.
func (p *Piece) Done(seq uint64) { p.done(p, seq) }
