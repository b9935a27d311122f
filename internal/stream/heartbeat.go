package stream

import (
	"context"
	"errors"
	"os"
	"time"

	"claude-analytics/proto"
)

// heartbeat is the writer's sign of life.
func (l *Lane) heartbeat(released bool) Outgoing {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return Outgoing{
		Subject: proto.PositionSubject(l.cfg.Lane, writerPosition),
		Rollup:  true,
		Data: encode(&proto.Heartbeat{
			Version: proto.Version, Writer: l.cfg.Writer, Host: host, Pid: int64(os.Getpid()),
			IntervalMillis: l.cfg.Heartbeat.Milliseconds(), Released: released,
		}),
	}
}

// Run publishes a heartbeat whenever nothing else was published for the interval, until ctx ends (then it returns
// nil) or the lane is lost: a *TakenError or ErrLaneReset.
func (l *Lane) Run(ctx context.Context) error {
	for {
		next, err := l.beat(ctx)
		if errors.Is(err, ErrClosed) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if wait(ctx, next, nil) != nil {
			return nil
		}
	}
}

// beat publishes a heartbeat if one is due, and returns when the next may be.
func (l *Lane) beat(ctx context.Context) (time.Duration, error) {
	if err := l.enter(ctx); err != nil {
		return 0, err
	}
	defer l.leave()
	if l.failure != nil {
		return 0, l.failure
	}
	if idle := time.Since(l.published); idle < l.cfg.Heartbeat {
		return l.cfg.Heartbeat - idle, nil
	}
	_, err := l.publish(ctx, []Outgoing{l.heartbeat(false)}, nil)
	return l.cfg.Heartbeat, err
}

// beatWhile publishes heartbeats while fn runs, however long that takes: a standby would take a lane that is quiet. The
// lane's turn is held, and fn must not use what belongs to it.
func (l *Lane) beatWhile(ctx context.Context, fn func() error) error {
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		timer := time.NewTicker(l.cfg.Heartbeat)
		defer timer.Stop()
		for {
			select {
			case <-done:
				return
			case <-timer.C:
			}
			// One that has begun is not cut off: its outcome would be unknown.
			if _, err := l.publish(ctx, []Outgoing{l.heartbeat(false)}, nil); err != nil {
				return
			}
		}
	}()
	err := fn()
	close(done)
	<-stopped
	return errors.Join(err, l.failure)
}
