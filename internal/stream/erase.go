package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"claude-analytics/proto"
)

// erasedKey is the entry of the stream's metadata that records up to where Erase may have removed messages.
const erasedKey = "claude-analytics.erased-to"

// absentBelow is the sequence below which a message that is not there was removed on purpose.
func absentBelow(cfg jetstream.StreamConfig) uint64 {
	floor := purgeFloor(cfg)
	if erased := sequenceIn(cfg, erasedKey); erased > 0 {
		floor = max(floor, erased+1)
	}
	return floor
}

// browseBytes is how much Browse asks for at a time: room for the largest message, with its headers.
const browseBytes = maxPayload + 1<<20

// Browse calls fn with every message of a stream (CONVERSATIONS or its dead letters) that stands under one of the
// subjects at or below upTo, in order. left is how many follow, as far as the server knows. An error of fn ends it.
func (c *Conn) Browse(ctx context.Context, name string, subjects []string, upTo uint64, fn func(m Message, left uint64) error) error {
	if upTo == 0 {
		return nil
	}
	if err := c.browse(ctx, name, subjects, upTo, fn); err != nil {
		return fmt.Errorf("browse %s: %w", name, err)
	}
	return nil
}

func (c *Conn) browse(ctx context.Context, name string, subjects []string, upTo uint64, fn func(m Message, left uint64) error) error {
	_, js, err := c.clients()
	if err != nil {
		return err
	}
	consumer, err := js.CreateConsumer(ctx, name, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverAllPolicy, FilterSubjects: subjects, AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: scanIdle,
	})
	if err != nil {
		return err
	}
	info := consumer.CachedInfo()
	defer func() {
		// Best effort: the server forgets it by itself.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		_ = js.DeleteConsumer(ctx, name, info.Name)
	}()
	lately := time.Now()
	for left := info.NumPending; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := fetchPage(consumer, left)
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
			if metadata.Sequence.Stream > upTo {
				return nil
			}
			left = metadata.NumPending
			m := Message{
				Seq: metadata.Sequence.Stream, Time: metadata.Timestamp, Subject: message.Subject(),
				Header: message.Headers(), Data: message.Data(),
			}
			if err := fn(m, left); err != nil {
				return err
			}
		}
		if err := page.Error(); err != nil {
			return err
		}
		if got > 0 {
			lately = time.Now()
			continue
		}
		// What was removed since it was counted never comes.
		if info, err = consumer.Info(ctx); err != nil {
			return err
		}
		if left = info.NumPending; left > 0 && time.Since(lately) > requestTimeout {
			return fmt.Errorf("%w: %d messages did not come", nats.ErrTimeout, left)
		}
	}
	return nil
}

// fetchPage asks for some messages, few enough that they fit in memory.
func fetchPage(consumer jetstream.Consumer, left uint64) (jetstream.MessageBatch, error) {
	if left <= 4 {
		return consumer.Fetch(int(left), jetstream.FetchMaxWait(requestTimeout))
	}
	return consumer.FetchBytes(browseBytes, jetstream.FetchMaxWait(browseWait))
}

// browseWait is how long a page is waited for that may not become full.
const browseWait = 200 * time.Millisecond

// endWait is how long Erase waits for a lane's writer to publish something, so that the lane's end is another message.
const endWait = quietBeats * defaultHeartbeat

// Erasure is what is to be removed for good: sequences of CONVERSATIONS and of its dead letters.
type Erasure struct {
	Messages []uint64
	Letters  []uint64
}

