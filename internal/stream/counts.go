package stream

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"claude-analytics/proto"
)

// countTries is how often a count is made anew that a change came into between its two halves.
const countTries = 20

// CountChanges counts the changes that stand between two sequences, both included; positions are none. It costs the
// server no reading of messages.
func (c *Conn) CountChanges(ctx context.Context, from, to uint64) (uint64, error) {
	if from > to {
		return 0, nil
	}
	for range countTries {
		behind, err := c.changesFrom(ctx, to+1)
		if err != nil {
			return 0, err
		}
		all, err := c.changesFrom(ctx, from)
		if err != nil {
			return 0, err
		}
		still, err := c.changesFrom(ctx, to+1)
		if err != nil {
			return 0, err
		}
		if still == behind && all >= behind {
			return all - behind, nil
		}
	}
	// So much comes in that nothing stands still for long enough: then one by one.
	var n uint64
	err := c.ReadChanges(ctx, from, to, func(Message) error {
		n++
		return nil
	})
	return n, err
}

// changesFrom counts the changes at or above a sequence, through a consumer that is made for its count alone.
func (c *Conn) changesFrom(ctx context.Context, seq uint64) (uint64, error) {
	consumer, done, err := c.passing(ctx, seq)
	if err != nil {
		return 0, fmt.Errorf("count changes from %d: %w", seq, err)
	}
	defer done()
	return consumer.CachedInfo().NumPending, nil
}

// passing makes a consumer of the changes that stand in the stream from a sequence on, in the server's memory.
func (c *Conn) passing(ctx context.Context, from uint64) (jetstream.Consumer, func(), error) {
	_, js, err := c.clients()
	if err != nil {
		return nil, nil, err
	}
	consumer, err := js.CreateConsumer(ctx, proto.StreamName, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       max(from, 1),
		FilterSubjects:    changeSubjects("*"),
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: scanIdle,
	})
	if err != nil {
		return nil, nil, err
	}
	name := consumer.CachedInfo().Name
	return consumer, func() {
		// Best effort: the server forgets it by itself.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		_ = js.DeleteConsumer(ctx, proto.StreamName, name)
	}, nil
}

// ReadChanges hands over the changes that stand between two sequences, both included, in order; what was removed
// meanwhile is left out.
func (c *Conn) ReadChanges(ctx context.Context, from, to uint64, fn func(Message) error) error {
	if from > to {
		return nil
	}
	_, js, err := c.clients()
	if err != nil {
		return err
	}
	stream, err := js.Stream(ctx, proto.StreamName)
	if err != nil {
		return fmt.Errorf("read messages %d to %d: %w", from, to, err)
	}
	info := stream.CachedInfo()
	part := Range{
		Subject: proto.AllSubjects, First: from, Last: min(to, info.State.LastSeq),
		Identity: Identity{Name: info.Config.Name, Created: info.Created},
	}
	return c.ReadRange(ctx, part, FetchLimit{}, func(messages []Message) error {
		for _, m := range messages {
			if proto.IsPosition(m.Subject) {
				continue
			}
			if err := fn(m); err != nil {
				return err
			}
		}
		return nil
	})
}

// ReadDeadLetters hands over the dead letters in the order in which they came; what is none is left out.
func (c *Conn) ReadDeadLetters(ctx context.Context, fn func(proto.DeadLetter) error) error {
	return c.Letters(ctx, 0, func(l Letter) error {
		if l.Part == "" {
			return nil
		}
		return fn(l.DeadLetter)
	})
}

// Positions reads a lane's positions, keyed by the last token of their subjects, without being its writer.
func (c *Conn) Positions(ctx context.Context, lane string) (map[string][]byte, error) {
	positions, err := c.positions(ctx, lane)
	if err != nil {
		return nil, fmt.Errorf("read positions of lane %s: %w", lane, err)
	}
	return positions, nil
}
