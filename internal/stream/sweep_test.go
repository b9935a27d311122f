package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"claude-analytics/proto"
)

// seqs are the sequences and subjects that the stream holds.
func seqs(t *testing.T, c *Conn) map[uint64]string {
	t.Helper()
	found := map[uint64]string{}
	for seq := uint64(1); ; {
		m, err := c.getMessage(testContext(t), proto.StreamName, messageRequest{Seq: seq, NextFor: proto.AllSubjects})
		if errors.Is(err, ErrNoMessage) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found[m.Seq] = m.Subject
		seq = m.Seq + 1
	}
}

func sweep(t *testing.T, c *Conn, cfg SweepConfig) uint64 {
	t.Helper()
	purged, err := c.Sweep(testContext(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return purged
}

func floorOf(t *testing.T, c *Conn) uint64 {
	t.Helper()
	state, err := c.State(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return state.PurgeFloor
}

func TestSweepByAge(t *testing.T) {
	t.Parallel()
	c := embeddedConn(t)
	busy := openLane(t, c, LaneConfig{Lane: "busy", Writer: "w"})
	quiet := openLane(t, c, LaneConfig{Lane: "quiet", Writer: "w"})
	// The quiet lane ends in a change, in the middle of the busy one's, which has an event without a document too.
	publish(t, busy, append(changes("busy", 0, 300), position("busy", "file", "300")))
	last := publish(t, quiet, changes("quiet", 0, 50))
	publish(t, busy, append(changes("busy", 300, 199), Outgoing{Subject: proto.EventSubject("busy"), Data: []byte("499")}, position("busy", "other", "500")))
	boundary := publish(t, busy, changes("busy", 500, 1))
	before := seqs(t, c)

	if n := sweep(t, c, SweepConfig{MaxAge: time.Hour, DurableBelow: boundary + 1}); n != 0 || floorOf(t, c) != 0 {
		t.Fatalf("%d young messages purged, floor %d", n, floorOf(t, c))
	}
	time.Sleep(50 * time.Millisecond)
	publish(t, busy, append(changes("busy", 501, 100), position("busy", "other", "601")))

	// Nothing is durable: nothing goes.
	if n := sweep(t, c, SweepConfig{MaxAge: time.Millisecond}); n != 0 {
		t.Fatalf("%d messages purged that are not durable", n)
	}
	cfg := SweepConfig{MaxAge: time.Millisecond, DurableBelow: boundary}
	n := sweep(t, c, cfg)
	after := seqs(t, c)
	for seq, subject := range before {
		_, there := after[seq]
		data := !proto.IsPosition(subject)
		switch {
		case !data && !there && subject != proto.PositionSubject("busy", "other"):
			t.Errorf("position %s at %d is gone", subject, seq)
		case data && seq == last && !there:
			t.Errorf("the quiet lane's newest message is gone")
		case data && seq != last && there != (seq >= boundary):
			t.Errorf("change %s at %d: there is %v, boundary %d", subject, seq, there, boundary)
		}
	}
	if want := uint64(300 + 49 + 200); n != want {
		t.Errorf("%d purged, want %d", n, want)
	}
	if floor := floorOf(t, c); floor != boundary {
		t.Errorf("floor %d, want %d", floor, boundary)
	}
	// Both writers go on as if nothing had been.
	publish(t, quiet, changes("quiet", 50, 1))
	publish(t, busy, changes("busy", 601, 1))
	if n := sweep(t, c, cfg); n != 0 || floorOf(t, c) != boundary {
		t.Errorf("a second sweep purged %d", n)
	}
	// Deploying does not forget the floor.
	if _, err := c.Deploy(testContext(t), false); err != nil || floorOf(t, c) != boundary {
		t.Errorf("floor %d after deploy, %v", floorOf(t, c), err)
	}
	// What is left by age goes once it is durable, and the lanes are intact even then.
	sweep(t, c, SweepConfig{MaxAge: time.Nanosecond, DurableBelow: 1 << 40})
	publish(t, quiet, changes("quiet", 51, 1))
	publish(t, busy, changes("busy", 602, 1))
	positions, err := busy.Positions(testContext(t))
	if err != nil || string(positions["file"]) != "300" || string(positions["other"]) != "601" {
		t.Errorf("positions %q, %v", positions, err)
	}
}

func TestSweepBySize(t *testing.T) {
	t.Parallel()
	c := embeddedConn(t)
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	var last uint64
	for i := range 20 {
		batch := changes("a", i*100, 100)
		for j := range batch {
			batch[j].Data = []byte(strings.Repeat("x", 1000*(1+i%3)))
		}
		last = publish(t, lane, append(batch, position("a", "file", fmt.Sprint(i))))
	}
	state, err := c.State(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	limit := state.Bytes / 2
	if n := sweep(t, c, SweepConfig{MaxBytes: limit, DurableBelow: 200}); n == 0 || floorOf(t, c) > 200 {
		t.Errorf("%d purged, floor %d", n, floorOf(t, c))
	}
	sweep(t, c, SweepConfig{MaxBytes: limit, DurableBelow: last})
	if state, err = c.State(testContext(t)); err != nil || state.Bytes > limit || state.Bytes < limit*8/10 {
		t.Errorf("%d bytes left of %d, %v", state.Bytes, limit, err)
	}
	if n := sweep(t, c, SweepConfig{MaxBytes: limit, DurableBelow: last}); n != 0 {
		t.Errorf("a second sweep purged %d", n)
	}
	// A consumer behind the floor gets what is left; that it missed something is for its watermark to see.
	k := openConsumer(t, c, ConsumerConfig{Name: proto.LakeConsumer})
	if all := fetchTo(t, k, last, FetchLimit{}); uint64(len(all)) != state.Msgs {
		t.Errorf("fetched %d of %d", len(all), state.Msgs)
	}
	// A limit that even the positions exceed ends without harm.
	sweep(t, c, SweepConfig{MaxBytes: 1, DurableBelow: last})
	publish(t, lane, changes("a", 2000, 1))
}

func TestState(t *testing.T) {
	c := embeddedConn(t)
	ctx := testContext(t)
	publish(t, openLane(t, c, LaneConfig{Lane: "b", Writer: "wb"}), changes("b", 0, 10))
	last := publish(t, openLane(t, c, LaneConfig{Lane: "a", Writer: "wa"}), changes("a", 0, 5))
	state, err := c.State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if state.Identity.Name != proto.StreamName || state.Identity.Created.IsZero() || state.LastSeq != last || state.FirstSeq != 1 || state.Msgs != last || state.Bytes == 0 || state.DeadLetters != 0 {
		t.Errorf("state %+v", state)
	}
	if len(state.Lanes) != 2 || state.Lanes[0].Lane != "a" || state.Lanes[1].Lane != "b" || state.Lanes[0].LastSeq != last || state.Lanes[1].Writer != "wb" {
		t.Errorf("lanes %+v", state.Lanes)
	}
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	c := embeddedConn(t)
	ctx := testContext(t)
	letter := proto.DeadLetter{
		Lane: "a", Part: proto.PartIngest, Reason: proto.ReasonBrokenLine, Namespace: "projects",
		File: "p/\xff.jsonl", Offset: 17, Size: 3, Payload: []byte("{\x00}"), At: time.Now().UTC().Truncate(time.Microsecond),
	}
	for range 3 { // the same place again is the same letter
		if err := c.DeadLetter(ctx, letter); err != nil {
			t.Fatal(err)
		}
	}
	other := letter
	other.Offset = 40
	foreign := proto.DeadLetter{Lane: "not > a * lane", Part: proto.PartLake, Reason: proto.ReasonNotDecodable, Epoch: 1, Seq: 5, Payload: make([]byte, 31<<20)}
	for _, l := range []proto.DeadLetter{other, foreign} {
		if err := c.DeadLetter(ctx, l); err != nil {
			t.Fatal(err)
		}
	}
	letters, err := c.DeadLetters(ctx, 0)
	if err != nil || len(letters) != 3 {
		t.Fatalf("%d letters, %v", len(letters), err)
	}
	if got := letters[0]; got.File != letter.File || string(got.Payload) != string(letter.Payload) || !got.At.Equal(letter.At) || got.Place() != letter.Place() {
		t.Errorf("letter %+v", got)
	}
	if got := letters[2]; !got.Truncated || len(got.Payload) < 20<<20 || got.Seq != 5 {
		t.Errorf("large letter: %d bytes, truncated %v", len(got.Payload), got.Truncated)
	}
	if one, err := c.DeadLetters(ctx, 1); err != nil || len(one) != 1 {
		t.Errorf("%d letters, %v", len(one), err)
	}
	state, err := c.State(ctx)
	if err != nil || state.DeadLetters != 3 {
		t.Errorf("%d letters counted, %v", state.DeadLetters, err)
	}
	if err := c.js.DeleteStream(ctx, proto.DeadLetterName); err != nil {
		t.Fatal(err)
	}
	if err := c.DeadLetter(ctx, letter); err != nil {
		t.Errorf("with its stream deleted: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := c.DeadLetter(cancelled, letter); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