// Erase removes messages for good: their bytes in the server's files are overwritten. What is not there any more is no
// error, so it may be called again. That it may have removed them is recorded in the stream first: a destination must not
// take the absence of the last message it saw for a loss.
//
// A lane's newest message is what its writer's next batch is fenced by. Such a one is removed once the writer has
// published something else, which it does at every heartbeat; a lane whose writer does not is nobody's.
//
// An embedded server is stopped for it and started again, and every message that it ever removed goes too (scrub.go).
// Whatever it is interrupted by, the next Open does the rest. An external one is asked message by message.
func (c *Conn) Erase(ctx context.Context, what Erasure, progress func(done int)) error {
	if progress == nil {
		progress = func(int) {}
	}
	var ends map[uint64]bool
	if len(what.Messages) > 0 {
		if err := c.recordSequence(ctx, erasedKey, slices.Max(what.Messages)); err != nil {
			return fmt.Errorf("record that messages are erased: %w", err)
		}
		var err error
		if ends, err = c.laneEnds(ctx); err != nil {
			return err
		}
	}
	var now, later []uint64
	for _, seq := range what.Messages {
		if ends[seq] {
			later = append(later, seq)
		} else {
			now = append(now, seq)
		}
	}
	if c.Embedded() {
		if err := c.waitForEnds(ctx, later); err != nil {
			return err
		}
		if err := c.scrub(ctx, what); err != nil {
			return err
		}
		progress(len(what.Messages) + len(what.Letters))
		return nil
	}
	done := 0
	remove := func(name string, seqs []uint64) error {
		for _, seq := range seqs {
			if err := c.secureDelete(ctx, name, seq); err != nil {
				return err
			}
			done++
			progress(done)
		}
		return nil
	}
	if err := remove(proto.DeadLetterName, what.Letters); err != nil {
		return err
	}
	if err := remove(proto.StreamName, now); err != nil {
		return err
	}
	if err := c.waitForEnds(ctx, later); err != nil {
		return err
	}
	return remove(proto.StreamName, later)
}

// scrub overwrites them in the embedded server's files, and whatever else was removed before.
func (c *Conn) scrub(ctx context.Context, what Erasure) error {
	s := newScrubber(c.cfg.Dir)
	if err := s.plan(scrubPlan(what)); err != nil {
		return err
	}
	return c.restart(ctx, func() error {
		erased, err := s.run(context.WithoutCancel(ctx))
		c.log.Info().Err(err).Int("records", erased).Msg("removed messages overwritten in the stream's files")
		return err
	})
}

// resumeScrub goes on with a scrub that was interrupted while it changed blocks, before the server reads them. If it
// cannot, the server starts all the same: what is left stays planned, and nothing else waits for it.
func (c *Conn) resumeScrub(ctx context.Context) {
	s := newScrubber(c.cfg.Dir)
	if !s.saved() {
		return
	}
	if _, err := s.run(ctx); err != nil {
		c.log.Error().Err(err).Msg("an erasure's messages are not yet overwritten in the stream's files: run `claude-analytics gc --erase` again")
	}
}

// finishScrub does what was planned and not begun. The server has started: that is how it knows what it has.
func (c *Conn) finishScrub(ctx context.Context) {
	if !c.Embedded() {
		return
	}
	s := newScrubber(c.cfg.Dir)
	if _, ok, err := s.planned(); err == nil && !ok || s.saved() {
		return
	}
	if err := c.scrub(ctx, Erasure{}); err != nil {
		c.log.Error().Err(err).Msg("an erasure's messages are not yet overwritten in the stream's files: run `claude-analytics gc --erase` again")
	}
}

// laneEnds are the newest messages of all lanes.
func (c *Conn) laneEnds(ctx context.Context) (map[uint64]bool, error) {
	state, err := c.State(ctx)
	if err != nil {
		return nil, err
	}
	ends := map[uint64]bool{}
	for _, lane := range state.Lanes {
		ends[lane.LastSeq] = true
	}
	return ends, nil
}

// waitForEnds waits until none of the messages is a lane's newest, but not for longer than a living writer is silent.
func (c *Conn) waitForEnds(ctx context.Context, seqs []uint64) error {
	if len(seqs) == 0 {
		return nil
	}
	deadline := time.Now().Add(endWait)
	for time.Now().Before(deadline) {
		ends, err := c.laneEnds(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(seqs, func(seq uint64) bool { return ends[seq] }) {
			return nil
		}
		if err := wait(ctx, 200*time.Millisecond, nil); err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) secureDelete(ctx context.Context, name string, seq uint64) error {
	_, js, err := c.clients()
	if err != nil {
		return err
	}
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("erase message %d of %s: %w", seq, name, err)
	}
	err = stream.SecureDeleteMsg(ctx, seq)
	if err == nil {
		return nil
	}
	if _, gone := c.getMessage(ctx, name, messageRequest{Seq: seq}); errors.Is(gone, ErrNoMessage) {
		return nil // it was erased before
	}
	return fmt.Errorf("erase message %d of %s: %w", seq, name, err)
}
