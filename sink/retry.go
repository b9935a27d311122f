package sink

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"claude-analytics/internal/stream"
	"claude-analytics/sink/lake"
)

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 30 * time.Second
)

// errRestart ends both loops so that the epoch is decided anew.
var errRestart = errors.New("decide the epoch anew")

// anew reports that an error means: look at the stream and the watermarks again. Trying the same thing again cannot help.
func anew(err error) bool {
	return errors.Is(err, stream.ErrStreamChanged) || errors.Is(err, lake.ErrOverlap) || errors.Is(err, lake.ErrGone) || errors.Is(err, errRestart)
}

// retry is the one place where the sink tries again: for ever, until it works, ctx ends, or the epoch has to be decided
// anew. What is wrong stands in the status all the while, and in the log at growing intervals.
func retry(
	ctx context.Context, log zerolog.Logger, status *progress, retries prometheus.Counter, doing string, do func() error,
) error {
	wait := firstBackoff
	var since, logged time.Time
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil {
			if attempt > 1 {
				log.Info().Str("doing", doing).Int("attempts", attempt).Dur("after", time.Since(since)).Msg("works again")
			}
			status.ok(doing)
			return nil
		}
		if anew(err) || errors.Is(err, errStopped) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return err
		}
		retries.Inc()
		if attempt == 1 {
			since = time.Now()
		}
		status.failed(doing, err, since, attempt)
		if ctx.Err() != nil {
			return err
		}
		if age := time.Since(since); logged.IsZero() || time.Since(logged) > min(age/2, 10*time.Minute) {
			logged = time.Now()
			log.Warn().Err(err).Str("doing", doing).Int("attempt", attempt).Dur("for", age).Dur("again_in", wait).Msg("does not work; trying again")
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
		wait = min(2*wait, lastBackoff)
	}
}
