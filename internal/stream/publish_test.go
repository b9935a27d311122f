package stream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"claude-analytics/proto"
)

func TestPublish(t *testing.T) {
	c := embeddedConn(t)
	ctx := testContext(t)
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})

	// A whole batch with a position a file, a batch of one, a large message, and nothing at all.
	full := changes("a", 0, lane.MaxBatch()-3)
	for i := range 3 {
		full = append(full, position("a", fmt.Sprintf("file%d", i), "1"))
	}
	publish(t, lane, full)
	publish(t, lane, changes("a", len(full)-3, 1))
	last := publish(t, lane, append(changes("a", len(full)-2, 2), position("a", "file0", "2")))
	if seq := publish(t, lane, nil); seq != last {
		t.Errorf("an empty batch ends at %d, the lane at %d", seq, last)
	}
	expectNumbers(t, stored(t, c, "a"), len(full))

	end, err := c.LaneState(ctx, "a")
	if err != nil || end.LastSeq != last || end.Writer != "w" || end.Heartbeat.GetPid() != int64(os.Getpid()) {
		t.Errorf("lane state %+v, %v", end, err)
	}
	positions, err := lane.Positions(ctx)
	if err != nil || len(positions) != 3 || string(positions["file0"]) != "2" || string(positions["file2"]) != "1" {
		t.Errorf("positions %q, %v", positions, err)
	}
	m, err := c.MessageAt(ctx, last)
	if err != nil || m.Seq != last || string(m.Data) != "2" || m.Subject != proto.PositionSubject("a", "file0") {
		t.Errorf("message %+v, %v", m, err)
	}
	if _, err := c.MessageAt(ctx, last+1); !errors.Is(err, ErrNoMessage) {
		t.Errorf("message behind the end: %v", err)
	}
	empty, err := c.LaneState(ctx, "nobody")
	if err != nil || empty.LastSeq != 0 {
		t.Errorf("lane state %+v, %v", empty, err)
	}
}

func TestPublishLarge(t *testing.T) {
	t.Parallel()
	c := embeddedConn(t)
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	largest := make([]byte, c.MaxPayload())
	large := largest[:31<<20]
	subject := proto.DataSubject("a", "k", "p")
	publish(t, lane, []Outgoing{{Subject: subject, Data: large}, position("a", "file", "1")})
	// The lane ends in a large message: that is what an unknown outcome would be resolved by.
	last := publish(t, lane, []Outgoing{{Subject: subject, Data: largest}})
	end, err := c.LaneState(testContext(t), "a")
	if err != nil || end.LastSeq != last {
		t.Errorf("lane state %+v, %v", end, err)
	}
	if _, err := lane.Publish(testContext(t), []Outgoing{{Subject: subject, Data: append(largest, 0)}}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("publish: %v", err)
	}
	// Three large messages in one batch are over what may queue up without a receipt.
	last = publish(t, lane, []Outgoing{{Subject: subject, Data: large}, {Subject: subject, Data: large}, {Subject: subject, Data: large}})

	k := openConsumer(t, c, ConsumerConfig{Name: proto.LakeConsumer})
	sizes, seq := 0, uint64(0)
	for seq < last {
		messages, err := k.Fetch(testContext(t), FetchLimit{Bytes: 40 << 20})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			if !proto.IsPosition(m.Subject) {
				sizes += len(m.Data)
			}
			seq = m.Seq
		}
	}
	if want := 4*len(large) + len(largest); sizes != want {
		t.Errorf("fetched %d bytes, want %d", sizes, want)
	}
}

