package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// backoff spaces attempts out: doubling from first to longest, with jitter, so that many clients do not come back at
// the same moment.
type backoff struct {
	first, longest time.Duration
	next           time.Duration
	// attempts counts the waits so far.
	attempts int
}

// delay is how long to wait now; it moves on to the next step.
func (b *backoff) delay() time.Duration {
	if b.next == 0 {
		b.next = b.first
	}
	d := b.next
	b.next = min(2*b.next, b.longest)
	b.attempts++
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}

// wait sleeps for d. It ends early when wake is closed or receives, and with ctx's error when ctx ends.
func wait(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	case <-wake:
		return nil
	}
}

const (
	retryFirst   = 100 * time.Millisecond
	retryLongest = 5 * time.Second
)

// retry calls fn until it succeeds, fails for good, or ctx ends; each further attempt is announced with a warning.
// What fn gets is ctx with a deadline. A new life of the connection cuts the pause short.
func (c *Conn) retry(ctx context.Context, what string, fn func(context.Context) error) error {
	pause := backoff{first: retryFirst, longest: retryLongest}
	for {
		_, renewed := c.link.state()
		err := c.link.request(ctx, requestTimeout, fn)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || !isTemporary(err) {
			return fmt.Errorf("%s: %w", what, err)
		}
		if werr := c.pause(ctx, &pause, renewed, what, err); werr != nil {
			return fmt.Errorf("%s: %w (last: %w)", what, werr, err)
		}
	}
}

// pause waits before the next attempt at what, visibly. It returns an error if there can be no next one: ctx's, or that
// of an embedded server that is broken.
func (c *Conn) pause(ctx context.Context, b *backoff, renewed <-chan struct{}, what string, cause error) error {
	if err := c.broken(); err != nil {
		return err
	}
	delay := b.delay()
	event := c.log.Warn().Err(cause).Str("doing", what).Int("attempt", b.attempts).Dur("retry_in", delay)
	if said := c.said(); said != "" {
		event.Str("server_said", said)
	}
	if code := apiCode(cause); code == codeNoResources || code == codeNoStorage || errors.Is(cause, ErrNoRoom) {
		event.Msg("the NATS server's storage is full: make room on its disk, or lower STREAM_MAX_BYTES; trying again")
	} else {
		event.Msg("stream does not answer as it should, trying again")
	}
	return wait(ctx, delay, renewed)
}
