package stream

import (
	"slices"

	"claude-analytics/proto"
)

// A position replaces the ones before it in the stream (Nats-Rollup). To find those, the server reads every block from the one
// where the first of them lies to the end, and lets nobody else in meanwhile: nothing for a file that is written to now, a
// third of a second for one that was last written to a million documents ago. So a position whose predecessor lies far back
// leaves it there, and so do the next ones; the last of a subject counts, wherever others are. Now and then one takes them all.
const (
	// near is how many messages lie between two positions at most for the blocks between them to be few.
	near = 2000
	// maxLeft is how many positions of a subject are left behind before one replaces them.
	maxLeft = 64
)

// trail is where a writer left the positions of its lane.
type trail struct {
	newest map[string]uint64 // by subject, the sequence of the last one that this writer published
	left   map[string]int    // by subject, how many older ones are still there
}

// rolls decides whether a position replaces the ones before it; end is the lane's last sequence. The first of this writer
// never does: either there is none before it, or that is an earlier writer's.
func (t *trail) rolls(subject string, end uint64) bool {
	newest, ours := t.newest[subject]
	if ours && t.left[subject] == 0 && end < newest+near {
		return true
	}
	return t.left[subject] >= maxLeft
}

// landed notes a position that is durable.
func (t *trail) landed(subject string, rolled, known bool, seq uint64) {
	if t.newest == nil {
		t.newest, t.left = map[string]uint64{}, map[string]int{}
	}
	_, ours := t.newest[subject]
	t.newest[subject] = seq
	switch {
	case rolled:
		delete(t.left, subject)
	case ours || known:
		t.left[subject]++
	}
}

// knows is whether the stream may hold a position of this subject from before this writer.
func (l *Lane) knows(subject string) bool {
	if l.positions == nil {
		return true
	}
	name := proto.PositionName(subject)
	_, known := l.positions[name]
	return known || name == writerPosition
}

// roll leaves Rollup to those positions that are to replace the ones before them.
func (l *Lane) roll(messages []Outgoing) []Outgoing {
	out := slices.Clone(messages)
	for i, m := range out {
		out[i].Rollup = m.Rollup && l.trail.rolls(m.Subject, l.last)
	}
	return out
}

// note remembers the positions of a batch that is durable and ends with a sequence, and where they lie.
func (l *Lane) note(messages []Outgoing, last uint64) {
	for i, m := range messages {
		if !proto.IsPosition(m.Subject) {
			continue
		}
		l.trail.landed(m.Subject, m.Rollup, l.knows(m.Subject), last-uint64(len(messages)-1-i))
		if name := proto.PositionName(m.Subject); l.positions != nil && name != writerPosition {
			l.positions[name] = m.Data
		}
	}
}
