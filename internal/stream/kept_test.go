package stream

import (
	"errors"
	"maps"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"claude-analytics/proto"
)

// shelf keeps positions in memory.
type shelf struct {
	mu     sync.Mutex
	kept   *KeptPositions
	broken error
}

func (s *shelf) Take(string) (*KeptPositions, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.kept
	s.kept = nil
	return kept, s.broken
}

func (s *shelf) Keep(_ string, positions KeptPositions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	positions.Positions = maps.Clone(positions.Positions)
	s.kept = &positions
	return nil
}

// mark makes what is kept distinguishable from what stands in the stream.
func (s *shelf) mark(name string) { s.kept.Positions[name] = []byte("kept") }

func texts(positions map[string][]byte) map[string]string {
	out := map[string]string{}
	for name, data := range positions {
		out[name] = string(data)
	}
	return out
}

func expectPositions(t *testing.T, l *Lane, want map[string]string) {
	t.Helper()
	got, err := l.Positions(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(texts(got), want) {
		t.Errorf("positions %v, want %v", texts(got), want)
	}
}

func TestKeptPositions(t *testing.T) {
	ctx, c := testContext(t), embeddedConn(t)
	_, streams, err := c.clients()
	if err != nil {
		t.Fatal(err)
	}
	inStream, fromShelf := map[string]string{"a": "2", "b": "1"}, map[string]string{"a": "kept", "b": "1"}
	for lane, check := range map[string]func(t *testing.T, lane string, kept *shelf, again func(writer string) *Lane){
		"used-after-a-release": func(t *testing.T, _ string, kept *shelf, again func(string) *Lane) {
			l := again("w")
			expectPositions(t, l, fromShelf)
			if kept.kept != nil {
				t.Error("they are still kept while the lane goes on")
			}
			expectPositions(t, l, inStream) // and only once
		},
		"not-once-somebody-went-on": func(t *testing.T, lane string, kept *shelf, again func(string) *Lane) {
			before := kept.kept
			other := again("other")
			publish(t, other, []Outgoing{position(lane, "b", "9")})
			if err := other.Release(ctx); err != nil {
				t.Fatal(err)
			}
			kept.kept = before // the other's own shelf is elsewhere
			expectPositions(t, again("w"), map[string]string{"a": "2", "b": "9"})
		},
		"nor-after-a-stop-that-was-not-orderly": func(t *testing.T, lane string, _ *shelf, again func(string) *Lane) {
			l := again("w")
			expectPositions(t, l, fromShelf)
			publish(t, l, []Outgoing{position(lane, "b", "3")})
			expectPositions(t, again("w"), map[string]string{"a": "2", "b": "3"})
		},
		"nor-after-a-reset": func(t *testing.T, _ string, _ *shelf, again func(string) *Lane) {
			l := again("w")
			l.failure = ErrLaneReset
			expectPositions(t, l, inStream)
		},
		"nor-if-they-cannot-be-read": func(t *testing.T, _ string, kept *shelf, again func(string) *Lane) {
			kept.broken = errors.New("the disk is broken")
			expectPositions(t, again("w"), inStream)
		},
		"without-what-was-removed": func(t *testing.T, lane string, kept *shelf, again func(string) *Lane) {
			remove := func(name string) {
				t.Helper()
				stream, err := streams.Stream(ctx, proto.StreamName)
				if err != nil {
					t.Fatal(err)
				}
				if err := stream.Purge(ctx, jetstream.WithPurgeSubject(proto.PositionSubject(lane, name))); err != nil {
					t.Fatal(err)
				}
			}
			remove("b") // while nobody runs
			l := again("w")
			expectPositions(t, l, map[string]string{"a": "kept"})
			publish(t, l, []Outgoing{position(lane, "c", "1")})
			remove("a") // and while one does
			if err := l.Release(ctx); err != nil {
				t.Fatal(err)
			}
			if got := texts(kept.kept.Positions); !maps.Equal(got, map[string]string{"c": "1"}) {
				t.Errorf("kept %v", got)
			}
		},
	} {
		t.Run(lane, func(t *testing.T) {
			kept := &shelf{}
			again := func(writer string) *Lane {
				t.Helper()
				return openLane(t, c, LaneConfig{Lane: lane, Writer: writer, Keeper: kept})
			}
			l := again("w")
			if _, err := l.Positions(ctx); err != nil {
				t.Fatal(err)
			}
			publish(t, l, []Outgoing{position(lane, "a", "1"), position(lane, "b", "1")})
			publish(t, l, append(changes(lane, 0, 3), position(lane, "a", "2")))
			if err := l.Release(ctx); err != nil {
				t.Fatal(err)
			}
			if kept.kept == nil || !maps.Equal(texts(kept.kept.Positions), inStream) {
				t.Fatalf("kept %+v", kept.kept)
			}
			kept.mark("a")
			check(t, lane, kept, again)
		})
	}
}
