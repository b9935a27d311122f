package stream

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"claude-analytics/proto"
)

const (
	// writerPosition is the position under which a lane's writer shows that it lives.
	writerPosition = "writer"
	// defaultHeartbeat is how often a writer shows that while it publishes nothing else.
	defaultHeartbeat = 10 * time.Second
	// quietBeats is how many heartbeats a lane must be quiet for before a newcomer takes it.
	quietBeats = 3
)

// LaneConfig says which lane to write, and as whom.
type LaneConfig struct {
	// Lane is the lane's name, as proto.LaneName makes it.
	Lane string
	// Writer identifies the writer; it is kept across restarts, so that a restart need not wait.
	Writer string
	// Heartbeat is how often to show a sign of life while nothing else is published; 0: 10 s.
	Heartbeat time.Duration
	// Takeover takes the lane from a living writer, which then gets a TakenError.
	Takeover bool
	// OnWait is called when waiting for another writer begins; nil: nothing is called. Host and process are unset
	// if the other's heartbeat cannot be read.
	OnWait func(other *proto.Heartbeat)
	// OnTrouble is called when an attempt to publish failed, before it is made again, and without an error when messages came
	// through; nil: nothing is called.
	OnTrouble func(attempt int, err error)
	// Keeper keeps the positions from a release of the lane to the next start; nil: they are read in the stream.
	Keeper PositionKeeper
}

// Lane is the one writer of a lane. Its methods may be called from several goroutines; they take turns.
type Lane struct {
	conn *Conn
	cfg  LaneConfig
	log  zerolog.Logger

	// turn is held by whoever publishes or reads positions; the fields below belong to it.
	turn chan struct{}
	// last is the sequence of the lane's last message, as its writer knows it.
	last uint64
	// published is when that was.
	published time.Time
	// failure is what Publish returns without trying: ErrLaneReset until the positions are read again, a
	// *TakenError or ErrClosed for ever.
	failure error
	// trail is where the positions lie that were published.
	trail trail
	// positions are the lane's, once they were read; nil while they are not known.
	positions map[string][]byte
	// recalled are those that were kept, until they are asked for.
	recalled map[string][]byte

	// underWay is with which message the lane will end if what is being published lands; 0: nothing is. aloneUntil is until
	// when nothing is sent ahead (Stage), in nanoseconds.
	underWay   atomic.Uint64
	aloneUntil atomic.Int64
}

// OpenLane takes a lane for a writer: at once if the lane is empty, was this writer's last, was released or is to be
// taken over; otherwise as soon as it was quiet for three of its writer's heartbeats, for which it waits until ctx
// ends. That is all a standby does.
func (c *Conn) OpenLane(ctx context.Context, cfg LaneConfig) (*Lane, error) {
	if cfg.Lane == "" || proto.LaneName(cfg.Lane) != cfg.Lane {
		return nil, fmt.Errorf("open lane: %q is not a lane's name", cfg.Lane)
	}
	if cfg.Writer == "" {
		return nil, fmt.Errorf("open lane %s: no writer id", cfg.Lane)
	}
	if cfg.Heartbeat <= 0 {
		cfg.Heartbeat = defaultHeartbeat
	}
	if err := c.ensureStreams(ctx); err != nil {
		return nil, fmt.Errorf("open lane %s: %w", cfg.Lane, err)
	}
	l := &Lane{
		conn: c, cfg: cfg, turn: make(chan struct{}, 1),
		log: c.log.With().Str("lane", cfg.Lane).Str("writer", cfg.Writer).Logger(),
	}
	watch := quietWatch{cfg: cfg}
	for waitingFor := ""; ; {
		end, now, err := c.laneAndClock(ctx, cfg.Lane)
		if err != nil {
			return nil, fmt.Errorf("open lane %s: %w", cfg.Lane, err)
		}
		life, _ := c.link.state()
		if watch.free(end, now, time.Now(), life) {
			l.recall(end)
			switch err := l.take(ctx, end); {
			case err == nil:
				l.log.Info().Uint64("last", l.last).Msg("lane open")
				return l, nil
			case !isLost(err):
				return nil, fmt.Errorf("open lane %s: %w", cfg.Lane, err)
			}
			// Another newcomer was faster, or the stream changed under us: look again.
			continue
		}
		if other := otherWriter(end); other.GetWriter() != waitingFor || waitingFor == "" {
			waitingFor = other.GetWriter()
			l.log.Info().Str("other", other.GetWriter()).Str("host", other.GetHost()).Int64("pid", other.GetPid()).Msg("lane has another writer, standing by")
			if cfg.OnWait != nil {
				cfg.OnWait(other)
			}
		}
		if err := wait(ctx, watch.poll(end), nil); err != nil {
			return nil, fmt.Errorf("open lane %s: %w", cfg.Lane, err)
		}
	}
}

