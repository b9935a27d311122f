package stream

import (
	"context"
	"maps"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"claude-analytics/proto"
)

// KeptPositions are a lane's positions as they stood in the stream when its writer released it, keyed as Lane.Positions
// gives them. They save a restart from reading the stream, where they lie scattered, block by block.
type KeptPositions struct {
	// LastSeq and LastTime are of the lane's last message then. A lane that ends with the same message holds the same
	// positions: whoever publishes to it, or brings an older stream back, makes it end otherwise.
	LastSeq   uint64            `json:"last_seq"`
	LastTime  time.Time         `json:"last_time"`
	Positions map[string][]byte `json:"positions"`
}

// PositionKeeper keeps positions outside of the stream. What it loses or cannot read is read in the stream.
type PositionKeeper interface {
	// Take gives what was kept of a lane, and keeps it no longer; nil: nothing was.
	Take(lane string) (*KeptPositions, error)
	Keep(lane string, positions KeptPositions) error
}

// recall takes what was kept, if the lane ends as it did then.
func (l *Lane) recall(end LaneState) {
	l.recalled = nil
	if l.cfg.Keeper == nil {
		return
	}
	kept, err := l.cfg.Keeper.Take(l.cfg.Lane)
	switch {
	case err != nil:
		l.log.Warn().Err(err).Msg("kept positions cannot be read, the stream's are")
	case kept != nil && kept.LastSeq == end.LastSeq && kept.LastTime.Equal(end.LastTime):
		l.recalled = kept.Positions
	}
}

// recalledPositions are those that were kept, without what was removed from the stream since: that is how somebody has a
// place read anew.
func (l *Lane) recalledPositions(ctx context.Context) (map[string][]byte, bool) {
	kept := l.recalled
	l.recalled = nil
	if kept == nil {
		return nil, false
	}
	if err := l.dropRemoved(ctx, kept); err != nil {
		l.log.Warn().Err(err).Msg("kept positions cannot be compared with the stream, which is read")
		return nil, false
	}
	return kept, true
}

// dropRemoved drops the positions whose subjects the stream no longer has. The server knows its subjects without a look at
// its blocks.
func (l *Lane) dropRemoved(ctx context.Context, positions map[string][]byte) error {
	_, js, err := l.conn.clients()
	if err != nil {
		return err
	}
	stream, err := js.Stream(ctx, proto.StreamName)
	if err != nil {
		return err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(proto.LanePositions(l.cfg.Lane)))
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for subject := range info.State.Subjects {
		there[proto.PositionName(subject)] = true
	}
	maps.DeleteFunc(positions, func(name string, _ []byte) bool { return !there[name] })
	return nil
}

// keep hands the positions over to be kept, once the lane was released.
func (l *Lane) keep(ctx context.Context) {
	if l.cfg.Keeper == nil || l.positions == nil {
		return
	}
	end, err := l.conn.LaneState(ctx, l.cfg.Lane)
	if err == nil && end.LastSeq != l.last {
		return // another writer was fast
	}
	if err == nil {
		err = l.dropRemoved(ctx, l.positions) // what was erased must not be kept
	}
	if err == nil {
		err = l.cfg.Keeper.Keep(l.cfg.Lane, KeptPositions{LastSeq: end.LastSeq, LastTime: end.LastTime, Positions: l.positions})
	}
	if err != nil {
		l.log.Warn().Err(err).Msg("positions were not kept, the next start reads them in the stream")
	}
}
