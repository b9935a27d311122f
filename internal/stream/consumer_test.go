package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"claude-analytics/proto"
)

// fetchTo fetches until the message at last was handed out, and checks the order.
func fetchTo(t *testing.T, k *Consumer, last uint64, limit FetchLimit) []Message {
	t.Helper()
	var all []Message
	for len(all) == 0 || all[len(all)-1].Seq < last {
		messages, err := k.Fetch(testContext(t), limit)
		if err != nil {
			t.Fatalf("fetch after %d messages: %v", len(all), err)
		}
		if len(messages) == 0 || limit.Messages > 0 && len(messages) > limit.Messages {
			t.Fatalf("%d messages, limit %d", len(messages), limit.Messages)
		}
		for _, m := range messages {
			if len(all) > 0 && m.Seq <= all[len(all)-1].Seq {
				t.Fatalf("%d after %d", m.Seq, all[len(all)-1].Seq)
			}
			all = append(all, m)
		}
	}
	return all
}

// data is the changes among messages.
func data(messages []Message) []string {
	var values []string
	for _, m := range messages {
		if !proto.IsPosition(m.Subject) {
			values = append(values, string(m.Data))
		}
	}
	return values
}

// fill publishes n changes to a lane of its own.
func fill(t *testing.T, c *Conn, n int) (*Lane, uint64) {
	t.Helper()
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	return lane, fillMore(t, lane, 0, n)
}

func fillMore(t *testing.T, lane *Lane, first, n int) (last uint64) {
	t.Helper()
	for at := first; at < first+n; at += 500 {
		size := min(500, first+n-at)
		last = publish(t, lane, append(changes("a", at, size), position("a", "file", fmt.Sprint(at+size))))
	}
	return last
}

