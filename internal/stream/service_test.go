package stream

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"claude-analytics/proto"
)

func TestService(t *testing.T) {
	c := embeddedConn(t)
	ctx := testContext(t)
	slow := make(chan struct{})
	stop, err := c.Serve(ctx, []Endpoint{
		{Name: "status", Handle: func(_ context.Context, body []byte) ([]byte, error) {
			return append([]byte(`{"got":`), append(body, '}')...), nil
		}},
		{Name: "query", Handle: func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no such table: ü\nof 2 lines") }},
		{Name: "bad", Handle: func(context.Context, []byte) ([]byte, error) { return nil, BadRequest(errors.New("no such field")) }},
		{Name: "huge", Handle: func(context.Context, []byte) ([]byte, error) { return make([]byte, 40<<20), nil }},
		{Name: "slow", Handle: func(ctx context.Context, _ []byte) ([]byte, error) {
			close(slow)
			<-ctx.Done()
			return nil, ctx.Err()
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := Dial(ctx, c.URL(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	if answer, err := client.Request(ctx, "status", []byte(`1`)); err != nil || string(answer) != `{"got":1}` {
		t.Errorf("status: %s, %v", answer, err)
	}
	var remote *RemoteError
	if _, err := client.Request(ctx, "query", nil); !errors.As(err, &remote) || remote.Text != "no such table: ü\nof 2 lines" || remote.Endpoint != "query" || remote.BadRequest {
		t.Errorf("query: %v", err)
	}
	if _, err := client.Request(ctx, "bad", nil); !errors.As(err, &remote) || !remote.BadRequest || remote.Text != "no such field" {
		t.Errorf("bad: %v", err)
	}
	if _, err := client.Request(ctx, "huge", nil); !errors.As(err, &remote) || !strings.Contains(remote.Text, "ask for less") {
		t.Errorf("huge: %v", err)
	}
	if _, err := client.Request(ctx, "unknown", nil); !errors.Is(err, ErrNoService) {
		t.Errorf("unknown: %v", err)
	}

	// A long request holds up no other, and stop ends it.
	answered := make(chan error, 1)
	go func() {
		_, err := client.Request(ctx, "slow", nil)
		answered <- err
	}()
	<-slow
	if _, err := client.Request(ctx, "status", []byte(`2`)); err != nil {
		t.Errorf("status beside a long request: %v", err)
	}
	stop()
	stop()
	if err := <-answered; !errors.As(err, &remote) {
		t.Errorf("slow: %v", err)
	}
	if _, err := client.Request(ctx, "status", nil); !errors.Is(err, ErrNoService) {
		t.Errorf("after stop: %v", err)
	}
	if _, err := Dial(ctx, "nats://127.0.0.1:1", ""); !errors.Is(err, ErrUnreachable) {
		t.Errorf("dial: %v", err)
	}
}

func TestEmit(t *testing.T) {
	c := embeddedConn(t)
	sub, err := open(t, Config{URL: c.URL()}).nc.SubscribeSync(proto.EventModelsRefreshed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sub.NextMsg(time.Millisecond); err == nil {
		t.Error("an event before any was emitted")
	}
	eventually(t, "event", func() bool {
		if err := c.Emit(testContext(t), proto.EventModelsRefreshed, map[string]int{"models": 3}); err != nil {
			t.Fatal(err)
		}
		msg, err := sub.NextMsg(100 * time.Millisecond)
		if err != nil {
			return false
		}
		var body struct{ Models int }
		return json.Unmarshal(msg.Data, &body) == nil && body.Models == 3
	})
}