// take publishes the first heartbeat behind the lane's end as it was seen. It is fenced: of two newcomers one wins.
func (l *Lane) take(ctx context.Context, end LaneState) error {
	l.last, l.failure = end.LastSeq, nil
	_, err := l.publish(ctx, []Outgoing{l.heartbeat(false)}, nil)
	return err
}

// isLost reports whether err says that the lane does not end where it was thought to.
func isLost(err error) bool {
	var taken *TakenError
	return errors.Is(err, ErrLaneReset) || errors.As(err, &taken)
}

// laneAndClock reads a lane's end and the server's clock, trying again while the server does not answer.
func (c *Conn) laneAndClock(ctx context.Context, lane string) (end LaneState, now time.Time, err error) {
	err = c.retry(ctx, "read lane", func(ctx context.Context) error {
		_, js, err := c.clients()
		if err != nil {
			return err
		}
		info, err := js.Stream(ctx, proto.StreamName)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			// It was deleted while we waited; it comes back empty.
			if err := c.ensureStreams(ctx); err != nil {
				return err
			}
			info, err = js.Stream(ctx, proto.StreamName)
		}
		if err != nil {
			return err
		}
		now = info.CachedInfo().TimeStamp
		end, err = c.LaneState(ctx, lane)
		return err
	})
	return end, now, err
}

// otherWriter is the sign of life that a newcomer is shown.
func otherWriter(end LaneState) *proto.Heartbeat {
	if end.Heartbeat != nil && (end.Writer == "" || end.Heartbeat.GetWriter() == end.Writer) {
		return end.Heartbeat
	}
	return &proto.Heartbeat{Writer: end.Writer}
}

// quietWatch decides when a lane may be taken.
type quietWatch struct {
	cfg LaneConfig
	// seen is whether the lane was looked at before; last its end then, life the connection's.
	seen bool
	last uint64
	life uint64
	// since is when it was last seen to change, by our clock.
	since time.Time
}

// free decides by the lane's end, the server's clock, ours, and the connection's life. A first look counts the time
// that the lane has been quiet by the server's clock. After that only quiet that we saw ourselves counts, and none
// across a loss of the connection: after an outage of the server the living writer may come back a moment later.
func (w *quietWatch) free(end LaneState, now, local time.Time, life uint64) bool {
	if w.cfg.Takeover || end.Writer == w.cfg.Writer {
		return true
	}
	switch {
	case !w.seen:
		if end.LastSeq == 0 {
			return true
		}
		w.since = local.Add(-max(now.Sub(end.LastTime), 0))
	case end.LastSeq != w.last || life != w.life:
		w.since = local
	}
	w.seen, w.last, w.life = true, end.LastSeq, life
	if end.Heartbeat.GetReleased() && end.HeartbeatSeq == end.LastSeq {
		return true
	}
	return local.Sub(w.since) >= quietBeats*w.interval(end)
}

// interval is how often the lane's writer promised a heartbeat.
func (w *quietWatch) interval(end LaneState) time.Duration {
	if millis := end.Heartbeat.GetIntervalMillis(); millis > 0 {
		return time.Duration(millis) * time.Millisecond
	}
	return w.cfg.Heartbeat
}

// poll is how long to wait before looking again.
func (w *quietWatch) poll(end LaneState) time.Duration {
	return min(max(w.interval(end)/4, 20*time.Millisecond), 2*time.Second)
}

// enter waits for the lane's turn.
func (l *Lane) enter(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("lane %s: %w", l.cfg.Lane, ctx.Err())
	}
}

func (l *Lane) leave() { <-l.turn }

// Release gives the lane up cleanly, so that another writer need not wait. The Lane cannot be used afterwards. A lane
// that is another writer's already is left alone.
func (l *Lane) Release(ctx context.Context) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.leave()
	if errors.Is(l.failure, ErrLaneReset) {
		// A publish may have been cut off by the shutdown that brought us here.
		if err := l.resync(ctx); err != nil && !isLost(err) {
			return fmt.Errorf("release: %w", err)
		}
	}
	if l.failure != nil {
		return nil
	}
	_, err := l.publish(ctx, []Outgoing{l.heartbeat(true)}, nil)
	l.failure = fmt.Errorf("lane %s: %w", l.cfg.Lane, ErrClosed)
	if err != nil && !isLost(err) {
		return fmt.Errorf("release: %w", err)
	}
	if err == nil {
		l.keep(ctx)
	}
	return nil
}
