package stream

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"claude-analytics/proto"
)

// shortBeat makes a newcomer wait for a second or so: long enough that a busy machine does not make a living writer
// look dead.
const shortBeat = 300 * time.Millisecond

// run runs a lane's heartbeats until the test ends or stop is called; it returns what Run returned.
func run(t *testing.T, l *Lane) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	var result error
	stopped := false
	stop = func() error {
		if !stopped {
			cancel()
			result, stopped = <-done, true
		}
		return result
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

func TestSecondWriterRefused(t *testing.T) {
	c := embeddedConn(t)
	first := openLane(t, c, LaneConfig{Lane: "a", Writer: "first"})
	publish(t, first, changes("a", 0, 10))

	// A second writer takes over by force; from then on the first is refused, naming the second.
	other := open(t, Config{URL: c.URL()})
	second := openLane(t, other, LaneConfig{Lane: "a", Writer: "second", Takeover: true})
	for range 2 {
		_, err := first.Publish(testContext(t), changes("a", 10, 10))
		var taken *TakenError
		if !errors.As(err, &taken) {
			t.Fatalf("publish: %v", err)
		}
		host, _ := os.Hostname()
		if taken.Lane != "a" || taken.Writer != "second" || taken.PID != int64(os.Getpid()) || taken.Host != host {
			t.Errorf("taken by %+v", taken)
		}
		if !strings.Contains(err.Error(), "second") || !strings.Contains(err.Error(), host) {
			t.Errorf("%v does not name the other", err)
		}
	}
	var taken *TakenError
	if _, err := first.Positions(testContext(t)); !errors.As(err, &taken) {
		t.Errorf("positions: %v", err)
	}
	if err := first.Run(testContext(t)); !errors.As(err, &taken) {
		t.Errorf("run: %v", err)
	}
	if err := first.Release(testContext(t)); err != nil {
		t.Errorf("release: %v", err)
	}
	publish(t, second, changes("a", 10, 10))
	expectNumbers(t, stored(t, c, "a"), 20)
}

// TestTwin: two processes with one writer id, as of a copied DATA_DIR. The later one has the lane.
func TestTwin(t *testing.T) {
	c := embeddedConn(t)
	first := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	publish(t, first, changes("a", 0, 10))
	second := openLane(t, open(t, Config{URL: c.URL()}), LaneConfig{Lane: "a", Writer: "w"})
	publish(t, second, changes("a", 10, 10))
	var taken *TakenError
	if _, err := first.Publish(testContext(t), changes("a", 10, 10)); !errors.As(err, &taken) || taken.Writer != "w" {
		t.Errorf("publish: %v", err)
	}
	expectNumbers(t, stored(t, c, "a"), 20)
}

func TestStandby(t *testing.T) {
	t.Parallel()
	c := embeddedConn(t)
	active := openLane(t, c, LaneConfig{Lane: "a", Writer: "active", Heartbeat: shortBeat})
	stop := run(t, active)
	publish(t, active, changes("a", 0, 10))

	var waits atomic.Int32
	opened := make(chan *Lane, 1)
	failed := make(chan error, 1)
	standby := open(t, Config{URL: c.URL()})
	go func() {
		lane, err := standby.OpenLane(testContext(t), LaneConfig{
			Lane: "a", Writer: "standby", Heartbeat: shortBeat,
			OnWait: func(other *proto.Heartbeat) {
				if other.GetWriter() == "active" && other.GetPid() == int64(os.Getpid()) && other.GetIntervalMillis() == shortBeat.Milliseconds() {
					waits.Add(1)
				}
			},
		})
		if err != nil {
			failed <- err
			return
		}
		opened <- lane
	}()
	// As long as the other lives, through heartbeats or publishes, the standby stands by.
	for i := range 6 {
		time.Sleep(shortBeat)
		if i >= 4 {
			publish(t, active, changes("a", 10+i-4, 1))
		}
	}
	select {
	case <-opened:
		t.Fatal("the standby took the lane of a living writer")
	case err := <-failed:
		t.Fatal(err)
	default:
	}
	if err := stop(); err != nil {
		t.Fatalf("run: %v", err)
	}
	var lane *Lane
	select {
	case lane = <-opened:
	case err := <-failed:
		t.Fatal(err)
	}
	if waits.Load() != 1 {
		t.Errorf("OnWait was called %d times", waits.Load())
	}
	publish(t, lane, changes("a", 12, 8))
	var taken *TakenError
	if _, err := active.Publish(testContext(t), changes("a", 12, 1)); !errors.As(err, &taken) || taken.Writer != "standby" {
		t.Errorf("publish of the late one: %v", err)
	}
	expectNumbers(t, stored(t, c, "a"), 20)
}

// TestRace: of several newcomers to a dead writer's lane one gets it, and the others go on waiting.
func TestRace(t *testing.T) {
	t.Parallel()
	c := embeddedConn(t)
	dead := openLane(t, c, LaneConfig{Lane: "a", Writer: "dead", Heartbeat: shortBeat})
	publish(t, dead, changes("a", 0, 10))
	ctx, cancel := context.WithCancel(testContext(t))
	opened := make(chan *Lane, 4)
	var running []chan error
	for _, name := range []string{"one", "two", "three", "four"} {
		done := make(chan error, 1)
		running = append(running, done)
		go func() {
			lane, err := c.OpenLane(ctx, LaneConfig{Lane: "a", Writer: name, Heartbeat: shortBeat})
			if err == nil {
				opened <- lane
				err = lane.Run(ctx)
			}
			done <- err
		}()
	}
	winner := <-opened
	time.Sleep(5 * shortBeat)
	if len(opened) > 0 {
		t.Error("two newcomers have the lane")
	}
	publish(t, winner, changes("a", 10, 10))
	expectNumbers(t, stored(t, c, "a"), 20)
	cancel()
	for _, done := range running {
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

func TestQuietWatch(t *testing.T) {
	const beat = time.Second
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	end := func(seq uint64, age time.Duration) LaneState {
		return LaneState{
			LastSeq: seq, LastTime: now.Add(-age), Writer: "other", HeartbeatSeq: seq,
			Heartbeat: &proto.Heartbeat{Writer: "other", IntervalMillis: beat.Milliseconds()},
		}
	}
	type look struct {
		end   LaneState
		local time.Duration // since the first look
		life  uint64
		want  bool
	}
	for _, test := range []struct {
		name  string
		cfg   LaneConfig
		looks []look
	}{
		{"empty", LaneConfig{Writer: "w"}, []look{{end: LaneState{}, want: true}}},
		{"our own", LaneConfig{Writer: "other"}, []look{{end: end(5, 0), want: true}}},
		{"takeover", LaneConfig{Writer: "w", Takeover: true}, []look{{end: end(5, 0), want: true}}},
		{"dead for long", LaneConfig{Writer: "w"}, []look{{end: end(5, time.Hour), want: true}}},
		{"quiet", LaneConfig{Writer: "w"}, []look{{end: end(5, 2*beat)}, {end: end(5, 0), local: beat / 2}, {end: end(5, 0), local: beat, want: true}}},
		{"alive", LaneConfig{Writer: "w"}, []look{{end: end(5, 2*beat)}, {end: end(6, 0), local: beat}, {end: end(6, 0), local: 3 * beat}, {end: end(6, 0), local: 4 * beat, want: true}}},
		{"server was away", LaneConfig{Writer: "w"}, []look{{end: end(5, 0)}, {end: end(5, 0), local: time.Hour, life: 1}, {end: end(5, 0), local: time.Hour + 3*beat, life: 1, want: true}}},
		{"recreated under a living writer", LaneConfig{Writer: "w", Heartbeat: beat}, []look{{end: end(5, 0)}, {end: LaneState{}, local: beat}, {end: LaneState{}, local: 4 * beat, want: true}}},
		{"clock of the server behind", LaneConfig{Writer: "w"}, []look{{end: end(5, -time.Hour)}, {end: end(5, 0), local: 3 * beat, want: true}}},
		{"no heartbeat known", LaneConfig{Writer: "w", Heartbeat: beat}, []look{{end: LaneState{LastSeq: 5, LastTime: now}}, {end: LaneState{LastSeq: 5}, local: 3 * beat, want: true}}},
	} {
		watch := quietWatch{cfg: test.cfg}
		for i, l := range test.looks {
			if got := watch.free(l.end, now, now.Add(l.local), l.life); got != l.want {
				t.Errorf("%s: look %d: %v", test.name, i, got)
			}
		}
	}
	released := end(5, 0)
	released.Heartbeat.Released = true
	if watch := (quietWatch{cfg: LaneConfig{Writer: "w"}}); !watch.free(released, now, now, 0) {
		t.Error("a released lane is not free")
	}
	released.LastSeq++
	if watch := (quietWatch{cfg: LaneConfig{Writer: "w"}}); watch.free(released, now, now, 0) {
		t.Error("a lane written after its release is free")
	}
}

// A writer that reads its positions for long shows that it lives, and goes on afterwards where it was.
func TestBeatsWhilePositionsAreRead(t *testing.T) {
	c := embeddedConn(t)
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "one", Heartbeat: 20 * time.Millisecond})
	publish(t, lane, changes("a", 0, 3))
	before := lane.last
	err := lane.beatWhile(testContext(t), func() error {
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			state, err := c.LaneState(testContext(t), "a")
			if err != nil || state.LastSeq >= before+3 {
				return err
			}
			if time.Now().After(deadline) {
				return errors.New("no heartbeats came")
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lane.Positions(testContext(t)); err != nil {
		t.Fatal(err)
	}
	publish(t, lane, changes("a", 3, 3))

	// One whose lane was taken meanwhile says so.
	other := open(t, Config{URL: c.URL()})
	err = lane.beatWhile(testContext(t), func() error {
		openLane(t, other, LaneConfig{Lane: "a", Writer: "two", Takeover: true})
		time.Sleep(200 * time.Millisecond)
		return nil
	})
	var taken *TakenError
	if !errors.As(err, &taken) {
		t.Errorf("%v, want that the lane is another's", err)
	}
}
