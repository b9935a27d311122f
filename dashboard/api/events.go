package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// remembered events can be caught up with after a broken connection.
	remembered = 256
	// clientBuffer is how many events a client may lag behind before it is dropped; it then comes again by itself.
	clientBuffer = 64
	// maxClients listen at a time.
	maxClients = 256
	// eventWrite is how long a client may take to accept an event.
	eventWrite     = 10 * time.Second
	heartbeatEvery = 15 * time.Second
	statusEvery    = 2 * time.Second
)

// event is one message of the stream; id is 0 for those that are not remembered.
type event struct {
	id   int64
	kind string
	data []byte
}

// broker passes events on to who listens. A slow client is dropped, never waited for.
type broker struct {
	boot string

	mu      sync.Mutex
	last    int64
	ring    []event
	clients map[chan event]bool
	closed  bool
}

func newBroker(boot string) *broker { return &broker{boot: boot, clients: map[chan event]bool{}} }

// publish sends an event to all; keep says that it can be caught up with.
func (b *broker) publish(kind string, value any, keep bool) error {
	data, err := encode(value)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", kind, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := event{kind: kind, data: bytes.TrimSpace(data)}
	if keep {
		b.last++
		e.id = b.last
		if b.ring = append(b.ring, e); len(b.ring) > remembered {
			b.ring = b.ring[len(b.ring)-remembered:]
		}
	}
	for client := range b.clients {
		select {
		case client <- e:
		default:
			b.drop(client)
		}
	}
	return nil
}

func (b *broker) drop(client chan event) {
	if b.clients[client] {
		delete(b.clients, client)
		close(client)
	}
}

// listen begins with what came after the event named by from, as Last-Event-ID gives it. missed says that this is not
// known any more, so that the client has to read its pages again.
func (b *broker) listen(from string) (client chan event, missed bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, false, NewError(http.StatusServiceUnavailable, CodeStarting, "the service is stopping", "Connect again in a moment.")
	}
	if len(b.clients) >= maxClients {
		return nil, false, NewError(http.StatusServiceUnavailable, CodeBusy, fmt.Sprintf("%d clients are listening, no more are let in", maxClients), "Close pages that nobody looks at, or ask /api/v1/status now and then.")
	}
	behind, missed := b.since(from)
	client = make(chan event, clientBuffer+len(behind))
	for _, e := range behind {
		client <- e
	}
	b.clients[client] = true
	return client, missed, nil
}

func (b *broker) since(from string) (behind []event, missed bool) {
	if from == "" {
		return nil, false
	}
	boot, number, _ := strings.Cut(from, "-")
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil || boot != b.boot || id > b.last || id < 0 {
		return nil, true
	}
	for _, e := range b.ring {
		if e.id > id {
			behind = append(behind, e)
		}
	}
	return behind, int64(len(behind)) < b.last-id
}

func (b *broker) leave(client chan event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(client)
}

func (b *broker) listeners() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.clients)
}

// run sends the status while somebody listens. When ctx ends, so do all clients' requests.
func (b *broker) run(ctx context.Context, status func(context.Context) (any, error)) {
	ticker := time.NewTicker(statusEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			b.mu.Lock()
			defer b.mu.Unlock()
			b.closed = true
			for client := range b.clients {
				b.drop(client)
			}
			return
		case <-ticker.C:
		}
		if b.listeners() == 0 {
			continue
		}
		value, err := status(ctx)
		if err != nil {
			value = explain(err)
		}
		_ = b.publish("status", value, false) // what the status page can encode, this can
	}
}

// Refreshed tells who listens that the marts are new; what is the refresh's result.
func (a *API) Refreshed(what any) { a.tell("refresh", what) }

// Published tells who listens that the published copy is new.
func (a *API) Published(what any) { a.tell("published", what) }

func (a *API) tell(kind string, what any) {
	if err := a.events.publish(kind, what, true); err != nil {
		a.log.Warn().Err(err).Msg("an event was not sent")
	}
}

// stream answers /api/v1/events.
func (a *API) stream(w http.ResponseWriter, r *http.Request, values url.Values) error {
	from := r.Header.Get("Last-Event-ID")
	if from == "" {
		from = values.Get("last_event_id")
	}
	client, missed, err := a.events.listen(from)
	if err != nil {
		return err
	}
	defer a.events.leave(client)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would hold events back
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // the request is read; its deadline would end the answer
	write := func(text string) bool {
		if control.SetWriteDeadline(time.Now().Add(eventWrite)) != nil {
			return false
		}
		_, err := w.Write([]byte(text))
		return err == nil && control.Flush() == nil
	}
	hello := "retry: 2000\nevent: hello\ndata: {\"boot\":\"" + a.boot + "\"}\n\n"
	if missed {
		hello += "event: reset\ndata: {\"reason\":\"events were missed: read again what is shown\"}\n\n"
	}
	if !write(hello) {
		return nil
	}
	heartbeat := time.NewTicker(heartbeatEvery)
	defer heartbeat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return nil
		case <-heartbeat.C:
			if !write(": still here\n\n") {
				return nil
			}
		case e, open := <-client:
			if !open || !write(e.text(a.boot)) {
				return nil
			}
		}
	}
}

// text is the event as it is sent. JSON has no line breaks.
func (e event) text(boot string) string {
	id := ""
	if e.id > 0 {
		id = fmt.Sprintf("id: %s-%d\n", boot, e.id)
	}
	return id + "event: " + e.kind + "\ndata: " + string(e.data) + "\n\n"
}
