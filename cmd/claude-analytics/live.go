package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"claude-analytics/internal/config"
	"claude-analytics/internal/lockfile"
	"claude-analytics/internal/mask"
	"claude-analytics/internal/stream"
)

// errNoService says that no running service answers, so that the command works on the files itself.
var errNoService = errors.New("no service is running")

// client is a connection to the running service.
type client struct {
	*stream.Client
	info lockfile.Info
	lock string // path of the lock that the service holds; empty: it runs elsewhere
}

// live finds the service that runs on DATA_DIR, or behind NATS_URL, and connects to it.
func live(ctx context.Context, cfg config.Loaded) (*client, error) {
	info, held, err := lockfile.Read(cfg.LockPath())
	if err != nil {
		return nil, err
	}
	url := info.NATSURL
	switch {
	case held && url == "":
		if info, err = waitForAddress(ctx, cfg); err != nil {
			return nil, err
		}
		url = info.NATSURL
	case !held && cfg.NATSURL != "":
		url = cfg.NATSURL
	case !held:
		return nil, errNoService
	}
	connection, err := stream.Dial(ctx, url, cfg.NATSCreds)
	if err != nil {
		if !held {
			return nil, fmt.Errorf("%w (and NATS_URL does not answer: %w)", errNoService, err)
		}
		return nil, fmt.Errorf("reach the service (pid %d) at %s: %w", info.PID, mask.URLs(url), err)
	}
	if held {
		return &client{Client: connection, info: info, lock: cfg.LockPath()}, nil
	}
	// A bus without a service behind it is no service.
	asking, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	if _, err := connection.Request(asking, "status", nil); err != nil {
		connection.Close()
		if errors.Is(err, stream.ErrNoService) {
			return nil, errNoService
		}
		return nil, fmt.Errorf("ask the service behind NATS_URL: %w", err)
	}
	return &client{Client: connection}, nil
}

// waitForAddress waits for a service that holds the lock but has not opened its bus yet.
func waitForAddress(ctx context.Context, cfg config.Loaded) (lockfile.Info, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		info, held, err := lockfile.Read(cfg.LockPath())
		if err == nil && held && info.NATSURL != "" {
			return info, nil
		}
		if err == nil && !held {
			return info, errNoService
		}
		select {
		case <-ctx.Done():
			return info, fmt.Errorf("the service (pid %d) has been starting for a while: see its log", info.PID)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// ask sends a request to one of the service's endpoints and decodes its answer.
func ask[Answer any](ctx context.Context, c *client, endpoint string, request any) (Answer, error) {
	var answer Answer
	body, err := json.Marshal(request)
	if err != nil {
		return answer, fmt.Errorf("encode request: %w", err)
	}
	asking, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if c.lock != "" {
		go c.watch(asking, stop)
	}
	reply, err := c.Request(asking, endpoint, body)
	if err != nil {
		if cause := context.Cause(asking); errors.Is(cause, errServiceEnded) {
			err = cause
		}
		return answer, fmt.Errorf("ask the service for %s: %w", endpoint, err)
	}
	if err := json.Unmarshal(reply, &answer); err != nil {
		return answer, fmt.Errorf("read the service's answer to %s: %w", endpoint, err)
	}
	return answer, nil
}

// errServiceEnded says why no answer will come.
var errServiceEnded = errors.New("the service ended before it answered; what it had done stays done: ask again once it runs")

// watch ends a request whose service is gone: on a bus of its own nobody else would say so.
func (c *client) watch(ctx context.Context, stop context.CancelCauseFunc) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if info, held, err := lockfile.Read(c.lock); err == nil && (!held || info.PID != 0 && info.PID != c.info.PID) {
			stop(errServiceEnded)
			return
		}
	}
}