func TestFetch(t *testing.T) {
	c := embeddedConn(t)
	lane, last := fill(t, c, 5000)
	k := openConsumer(t, c, ConsumerConfig{Name: proto.WarehouseConsumer, MaxAckPending: 20_000})
	if n, err := k.Pending(testContext(t)); err != nil || n < 5000 {
		t.Errorf("pending %d, %v", n, err)
	}
	all := fetchTo(t, k, last, FetchLimit{Messages: 700})
	expectNumbers(t, data(all), 5000)
	if m, err := c.MessageAt(testContext(t), last); err != nil || !m.Time.Equal(all[len(all)-1].Time) {
		t.Errorf("time %s, in the stream %s, %v", all[len(all)-1].Time, m.Time, err)
	}
	if writer := all[len(all)-1].Header[proto.HeaderWriter]; len(writer) != 1 || writer[0] != "w" {
		t.Errorf("header %v", all[len(all)-1].Header)
	}
	if n, err := k.Pending(testContext(t)); err != nil || n != 0 {
		t.Errorf("pending %d, %v", n, err)
	}

	// Nothing is there: Fetch waits for its context, or for the next message.
	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := k.Fetch(short, FetchLimit{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("fetch: %v", err)
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		_, _ = lane.Publish(context.Background(), changes("a", 5000, 3))
	}()
	messages, err := k.Fetch(testContext(t), FetchLimit{Linger: 10 * time.Second, Messages: 3})
	if err != nil || len(messages) != 3 {
		t.Errorf("fetched %d, %v", len(messages), err)
	}

	info := func() *jetstream.ConsumerInfo {
		t.Helper()
		consumer, err := c.js.Consumer(testContext(t), proto.StreamName, proto.WarehouseConsumer)
		if err != nil {
			t.Fatal(err)
		}
		return consumer.CachedInfo()
	}
	if err := k.AckAll(testContext(t), all[2000].Seq); err != nil {
		t.Fatal(err)
	}
	if floor := info().AckFloor.Stream; floor != all[2000].Seq {
		t.Errorf("acknowledged to %d, want %d", floor, all[2000].Seq)
	}
	// A sequence that is a hole acknowledges what stands before it; again is harmless.
	for range 2 {
		if err := k.AckAll(testContext(t), messages[2].Seq+1000); err != nil {
			t.Fatal(err)
		}
	}
	if i := info(); i.AckFloor.Stream != messages[2].Seq || i.NumAckPending != 0 {
		t.Errorf("acknowledged to %d, want %d", i.AckFloor.Stream, messages[2].Seq)
	}
}

func TestFetchBytes(t *testing.T) {
	c := embeddedConn(t)
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	batch := changes("a", 0, 10)
	for i := range batch {
		batch[i].Data = []byte(strings.Repeat(fmt.Sprint(i), 1000))
	}
	last := publish(t, lane, batch)
	k := openConsumer(t, c, ConsumerConfig{Name: proto.LakeConsumer})
	var sizes []int
	for seq := uint64(0); seq < last; {
		messages, err := k.Fetch(testContext(t), FetchLimit{Bytes: 2500, Linger: 200 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, m := range messages {
			n += len(m.Data)
		}
		seq = messages[len(messages)-1].Seq
		if n > 2500 {
			t.Errorf("%d bytes", n)
		}
		sizes = append(sizes, len(messages))
		if len(sizes) == 4 {
			// A message held back is still pending.
			if pending, err := k.Pending(testContext(t)); err != nil || pending != last-seq {
				t.Errorf("pending %d, %v; want %d", pending, err, last-seq)
			}
		}
	}
	if len(sizes) != 5 {
		t.Errorf("fetched in %v", sizes)
	}
	k.Close()
	one, err := openConsumer(t, c, ConsumerConfig{Name: proto.LakeConsumer, After: last - 1}).Fetch(testContext(t), FetchLimit{Bytes: 1})
	if err != nil || len(one) != 1 {
		t.Errorf("a message over the limit: %d, %v", len(one), err)
	}
}

// TestPlacement: the destination's watermark decides, below and above what the server believes was acknowledged.
func TestPlacement(t *testing.T) {
	c := embeddedConn(t)
	_, last := fill(t, c, 3000)
	cfg := ConsumerConfig{Name: proto.WarehouseConsumer, MaxAckPending: 10_000}
	first := openConsumer(t, c, cfg)
	all := fetchTo(t, first, last, FetchLimit{})
	if err := first.AckAll(testContext(t), last); err != nil {
		t.Fatal(err)
	}
	first.Close()
	for _, i := range []int{1500, 0, 2800, len(all) - 2, 10} {
		cfg.After = all[i].Seq
		k := openConsumer(t, c, cfg)
		if n, err := k.Pending(testContext(t)); err != nil || n != uint64(len(all)-1-i) {
			t.Errorf("after %d: pending %d, %v; want %d", cfg.After, n, err, len(all)-1-i)
		}
		got := fetchTo(t, k, last, FetchLimit{})
		if len(got) != len(all)-1-i || got[0].Seq != all[i+1].Seq {
			t.Errorf("after %d: %d messages from %d", cfg.After, len(got), got[0].Seq)
		}
		if i%2 == 0 {
			if err := k.AckAll(testContext(t), last); err != nil {
				t.Error(err)
			}
		}
		k.Close()
	}
	cfg.After = last
	if n, err := openConsumer(t, c, cfg).Pending(testContext(t)); err != nil || n != 0 {
		t.Errorf("at the end: pending %d, %v", n, err)
	}
	cfg.After = last + 1
	if _, err := c.OpenConsumer(testContext(t), cfg); !errors.Is(err, ErrStreamChanged) {
		t.Errorf("watermark behind the end: %v", err)
	}
}

// TestForeignConsumer: a durable of the right name made by somebody else is no obstacle.
func TestForeignConsumer(t *testing.T) {
	c := embeddedConn(t)
	_, last := fill(t, c, 1000)
	if _, err := c.js.CreateConsumer(testContext(t), proto.StreamName, jetstream.ConsumerConfig{
		Durable: proto.LakeConsumer, DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1,
	}); err != nil {
		t.Fatal(err)
	}
	expectNumbers(t, data(fetchTo(t, openConsumer(t, c, ConsumerConfig{Name: proto.LakeConsumer}), last, FetchLimit{})), 1000)
}

// TestConsumerOpenedElsewhere: a second process with the same durable leaves the first without it, not with a share.
func TestConsumerOpenedElsewhere(t *testing.T) {
	c := embeddedConn(t)
	lane, last := fill(t, c, 100)
	first := openConsumer(t, c, ConsumerConfig{Name: proto.LakeConsumer})
	fetchTo(t, first, last, FetchLimit{})
	second := openConsumer(t, open(t, Config{URL: c.URL()}), ConsumerConfig{Name: proto.LakeConsumer})
	last = fillMore(t, lane, 100, 100)
	if _, err := first.Fetch(testContext(t), FetchLimit{}); !errors.Is(err, ErrStreamChanged) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("fetch: %v", err)
	}
	expectNumbers(t, data(fetchTo(t, second, last, FetchLimit{})), 200)
}

func TestMaxAckPending(t *testing.T) {
	c := embeddedConn(t)
	_, last := fill(t, c, 1000)
	k := openConsumer(t, c, ConsumerConfig{Name: proto.LakeConsumer, MaxAckPending: 100})
	var all []Message
	for len(all) == 0 || all[len(all)-1].Seq < last {
		messages, err := k.Fetch(testContext(t), FetchLimit{Messages: 60})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, messages...)
		if err := k.AckAll(testContext(t), messages[len(messages)-1].Seq); err != nil {
			t.Fatal(err)
		}
	}
	expectNumbers(t, data(all), 1000)
}

func TestStreamChanged(t *testing.T) {
	for name, change := range map[string]func(context.Context, *Conn) error{
		"deleted": func(ctx context.Context, c *Conn) error { return c.js.DeleteStream(ctx, proto.StreamName) },
		"recreated": func(ctx context.Context, c *Conn) error {
			return errors.Join(c.js.DeleteStream(ctx, proto.StreamName), c.ensureStreams(ctx))
		},
		"consumer deleted": func(ctx context.Context, c *Conn) error {
			return c.js.DeleteConsumer(ctx, proto.StreamName, proto.LakeConsumer)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := embeddedConn(t)
			lane, last := fill(t, c, 100)
			k := openConsumer(t, c, ConsumerConfig{Name: proto.LakeConsumer})
			fetchTo(t, k, last, FetchLimit{})
			if err := change(testContext(t), c); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := k.Fetch(testContext(t), FetchLimit{}); !errors.Is(err, ErrStreamChanged) {
					t.Fatalf("fetch: %v", err)
				}
			}
			if err := k.AckAll(testContext(t), last); !errors.Is(err, ErrStreamChanged) {
				t.Errorf("acknowledge: %v", err)
			}
			if name == "consumer deleted" {
				return
			}
			if _, err := c.OpenConsumer(testContext(t), ConsumerConfig{Name: proto.LakeConsumer, After: last}); !errors.Is(err, ErrStreamChanged) {
				t.Errorf("open behind the watermark: %v", err)
			}
			again := openConsumer(t, c, ConsumerConfig{Name: proto.LakeConsumer})
			if _, err := lane.Positions(testContext(t)); err != nil {
				t.Fatal(err)
			}
			if _, err := lane.Publish(testContext(t), changes("a", 0, 1)); !errors.Is(err, ErrLaneReset) {
				t.Fatalf("publish: %v", err)
			}
			if _, err := lane.Positions(testContext(t)); err != nil {
				t.Fatal(err)
			}
			expectNumbers(t, data(fetchTo(t, again, fillMore(t, lane, 0, 100), FetchLimit{})), 100)
		})
	}
}

