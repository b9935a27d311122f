package ingest

import (
	"time"

	"claude-analytics/internal/document"
	"claude-analytics/internal/stream"
	"claude-analytics/proto"

	protobuf "google.golang.org/protobuf/proto"
)

// Reread says which part of a source to publish once more. Row keys stay what they were, and what has not been published
// yet is published anyway.
type Reread struct {
	// Since (inclusive) and Until (exclusive) bound the effective timestamp, as the marts have it; zero: no bound.
	Since, Until time.Time
	// Project is the project's id; empty: every project.
	Project string
}

// Accepts reports whether a change is of the part. A document that cannot be taken apart is of every part.
func (r *Reread) Accepts(change *proto.Change) bool {
	row, _, err := document.Convert(change, 0, 0)
	if err != nil {
		return true
	}
	at := time.UnixMicro(int64(row.EffectiveTimestamp))
	return (r.Since.IsZero() || !at.Before(r.Since)) && (r.Until.IsZero() || at.Before(r.Until)) &&
		(r.Project == "" || row.ProjectID.Valid && row.ProjectID.V == r.Project)
}

// rereadPiece leaves out what was published before and is not of the part.
type rereadPiece struct {
	slicePiece
	part *Reread
	// published is how far the file had been published.
	published int64
}

// Entry is the slice's, or its position alone.
func (p rereadPiece) Entry(i int) (stream.Outgoing, *proto.DeadLetter, int64) {
	out, letter, size := p.slicePiece.Entry(i)
	if out.Data == nil {
		return out, letter, size
	}
	var change proto.Change
	if protobuf.Unmarshal(out.Data, &change) == nil && change.GetSourceOffset() < p.published && !p.part.Accepts(&change) {
		return stream.Outgoing{}, letter, size
	}
	return out, letter, size
}
