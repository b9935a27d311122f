package main

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/ingest/mongodb"
	"claude-analytics/internal/stream"
)

// retryPolicy is how often a step of a pipeline run is tried again, and after how long a wait, which doubles.
type retryPolicy struct {
	retries int
	wait    time.Duration
}

// The specification's policy, for each step of a run.
var (
	retryExtract   = retryPolicy{retries: 3, wait: 30 * time.Second}
	retryLoad      = retryPolicy{retries: 3, wait: 30 * time.Second}
	retryTransform = retryPolicy{retries: 2, wait: 60 * time.Second}
)

// do runs step until it succeeds, the retries are used up, or ctx ends. What trying again does not mend is not tried
// again: a check that found something, a fault of usage, of the sources' setup, a history that is lost.
func (p retryPolicy) do(ctx context.Context, log zerolog.Logger, name string, step func(context.Context) error) error {
	wait := p.wait
	for attempt := 0; ; attempt++ {
		err := step(ctx)
		if err == nil || ctx.Err() != nil || attempt == p.retries || isFinal(err) {
			return err
		}
		log.Warn().Err(err).Str("step", name).Int("retry", attempt+1).Int("of", p.retries).Dur("wait", wait).Msg("step failed; trying again")
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait *= 2
	}
}

func isFinal(err error) bool {
	var usage usageError
	var setup *mongodb.SetupError
	var lost *mongodb.HistoryLostError
	var remote *stream.RemoteError
	if errors.As(err, &remote) && remote.BadRequest {
		return true
	}
	return errors.Is(err, errCheckFailed) || errors.As(err, &usage) || errors.As(err, &setup) || errors.As(err, &lost)
}
