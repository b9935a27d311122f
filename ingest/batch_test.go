package ingest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// onePiece is a piece of one change.
type onePiece struct{}

func (onePiece) Len() int { return 1 }
func (onePiece) Entry(int) (stream.Outgoing, *proto.DeadLetter, int64) {
	return stream.Outgoing{Subject: "s", Data: []byte("x")}, nil, 1
}
func (onePiece) Place() uint64                { return 1 }
func (onePiece) PositionSubject() string      { return "p" }
func (onePiece) Position(int) *proto.Position { return &proto.Position{} }
func (onePiece) Done(uint64)                  {}

// slowLane makes a batch durable in 15 ms, and notes when each came and with how many changes.
type slowLane struct {
	began   time.Time
	at      []time.Duration
	changes int
}

func (l *slowLane) Stage(messages []stream.Outgoing) func(context.Context) (uint64, error) {
	return func(context.Context) (uint64, error) {
		l.at = append(l.at, time.Since(l.began))
		l.changes += len(messages) - 1 // and a position
		time.Sleep(15 * time.Millisecond)
		return uint64(len(l.at)), nil
	}
}

func (*slowLane) MaxBatch() int { return stream.MaxBatch }

func (*slowLane) Positions(context.Context) (map[string][]byte, error) { return nil, nil }

// A batch has a fixed price: a steady trickle makes ten a second, whatever its rate, and a line that comes alone waits for
// nothing.
func TestBatchesAreApart(t *testing.T) {
	for _, every := range []time.Duration{time.Millisecond, 20 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			const lines = 200
			lane, pieces := &slowLane{began: time.Now()}, make(chan piece)
			p := &publisher{
				lane: lane, pieces: pieces, linger: defaultLinger, limit: defaultBatchBytes,
				quiet: func() bool { return true }, backlog: func() bool { return false }, published: func(*batch, uint64, time.Duration) {},
			}
			go func() {
				for range lines {
					pieces <- onePiece{}
					time.Sleep(every)
				}
				time.Sleep(time.Second - time.Duration(time.Since(lane.began)%time.Second))
				pieces <- onePiece{}
				time.Sleep(time.Second)
				close(pieces)
			}()
			if err := p.run(t.Context(), time.Second); err != nil {
				t.Fatal(err)
			}
			n := len(lane.at)
			if lane.at[0] != 0 || lane.at[n-1]%time.Second != 0 {
				t.Errorf("the first line waited for %v, one alone until %v", lane.at[0], lane.at[n-1])
			}
			if lane.changes != lines+1 {
				t.Errorf("%d changes published, want %d", lane.changes, lines+1)
			}
			if most := int(lines*every/pace) + 3; n > most {
				t.Errorf("a line each %v made %d batches, want at most %d", every, n, most)
			}
		})
	}
}
