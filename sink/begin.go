package sink

import (
	"context"
	"errors"
	"time"

	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// removedBelow is the sequence below which changes are missing from a stream that no destination has seen yet; 0: none,
// as far as can be told. Retention records how far it went. Whoever else removes messages, by hand or by a limit on the
// server, does not: then it is told by what the stream begins with.
func (s *Sink) removedBelow(ctx context.Context, state stream.State) (uint64, error) {
	if state.FirstSeq <= max(state.PurgeFloor, 1) {
		return state.PurgeFloor, nil
	}
	first, err := s.conn.MessageAt(ctx, state.FirstSeq)
	if errors.Is(err, stream.ErrNoMessage) {
		// It holds nothing at all.
		first, err = stream.Message{Seq: state.FirstSeq, Time: state.Now}, nil
	}
	if err != nil {
		return 0, err
	}
	if beginsLate(first, state.Identity.Created) {
		return state.FirstSeq, nil
	}
	return state.PurgeFloor, nil
}

// leadingPositions is how many positions and heartbeats sources may publish before their first change, beside one a
// second: newer ones replaced them, and a stream that lost nothing else begins behind them.
const leadingPositions = 16

// beginsLate reports whether there must have been changes before the message that a stream begins with: it is from the
// middle of a file, or more came before than positions alone can be.
func beginsLate(first stream.Message, created time.Time) bool {
	if len(first.Data) > 0 && !proto.IsPosition(first.Subject) {
		var change proto.Change
		if protobuf.Unmarshal(first.Data, &change) == nil && change.GetSourceOffset() > 0 {
			return true
		}
	}
	return first.Seq-1 > leadingPositions+uint64(max(first.Time.Sub(created), 0)/time.Second)
}

// tellRules tells of rows that another release converted otherwise. They are as good as they were; a replay makes them
// anew.
func (s *Sink) tellRules(ctx context.Context) {
	rows, err := s.bronze.OtherRules(ctx)
	switch {
	case err != nil:
		s.log.Debug().Err(err).Msg("the rules of the rows are not known")
	case rows > 0:
		s.log.Warn().Int64("rows", rows).Msg("rows were made by other conversion rules than this release's: claude-analytics replay makes them anew")
	}
}