func TestParseAck(t *testing.T) {
	for _, test := range []struct {
		subject     string
		seq, number uint64
		ok          bool
	}{
		{"$JS.ACK.CONVERSATIONS.lake.1.123.45.1763900000000000000.6", 123, 45, true},
		{"$JS.ACK._.ACCHASH.CONVERSATIONS.lake.2.123.45.1763900000000000000.6.random", 123, 45, true},
		{"$JS.ACK.hub.ACCHASH.CONVERSATIONS.lake.2.123.45.1763900000000000000.6", 123, 45, true},
		{"$JS.ACK.CONVERSATIONS.lake.1.x.45.1763900000000000000.6", 0, 0, false},
		{"$JS.ACK.CONVERSATIONS.lake.1..45.1.6", 0, 0, false},
		{"$JS.ACK.CONVERSATIONS.lake", 0, 0, false},
		{"", 0, 0, false},
	} {
		seq, number, at, ok := parseAck(test.subject)
		if ok != test.ok || seq != test.seq || number != test.number || ok && at.UnixNano() != 1763900000000000000 {
			t.Errorf("%q: %d %d %s %v", test.subject, seq, number, at, ok)
		}
	}
}

// TestPendingOfAWrongCount: a server whose counts are too high does not make anybody wait for what is not there.
func TestPendingOfAWrongCount(t *testing.T) {
	c := embeddedConn(t)
	_, last := fill(t, c, 60)
	k := openConsumer(t, c, ConsumerConfig{Name: proto.LakeConsumer})
	fetchTo(t, k, last, FetchLimit{})
	k.delivered -= 52 // as if the server had counted messages of a life before
	if n, err := k.Pending(testContext(t)); err != nil || n != 0 {
		t.Errorf("pending %d, %v; all were handed out", n, err)
	}
	_, end := fill(t, c, 3)
	if n, err := k.Pending(testContext(t)); err != nil || n != end-last {
		t.Errorf("pending %d, %v; want %d", n, err, end-last)
	}
}
