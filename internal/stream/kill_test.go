package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"claude-analytics/proto"
)

// writeAll publishes the changes 0 … total-1 the way a source does: each batch is staged while the one before it is under
// way; from its position, and after a reset from the position as it is then.
func writeAll(ctx context.Context, lane *Lane, total, batch int) error {
	var under chan error
	for next := 0; next < total || under != nil; {
		var publish func(context.Context) (uint64, error)
		n := min(batch, total-next)
		if n > 0 {
			publish = lane.Stage(append(changes(lane.cfg.Lane, next, n), position(lane.cfg.Lane, "file", fmt.Sprint(next+n))))
		}
		if under != nil {
			err := <-under
			under = nil
			if errors.Is(err, ErrLaneReset) {
				if next, err = writtenTo(ctx, lane); err == nil {
					continue
				}
			}
			if err != nil {
				return err
			}
		}
		if publish == nil {
			continue
		}
		done := make(chan error, 1)
		go func() {
			_, err := publish(ctx)
			done <- err
		}()
		under, next = done, next+n
	}
	return nil
}

// writtenTo is what writeAll's position says.
func writtenTo(ctx context.Context, lane *Lane) (next int, err error) {
	positions, err := lane.Positions(ctx)
	if at, ok := positions["file"]; ok && err == nil {
		_, err = fmt.Sscan(string(at), &next)
	}
	return next, err
}

// TestServerKilled kills and restarts the server again and again under a writer and a reader.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	const total, kills = 30_000, 4
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	p := startProcess(t)
	c := open(t, Config{URL: p.url()})
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w", Heartbeat: shortBeat})
	run(t, lane)
	k := openConsumer(t, c, ConsumerConfig{Name: proto.WarehouseConsumer})

	ctx := testContext(t)
	written := make(chan error, 1)
	go func() { written <- writeAll(ctx, lane, total, 300) }()
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		for range kills {
			time.Sleep(time.Duration(100+r.IntN(400)) * time.Millisecond)
			p.kill()
			time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
			p.start()
		}
	}()
	var values []string
	for len(values) < total {
		messages, err := k.Fetch(ctx, FetchLimit{Linger: 20 * time.Millisecond})
		if err != nil {
			t.Fatalf("fetch after %d changes: %v", len(values), err)
		}
		values = append(values, data(messages)...)
		if err := k.AckAll(ctx, messages[len(messages)-1].Seq); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	<-killed
	expectNumbers(t, values, total)
	positions, err := lane.Positions(ctx)
	if err != nil || string(positions["file"]) != fmt.Sprint(total) {
		t.Errorf("positions %q, %v", positions, err)
	}
}

// TestServerLosesEverything: the server comes back with an empty disk.
func TestServerLosesEverything(t *testing.T) {
	t.Parallel()
	p := startProcess(t)
	c := open(t, Config{URL: p.url()})
	ctx := testContext(t)
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	if err := writeAll(ctx, lane, 2000, 500); err != nil {
		t.Fatal(err)
	}
	k := openConsumer(t, c, ConsumerConfig{Name: proto.WarehouseConsumer})
	fetchTo(t, k, lane.last, FetchLimit{})
	p.kill()
	if err := os.RemoveAll(p.dir + "/jetstream"); err != nil {
		t.Fatal(err)
	}
	p.start()
	if _, err := k.Fetch(ctx, FetchLimit{}); !errors.Is(err, ErrStreamChanged) {
		t.Errorf("fetch: %v", err)
	}
	if _, err := lane.Publish(ctx, changes("a", 2000, 1)); !errors.Is(err, ErrLaneReset) {
		t.Fatalf("publish: %v", err)
	}
	positions, err := lane.Positions(ctx)
	if err != nil || len(positions) != 0 {
		t.Fatalf("positions %q, %v", positions, err)
	}
	if err := writeAll(ctx, lane, 2001, 500); err != nil {
		t.Fatal(err)
	}
	expectNumbers(t, data(fetchTo(t, openConsumer(t, c, ConsumerConfig{Name: proto.WarehouseConsumer}), lane.last, FetchLimit{})), 2001)
}

// TestServerLosesTail: the disk comes back as it was earlier, and the lane is filled again beyond its old end.
func TestServerLosesTail(t *testing.T) {
	t.Parallel()
	p := startProcess(t)
	c := open(t, Config{URL: p.url()})
	ctx := testContext(t)
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	if err := writeAll(ctx, lane, 1000, 500); err != nil {
		t.Fatal(err)
	}
	p.kill()
	backup := t.TempDir()
	if err := os.CopyFS(backup+"/jetstream", os.DirFS(p.dir+"/jetstream")); err != nil {
		t.Fatal(err)
	}
	p.start()
	k := openConsumer(t, c, ConsumerConfig{Name: proto.WarehouseConsumer})
	if _, err := lane.Publish(ctx, append(changes("a", 1000, 500), position("a", "file", "1500"))); err != nil {
		t.Fatal(err)
	}
	fetchTo(t, k, lane.last, FetchLimit{})

	p.kill()
	if err := os.RemoveAll(p.dir + "/jetstream"); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(p.dir+"/jetstream", os.DirFS(backup+"/jetstream")); err != nil {
		t.Fatal(err)
	}
	p.start()
	if _, err := lane.Publish(ctx, append(changes("a", 1500, 500), position("a", "file", "2000"))); !errors.Is(err, ErrLaneReset) {
		t.Fatalf("publish: %v", err)
	}
	positions, err := lane.Positions(ctx)
	if err != nil || string(positions["file"]) != "1000" {
		t.Fatalf("positions %q, %v", positions, err)
	}
	if _, err := lane.Publish(ctx, append(changes("a", 1000, 1000), position("a", "file", "2000"))); !errors.Is(err, ErrBatch) {
		t.Fatalf("publish: %v", err)
	}
	for _, first := range []int{1000, 1500} {
		publish(t, lane, append(changes("a", first, 500), position("a", "file", fmt.Sprint(first+500))))
	}
	if _, err := k.Fetch(ctx, FetchLimit{}); !errors.Is(err, ErrStreamChanged) {
		t.Errorf("fetch: %v", err)
	}
	expectNumbers(t, stored(t, c, "a"), 2000)
}

// TestOpenWaits: a service may start before its server.
func TestOpenWaits(t *testing.T) {
	t.Parallel()
	p := startProcess(t)
	p.kill()
	c := New(Config{URL: p.url()}, logs(t))
	opened := make(chan error, 1)
	go func() { opened <- c.Open(testContext(t)) }()
	select {
	case err := <-opened:
		t.Fatalf("open without a server: %v", err)
	case <-time.After(400 * time.Millisecond):
	}
	p.start()
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	closeConn(t, c)
}
