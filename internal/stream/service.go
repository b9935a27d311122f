package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"claude-analytics/internal/mask"
)

const (
	// serviceName is the service's name, and the first token of its endpoints' subjects.
	serviceName = "claude-analytics"
	// serviceVersion is the version of the endpoints' contract.
	serviceVersion = "1.0.0"
	// serviceFailed is the error code of an endpoint that returned an error.
	serviceFailed = "500"
	// requestRefused is that of one that a request cannot have meant, or that cannot be read.
	requestRefused = "400"
	// dialReconnects is how often a client tries to come back to a server that is gone, before its requests fail.
	dialReconnects = 240
)

// Endpoint is one thing that a running service can be asked, on the subject claude-analytics.<Name>.
type Endpoint struct {
	Name string
	// Handle answers a request; JSON in, JSON out. Its context ends when the service stops. An error is sent as
	// {"error": "…"}, with the code 400 if it is a BadRequest, else 500. Requests are handled beside each other.
	Handle func(ctx context.Context, body []byte) ([]byte, error)
}

// BadRequest marks err as a fault of the request: whoever asks again in the same way gets it again.
func BadRequest(err error) error { return badRequest{err} }

type badRequest struct{ error }

func (e badRequest) Unwrap() error { return e.error }

// Serve answers requests on the endpoints until stop is called, which waits for those in hand. Every process that
// serves an endpoint answers: there is no queue group.
func (c *Conn) Serve(ctx context.Context, endpoints []Endpoint) (stop func(), err error) {
	nc, _, err := c.clients()
	if err != nil {
		return nil, err
	}
	service, err := micro.AddService(nc, micro.Config{
		Name: serviceName, Version: serviceVersion,
		Description:        "Claude conversation analytics",
		QueueGroupDisabled: true,
	})
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	requests := &gate{}
	stop = func() {
		if err := service.Stop(); err != nil {
			c.log.Debug().Err(err).Msg("stop serving")
		}
		cancel()
		requests.close()
	}
	for _, endpoint := range endpoints {
		handler := micro.HandlerFunc(func(request micro.Request) {
			requests.enter(func() { c.answer(ctx, endpoint, request) })
		})
		if err := service.AddEndpoint(endpoint.Name, handler, micro.WithEndpointSubject(serviceName+"."+endpoint.Name)); err != nil {
			stop()
			return nil, fmt.Errorf("serve %s: %w", endpoint.Name, err)
		}
	}
	return stop, nil
}

// gate runs what comes in beside each other until it is closed.
type gate struct {
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// enter runs fn in its own goroutine; after close it drops it: the asker sees no answer, as from a service that ended.
func (g *gate) enter(fn func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.running.Go(fn)
	}
}

// close waits for what is running.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.running.Wait()
}

// errorBody is what an endpoint answers instead of its result.
type errorBody struct {
	Error string `json:"error"`
}

func (c *Conn) answer(ctx context.Context, endpoint Endpoint, request micro.Request) {
	body, err := endpoint.Handle(ctx, request.Data())
	if limit := c.MaxPayload(); err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("answer has %d bytes, at most %d can be sent; ask for less", len(body), limit)
	}
	if err == nil {
		err = request.Respond(body)
	} else {
		text, code := err.Error(), serviceFailed
		var bad badRequest
		if errors.As(err, &bad) {
			code = requestRefused
		}
		// The text cannot fail to be encoded.
		body, _ = json.Marshal(errorBody{Error: text})
		err = request.Error(code, headerText(text), body)
	}
	if err != nil {
		c.log.Warn().Err(err).Str("endpoint", endpoint.Name).Msg("answer could not be sent")
	}
}

// headerText is text as a header can hold it: one short line.
func headerText(text string) string {
	const longest = 200
	line := make([]byte, 0, min(len(text), longest))
	for i := 0; i < len(text) && len(line) < longest; i++ {
		c := text[i]
		if c < ' ' || c > '~' {
			c = ' '
		}
		line = append(line, c)
	}
	if len(line) == 0 {
		return "failed"
	}
	return string(line)
}

// Emit publishes an event outside the streams, as JSON: whoever listens at the moment gets it.
func (c *Conn) Emit(_ context.Context, event string, body any) error {
	nc, _, err := c.clients()
	if err != nil {
		return err
	}
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("emit %s: %w", event, err)
	}
	if err := nc.Publish(event, data); err != nil {
		return fmt.Errorf("emit %s: %w", event, err)
	}
	return nil
}

// Client asks a running service.
type Client struct{ nc *nats.Conn }

// Dial connects to the server of a running service; it tries once. creds is a credentials file or empty.
func Dial(ctx context.Context, url, creds string) (*Client, error) {
	// A service may start its own server again while it works on a request, and answers it afterwards.
	options := []nats.Option{nats.Name(clientName), nats.Timeout(connectTimeout), nats.ReconnectWait(connectFirst), nats.MaxReconnects(dialReconnects)}
	if creds != "" {
		if _, err := os.Stat(creds); err != nil {
			return nil, fmt.Errorf("read NATS credentials: %w", err)
		}
		options = append(options, nats.UserCredentials(creds))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	nc, err := nats.Connect(url, options...)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, mask.URLs(url), err)
	}
	return &Client{nc: nc}, nil
}

// RemoteError is what an endpoint answered instead of a result.
type RemoteError struct {
	Endpoint string
	Text     string
	// BadRequest: the request is at fault, not the service.
	BadRequest bool
}

// Error implements error.
func (e *RemoteError) Error() string { return e.Endpoint + ": " + e.Text }

// Request asks the endpoint of that name and returns its answer, a *RemoteError if it failed, ErrNoService if nobody
// serves it. ctx bounds the wait.
func (c *Client) Request(ctx context.Context, name string, body []byte) ([]byte, error) {
	answer, err := c.nc.RequestWithContext(ctx, serviceName+"."+name, body)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, fmt.Errorf("ask %s: %w", name, ErrNoService)
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", name, err)
	}
	if code := answer.Header.Get(micro.ErrorCodeHeader); code != "" {
		var failure errorBody
		if json.Unmarshal(answer.Data, &failure) != nil || failure.Error == "" {
			failure.Error = answer.Header.Get(micro.ErrorHeader)
		}
		return nil, &RemoteError{Endpoint: name, Text: failure.Error, BadRequest: code == requestRefused}
	}
	return answer.Data, nil
}

// Close ends the connection.
func (c *Client) Close() { c.nc.Close() }
