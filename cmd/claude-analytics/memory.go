package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Go keeps what a backlog took: when idle, it collects garbage every two minutes, and gives pages back a little at a time. On a
// laptop that is half a gigabyte for nothing, so the service gives it back once it has become quiet.
const (
	memoryPeriod = 10 * time.Second
	// busyBytes is what is allocated in a period at least while there is much to do.
	busyBytes = 50 << 20
	// quietPeriods is how long it must be quiet: by then the stream's server has let go of the blocks that it kept at hand.
	quietPeriods = 2
)

// quietness says when memory is to be given back: once after each time that much was allocated.
type quietness struct {
	allocated uint64 // bytes since the start, when it was last asked
	quiet     int    // periods since it was busy; more than quietPeriods: it was given back
}

// over is asked once a period how much was allocated until then.
func (q *quietness) over(allocated uint64) bool {
	grown := allocated - q.allocated
	q.allocated = allocated
	if grown >= busyBytes {
		q.quiet = 0
		return false
	}
	q.quiet = min(q.quiet+1, quietPeriods+1)
	return q.quiet == quietPeriods
}

// again has it asked once more in the next period.
func (q *quietness) again() { q.quiet-- }

// giveBack gives memory back to the system when it has become quiet, until ctx ends; others give back what is not Go's, and
// say whether that could be.
func giveBack(ctx context.Context, period time.Duration, others func(context.Context) bool) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	var q quietness // what the start took counts as well
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if !q.over(heapBytes("/gc/heap/allocs:bytes")) {
			continue
		}
		if others(ctx) {
			debug.FreeOSMemory()
		} else {
			q.again()
		}
	}
}

func heapBytes(metric string) uint64 {
	sample := []metrics.Sample{{Name: metric}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// giveBackDuckDB is for what is not Go's.
func (s *service) giveBackDuckDB(ctx context.Context) bool {
	if s.db == nil {
		return true
	}
	done, err := s.db.GiveBack(ctx)
	if err != nil {
		s.log.Warn().Err(err).Msg("DuckDB keeps its memory")
	}
	return done || err != nil
}