func TestPublishRefuses(t *testing.T) {
	c := embeddedConn(t)
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	for name, batch := range map[string][]Outgoing{
		"too many":       changes("a", 0, lane.MaxBatch()+1),
		"another lane":   changes("b", 0, 1),
		"lane prefix":    changes("ab", 0, 1),
		"position twice": {position("a", "f", "1"), position("a", "f", "2")},
	} {
		if _, err := lane.Publish(testContext(t), batch); !errors.Is(err, ErrBatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := lane.Publish(cancelled, changes("a", 0, 2)); !errors.Is(err, context.Canceled) {
		t.Errorf("publish: %v", err)
	}
	// None of this harmed the lane.
	publish(t, lane, changes("a", 0, 5))
	expectNumbers(t, stored(t, c, "a"), 5)
}

func TestManyPositions(t *testing.T) {
	const files = 3000
	c := embeddedConn(t)
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	for round := range 2 {
		for first := 0; first < files; first += 500 {
			var batch []Outgoing
			for i := range 500 {
				batch = append(batch, position("a", fmt.Sprintf("%016x", first+i), fmt.Sprint(round)))
			}
			publish(t, lane, batch)
		}
	}
	positions, err := lane.Positions(testContext(t))
	if err != nil || len(positions) != files {
		t.Fatalf("%d positions, %v", len(positions), err)
	}
	for name, value := range positions {
		if string(value) != "1" {
			t.Errorf("position %s is %s", name, value)
		}
	}
	other := openLane(t, c, LaneConfig{Lane: "b", Writer: "w"})
	if positions, err := other.Positions(testContext(t)); err != nil || len(positions) != 0 {
		t.Errorf("new lane's positions %q, %v", positions, err)
	}
}

func TestJudge(t *testing.T) {
	lane := &Lane{conn: &Conn{instance: "I"}, cfg: LaneConfig{Writer: "w"}, last: 10}
	for _, test := range []struct {
		name string
		end  LaneState
		want verdict
	}{
		{"landed", LaneState{LastSeq: 12, Writer: "w", batch: "I.7"}, landed},
		{"not there", LaneState{LastSeq: 10, Writer: "w", batch: "I.6"}, absent},
		{"recreated", LaneState{}, lost},
		{"lost tail", LaneState{LastSeq: 5, Writer: "w", batch: "I.3"}, lost},
		{"recreated and taken", LaneState{LastSeq: 5, Writer: "x", batch: "J.3"}, taken},
		{"given up, then landed", LaneState{LastSeq: 12, Writer: "w", batch: "I.6"}, lost},
		{"another writer", LaneState{LastSeq: 12, Writer: "x", batch: "J.1"}, taken},
		{"twin with our id", LaneState{LastSeq: 12, Writer: "w", batch: "J.1"}, taken},
		{"batch without its end", LaneState{LastSeq: 12}, lost},
	} {
		if got := lane.judge(test.end, "I.7"); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

// TestGivenUpPublish lets a context end in the middle of publishes: whatever happened to them, nothing is stored
// twice or left out once the writer goes on from its positions.
func TestGivenUpPublish(t *testing.T) {
	t.Parallel()
	c := embeddedConn(t)
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	const total, batch = 4000, 200
	next, resets := 0, 0
	for patience := time.Duration(1); next < total; patience = patience%20 + 1 {
		ctx, cancel := context.WithTimeout(context.Background(), patience*time.Millisecond)
		_, err := lane.Publish(ctx, append(changes("a", next, batch), position("a", "file", fmt.Sprint(next+batch))))
		cancel()
		switch {
		case err == nil:
			next += batch
		case errors.Is(err, ErrLaneReset):
			resets++
			positions, err := lane.Positions(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Sscan(string(positions["file"])+" ", &next); err != nil && len(positions) > 0 {
				t.Fatal(err)
			}
		case !errors.Is(err, context.DeadlineExceeded):
			t.Fatal(err)
		}
	}
	expectNumbers(t, stored(t, c, "a"), total)
	t.Logf("%d resets", resets)
}

func TestStreamDeletedUnderLane(t *testing.T) {
	c := embeddedConn(t)
	ctx := testContext(t)
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	publish(t, lane, append(changes("a", 0, 50), position("a", "file", "50")))
	if err := c.js.DeleteStream(ctx, proto.StreamName); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := lane.Publish(ctx, append(changes("a", 50, 50), position("a", "file", "100"))); !errors.Is(err, ErrLaneReset) {
			t.Fatalf("publish: %v", err)
		}
	}
	if err := lane.Run(ctx); !errors.Is(err, ErrLaneReset) {
		t.Errorf("run: %v", err)
	}
	positions, err := lane.Positions(ctx)
	if err != nil || len(positions) != 0 {
		t.Fatalf("positions %q, %v", positions, err)
	}
	publish(t, lane, append(changes("a", 0, 100), position("a", "file", "100")))
	expectNumbers(t, stored(t, c, "a"), 100)
	if diffs, err := c.Deploy(ctx, true); err != nil || len(diffs) != 2 {
		t.Errorf("the stream came back different: %v, %v", diffs, err)
	}
}

func TestRelease(t *testing.T) {
	c := embeddedConn(t)
	ctx := testContext(t)
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	publish(t, lane, changes("a", 0, 5))
	for range 2 {
		if err := lane.Release(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := lane.Publish(ctx, changes("a", 5, 5)); !errors.Is(err, ErrClosed) {
		t.Errorf("publish: %v", err)
	}
	if err := lane.Run(ctx); err != nil {
		t.Errorf("run: %v", err)
	}
	// A heartbeat of an hour: whoever had to wait for three would not be through in time.
	next := openLane(t, c, LaneConfig{Lane: "a", Writer: "x", Heartbeat: time.Hour, OnWait: func(*proto.Heartbeat) { t.Error("waited for a released lane") }})
	publish(t, next, changes("a", 5, 5))
	expectNumbers(t, stored(t, c, "a"), 10)
	if _, err := c.OpenLane(ctx, LaneConfig{Lane: "Not A Lane", Writer: "x"}); err == nil || !strings.Contains(err.Error(), "Not A Lane") {
		t.Errorf("open lane: %v", err)
	}
	if _, err := c.OpenLane(ctx, LaneConfig{Lane: "a"}); err == nil {
		t.Error("a lane was opened without a writer")
	}
}
