package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"claude-analytics/proto"
)

const (
	// positionPage is how many positions are asked for at a time.
	positionPage = 5000
	// positionPatience is how long the next position may take: many blocks may lie before it.
	positionPatience = 2 * time.Minute
	// scanIdle is when the server forgets a scan that we did not finish.
	scanIdle = time.Minute
)

// Positions reads the lane's positions, keyed by the last token of their subjects; the writer's own heartbeat is not
// among them. After ErrLaneReset it also makes the lane usable again, from where it ends now.
func (l *Lane) Positions(ctx context.Context) (map[string][]byte, error) {
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	defer l.leave()
	if l.failure != nil && !errors.Is(l.failure, ErrLaneReset) {
		return nil, l.failure
	}
	if l.failure == nil {
		if kept, ok := l.recalledPositions(ctx); ok {
			l.positions = kept
			return maps.Clone(kept), nil
		}
	}
	reset := l.failure
	l.positions = nil
	// The end is read before the positions: if a batch that was given up lands in between, the next publish is
	// refused and the positions are read once more.
	if reset != nil {
		if err := l.resync(ctx); err != nil {
			return nil, fmt.Errorf("read end of lane %s: %w", l.cfg.Lane, err)
		}
	}
	var positions map[string][]byte
	err := l.beatWhile(ctx, func() (err error) {
		positions, err = l.conn.positions(ctx, l.cfg.Lane)
		return err
	})
	if err != nil {
		if l.failure == nil {
			l.failure = reset
		}
		return nil, fmt.Errorf("read positions of lane %s: %w", l.cfg.Lane, err)
	}
	l.positions = maps.Clone(positions)
	return positions, nil
}

// positions reads the last message of each of the lane's position subjects, from the start again if the connection
// is lost on the way.
func (c *Conn) positions(ctx context.Context, lane string) (map[string][]byte, error) {
	var positions map[string][]byte
	pause := backoff{first: retryFirst, longest: retryLongest}
	for {
		_, renewed := c.link.state()
		positions = map[string][]byte{}
		err := c.eachPosition(ctx, proto.LanePositions(lane), func(subject string, data []byte) {
			if name := proto.PositionName(subject); name != writerPosition {
				positions[name] = data
			}
		})
		if err == nil {
			return positions, nil
		}
		if ctx.Err() != nil || !isTemporary(err) {
			return nil, err
		}
		if err := c.pause(ctx, &pause, renewed, "read positions", err); err != nil {
			return nil, err
		}
	}
}

// eachPosition calls fn with the messages of the subjects under filter in their order, through a consumer in the server's
// memory that is gone afterwards; with those that are there when it begins, and perhaps later ones. Most positions
// replaced the ones before them, so there are few more than one of each; asked for the last of each, the server would read every
// block of the stream twice.
func (c *Conn) eachPosition(ctx context.Context, filter string, fn func(subject string, data []byte)) error {
	_, js, err := c.clients()
	if err != nil {
		return err
	}
	stream, err := js.Stream(ctx, proto.StreamName)
	if err != nil {
		return err
	}
	end := stream.CachedInfo().State.LastSeq
	consumer, err := js.CreateConsumer(ctx, proto.StreamName, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverAllPolicy,
		FilterSubject:     filter,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: scanIdle,
	})
	if err != nil {
		return err
	}
	info := consumer.CachedInfo()
	defer func() {
		// Best effort: the server forgets it by itself.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		_ = js.DeleteConsumer(ctx, proto.StreamName, info.Name)
	}()
	lately := time.Now()
	for left := info.NumPending; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := consumer.Fetch(int(min(left, positionPage)), jetstream.FetchMaxWait(requestTimeout))
		if err != nil {
			return err
		}
		got := 0
		for message := range page.Messages() {
			got++
			metadata, err := message.Metadata()
			if err != nil {
				return err
			}
			fn(message.Subject(), message.Data())
			left, lately = metadata.NumPending, time.Now()
			if metadata.Sequence.Stream >= end {
				left = 0
			}
		}
		if err := page.Error(); err != nil {
			return err
		}
		if got > 0 {
			continue
		}
		// What was removed since it was counted never comes.
		if info, err = consumer.Info(ctx); err != nil {
			return err
		}
		// The next one may lie far behind in a large stream, on a slow disk: it is waited for where we are, since beginning
		// anew would take as long again.
		if left = info.NumPending; left > 0 && time.Since(lately) > positionPatience {
			return fmt.Errorf("%w: %d positions did not come", nats.ErrTimeout, left)
		}
	}
	return nil
}
