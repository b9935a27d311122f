package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
			if err := p.run(t.Context(), func() time.Duration { return time.Second }); err != nil {
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

// manyPiece is a piece of so many changes.
type manyPiece struct {
	onePiece
	n int
}

func (p manyPiece) Len() int { return p.n }

// script is a lane whose batches take a while, and which says what happens to it.
type script struct {
	takes  time.Duration
	fails  error
	events chan string
}

func (l *script) Stage(messages []stream.Outgoing) func(context.Context) (uint64, error) {
	l.events <- fmt.Sprint("staged ", len(messages)-1)
	return func(context.Context) (uint64, error) {
		time.Sleep(l.takes)
		l.events <- fmt.Sprint("landed ", len(messages)-1)
		return 1, l.fails
	}
}

func (*script) MaxBatch() int                                        { return 10 }
func (*script) Positions(context.Context) (map[string][]byte, error) { return nil, nil }

// play publishes pieces of so many changes each, and returns what happened to the lane.
func (l *script) play(t *testing.T, pieces ...int) (events []string, err error) {
	t.Helper()
	l.events = make(chan string, 100)
	in := make(chan piece, len(pieces))
	for _, n := range pieces {
		in <- manyPiece{n: n}
	}
	p := &publisher{
		lane: l, pieces: in, linger: defaultLinger, limit: defaultBatchBytes,
		quiet: func() bool { return true }, backlog: func() bool { return false }, published: func(*batch, uint64, time.Duration) {},
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = p.run(ctx, func() time.Duration { return time.Second })
	close(l.events)
	for event := range l.events {
		events = append(events, event)
	}
	return events, err
}

// A full batch is staged while the one before it is under way; one that is not full waits, and takes what comes meanwhile.
func TestPublisherStages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &script{takes: time.Second}
		events, err := l.play(t, 9, 9, 2, 2)
		want := []string{"staged 9", "staged 9", "landed 9", "landed 9", "staged 4", "landed 4"}
		if err != nil || !slices.Equal(events, want) {
			t.Errorf("%q, %v; want %q", events, err, want)
		}
	})
}

// A batch that cannot be published ends everything, also while nothing more is read; what was staged behind it is not sent.
func TestPublisherFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &script{takes: time.Second, fails: errors.New("no")}
		began := time.Now()
		events, err := l.play(t, 9, 9, 9)
		want := []string{"staged 9", "staged 9", "landed 9"}
		if !errors.Is(err, l.fails) || !slices.Equal(events, want) {
			t.Errorf("%q, %v; want %q", events, err, want)
		}
		events, err = l.play(t, 3)
		want = []string{"staged 3", "landed 3"}
		if !errors.Is(err, l.fails) || !slices.Equal(events, want) {
			t.Errorf("%q, %v; want %q", events, err, want)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it went on for %v", took)
		}
	})
}
