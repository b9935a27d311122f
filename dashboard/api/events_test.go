package api_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/dashboard/api"
)

// listener is a client of the events, as a browser is one.
type listener struct {
	t      *testing.T
	events chan [3]string // id, event, data
	close  func()
}

func listen(t *testing.T, url, lastID string) *listener {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/v1/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	response, err := http.DefaultClient.Do(request) //nolint:bodyclose // the goroutine that reads it closes it
	if err != nil {
		t.Fatal(err)
	}
	if kind := response.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("content type %q", kind)
	}
	l := &listener{t: t, events: make(chan [3]string, 1000)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(l.events)
		defer response.Body.Close()
		var e [3]string
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				e[0] = value
			case "event":
				e[1] = value
			case "data":
				e[2] = value
			case "":
				if e[1] != "" {
					l.events <- e
				}
				e = [3]string{}
			}
		}
	}()
	l.close = func() { cancel(); <-ended }
	t.Cleanup(l.close)
	return l
}

// next is the next event that is not the status.
func (l *listener) next() [3]string {
	l.t.Helper()
	for {
		select {
		case e, open := <-l.events:
			if open && e[1] == "status" {
				continue
			}
			return e
		case <-time.After(time.Minute):
			l.t.Fatal("no event came")
		}
	}
}

type eventful struct {
	*api.API
	url  string
	stop func()
}

func serveEvents(t *testing.T) *eventful {
	t.Helper()
	status := func(context.Context) (any, error) { return map[string]string{"state": "line\nbreak"}, nil }
	a := api.New(api.Config{Status: status, NoWarehouse: true}, zerolog.Nop())
	server := httptest.NewServer(a.Handler())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		_ = a.Run(ctx)
		close(ended)
	}()
	e := &eventful{API: a, url: server.URL, stop: func() { cancel(); <-ended }}
	t.Cleanup(func() {
		e.stop()
		http.DefaultClient.CloseIdleConnections()
		server.Close()
	})
	return e
}

func TestEventsContinueWhereTheyBroke(t *testing.T) {
	e := serveEvents(t)
	first := listen(t, e.url, "")
	if hello := first.next(); hello[1] != "hello" {
		t.Fatalf("first event: %v", hello)
	}
	e.Refreshed(map[string]int{"id": 1})
	e.Published(map[string]int{"refresh": 1})
	one, two := first.next(), first.next()
	if one[1] != "refresh" || one[2] != `{"id":1}` || two[1] != "published" || one[0] == "" || one[0] == two[0] {
		t.Errorf("events: %v, %v", one, two)
	}
	first.close()
	e.Refreshed(map[string]int{"id": 2})

	again := listen(t, e.url, one[0])
	again.next() // hello
	if a, b := again.next(), again.next(); a != two || b[2] != `{"id":2}` {
		t.Errorf("after %s: %v, %v", one[0], a, b)
	}
	for _, unknown := range []string{"other-1", "x", one[0] + "99", "-5"} {
		l := listen(t, e.url, unknown)
		l.next()
		if reset := l.next(); reset[1] != "reset" {
			t.Errorf("after %q: %v, want reset", unknown, reset)
		}
		l.close()
	}
	for i := range 400 {
		e.Refreshed(map[string]int{"id": i})
	}
	late := listen(t, e.url, one[0])
	late.next()
	if reset := late.next(); reset[1] != "reset" {
		t.Errorf("after many events were missed: %v, want reset", reset)
	}
	if e := late.next(); e[1] != "refresh" {
		t.Errorf("what is remembered comes all the same: %v", e)
	}
}

// A client that does not read is let go; nobody waits for it, and the others get everything.
func TestSlowListenerIsDropped(t *testing.T) {
	e := serveEvents(t)
	stuck := &stuckWriter{header: http.Header{}, entered: make(chan struct{}, 1), free: make(chan struct{})}
	returned := make(chan struct{})
	go func() {
		e.Handler().ServeHTTP(stuck, httptest.NewRequest(http.MethodGet, "/api/v1/events", http.NoBody))
		close(returned)
	}()
	<-stuck.entered
	for i := range 200 {
		e.Refreshed(map[string]int{"id": i}) // does not block
	}
	close(stuck.free)
	select {
	case <-returned:
	case <-time.After(time.Minute):
		t.Fatal("the slow client is still there")
	}
	good := listen(t, e.url, "")
	good.next()
	e.Refreshed(map[string]int{"id": 999})
	if got := good.next(); got[2] != `{"id":999}` {
		t.Errorf("another client got %v", got)
	}
}

// stuckWriter accepts nothing until it is freed.
type stuckWriter struct {
	header  http.Header
	entered chan struct{}
	free    chan struct{}
}

func (w *stuckWriter) Header() http.Header { return w.header }
func (w *stuckWriter) WriteHeader(int)     {}
func (w *stuckWriter) Flush()              {}

func (w *stuckWriter) SetReadDeadline(time.Time) error  { return nil }
func (w *stuckWriter) SetWriteDeadline(time.Time) error { return nil }

func (w *stuckWriter) Write(text []byte) (int, error) {
	select {
	case w.entered <- struct{}{}:
	default:
	}
	<-w.free
	return len(text), nil
}

func TestEventsEndWithTheService(t *testing.T) {
	e := serveEvents(t)
	l := listen(t, e.url, "")
	l.next()
	var status [3]string
	eventually(t, "the status comes by itself", func() bool {
		select {
		case status = <-l.events:
			return status[1] == "status"
		default:
			return false
		}
	})
	if status[0] != "" || status[2] != `{"state":"line\nbreak"}` {
		t.Errorf("status: %v", status)
	}
	e.stop()
	eventually(t, "the stream ends", func() bool {
		select {
		case _, open := <-l.events:
			return !open
		default:
			return false
		}
	})
	response, err := http.Get(e.url + "/api/v1/events") //nolint:noctx // answered at once
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		t.Errorf("after the end: %d", response.StatusCode)
	}
}

func TestListenersAreBounded(t *testing.T) {
	e := serveEvents(t)
	handler := e.Handler()
	for i := range 300 {
		w := &stuckWriter{header: http.Header{}, entered: make(chan struct{}, 1), free: make(chan struct{})}
		close(w.free)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/events", http.NoBody).WithContext(ctx))
			close(done)
		}()
		t.Cleanup(func() { cancel(); <-done })
		<-w.entered
		if w.header.Get("Content-Type") == "application/json" {
			if i < 50 {
				t.Errorf("only %d clients were let in", i)
			}
			return
		}
	}
	t.Error("300 clients were let in")
}
