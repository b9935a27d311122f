package stream

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"claude-analytics/proto"
)

// sendAhead stages a batch as if one of so many messages were under way.
func sendAhead(t *testing.T, l *Lane, under int, messages []Outgoing) *staged {
	t.Helper()
	l.underWay.Store(l.last + uint64(under))
	defer l.underWay.Store(0)
	s := l.stage(messages)
	if s.ahead == nil {
		t.Fatal("nothing was sent ahead")
	}
	return s
}

// TestStage: what is sent ahead is published behind the batch that it was sent ahead of, whatever came in between.
func TestStage(t *testing.T) {
	const n = 300
	for name, test := range map[string]struct {
		between func(*testing.T, *Conn, *Lane)
		used    bool
	}{
		"as foreseen":          {func(*testing.T, *Conn, *Lane) {}, true},
		"another lane wrote":   {func(t *testing.T, c *Conn, _ *Lane) { openLane(t, c, LaneConfig{Lane: "b", Writer: "w"}) }, false},
		"a heartbeat":          {func(t *testing.T, _ *Conn, l *Lane) { publish(t, l, []Outgoing{l.heartbeat(false)}) }, false},
		"a new connection":     {func(_ *testing.T, c *Conn, _ *Lane) { c.link.renew() }, false},
		"the server forgot it": {func(t *testing.T, c *Conn, _ *Lane) { restartServer(t, c) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := embeddedConn(t)
			lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w", Heartbeat: time.Hour})
			publish(t, lane, changes("a", 0, 5))
			next := sendAhead(t, lane, n, append(changes("a", 5+n, n), position("a", "file", "end")))
			if name == "another lane wrote" {
				test.between(t, c, lane) // before the batch under way
			}
			first := publish(t, lane, changes("a", 5, n))
			if name != "another lane wrote" {
				test.between(t, c, lane)
			}
			last, err := next.publish(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			if used := next.ahead != nil; used != test.used {
				t.Errorf("what was sent ahead was used: %t, want %t", used, test.used)
			}
			if test.used && last != first+n+1 {
				t.Errorf("the batch ends at %d behind %d", last, first)
			}
			if alone := lane.stage(next.messages).ahead; alone != nil {
				t.Error("something was sent ahead although nothing is under way")
			}
			expectNumbers(t, stored(t, c, "a"), 5+2*n)
			positions, err := lane.Positions(testContext(t))
			if err != nil || string(positions["file"]) != "end" {
				t.Errorf("positions %q, %v", positions, err)
			}
		})
	}
}

func restartServer(t *testing.T, c *Conn) {
	t.Helper()
	if err := c.restart(testContext(t), func() error { return nil }); err != nil {
		t.Fatal(err)
	}
}

// TestStageNot: what cannot be sent ahead, or is not worth it, is published all the same; what cannot be published is refused.
func TestStageNot(t *testing.T) {
	c := embeddedConn(t)
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w", Heartbeat: time.Hour})
	lane.underWay.Store(lane.last + 1)
	for name, messages := range map[string][]Outgoing{
		"few":        changes("a", 0, worthwhile/2),
		"positions":  {position("a", "file", "1"), position("a", "file2", "1")},
		"too many":   changes("a", 0, lane.MaxBatch()+1),
		"other lane": changes("b", 0, 2*worthwhile),
	} {
		if lane.stage(messages).ahead != nil {
			t.Errorf("%s: sent ahead", name)
		}
	}
	lane.aloneUntil.Store(time.Now().Add(time.Hour).UnixNano())
	if lane.stage(changes("a", 0, 2*worthwhile)).ahead != nil {
		t.Error("sent ahead although it was in vain a moment ago")
	}
	if _, err := lane.Stage(changes("b", 0, 2))(testContext(t)); err == nil {
		t.Error("a batch of another lane was published")
	}
}

// TestStageTogether lets several lanes write to the stream at once, each staging its batches: the sequences that are foreseen
// come true for some, and every lane holds what it was given, in order.
func TestStageTogether(t *testing.T) {
	t.Parallel()
	const lanes, total = 3, 6000
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := embeddedConn(t)
	var wg sync.WaitGroup
	for i := range lanes {
		name, r := fmt.Sprint("lane", i), rand.New(rand.NewPCG(seed, uint64(i)))
		lane := openLane(t, c, LaneConfig{Lane: name, Writer: "w", Heartbeat: shortBeat})
		run(t, lane)
		batch := worthwhile + r.IntN(400)
		wg.Go(func() {
			if err := writeAll(testContext(t), lane, total, batch); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range lanes {
		expectNumbers(t, stored(t, c, proto.LaneName(fmt.Sprint("lane", i))), total)
	}
}

// TestStageTooLate: the server gives up what was sent ahead if the batch before it takes longer than ten seconds.
func TestStageTooLate(t *testing.T) {
	t.Parallel()
	const n = 300
	c := embeddedConn(t)
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w", Heartbeat: time.Hour})
	next := sendAhead(t, lane, n, append(changes("a", n, n), position("a", "file", "end")))
	time.Sleep(11 * time.Second) // nobody tells that it was given up
	publish(t, lane, changes("a", 0, n))
	if _, err := next.publish(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if next.ahead == nil {
		t.Error("what was sent ahead was not tried")
	}
	expectNumbers(t, stored(t, c, "a"), 2*n)
}
