package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"claude-analytics/proto"
)

// DeadLetter stores what was set aside; it is durable when DeadLetter returns. The same place set aside again
// replaces its letter. It tries until ctx ends. A payload that no message can hold is cut; the letter says so, and
// names where the whole stands.
func (c *Conn) DeadLetter(ctx context.Context, letter proto.DeadLetter) error {
	data, err := encodeLetter(letter, c.MaxPayload())
	if err != nil {
		return fmt.Errorf("dead letter: %w", err)
	}
	lane := letter.Lane
	if proto.LaneName(lane) != lane {
		// A message that could not even be read may come with anything for a lane.
		lane = proto.LaneName(lane)
	}
	subject := proto.DeadLetterSubject(lane, letter.Place())
	return c.retry(ctx, "store dead letter", func(ctx context.Context) error {
		_, js, err := c.clients()
		if err != nil {
			return err
		}
		_, err = js.Publish(ctx, subject, data)
		if errors.Is(err, jetstream.ErrNoStreamResponse) {
			if eerr := c.ensureStreams(ctx); eerr != nil {
				return eerr
			}
		}
		return err
	})
}

// encodeLetter is the letter as JSON within limit bytes.
func encodeLetter(letter proto.DeadLetter, limit int64) ([]byte, error) {
	// Base64 makes 4 bytes of 3: what cannot fit is not encoded first.
	if fits := limit / 4 * 3; int64(len(letter.Payload)) > fits {
		letter.Payload, letter.Truncated = letter.Payload[:fits], true
	}
	for {
		data, err := json.Marshal(letter)
		if err != nil {
			return nil, err
		}
		over := int64(len(data)) - limit
		if over <= 0 {
			return data, nil
		}
		if len(letter.Payload) == 0 {
			return nil, fmt.Errorf("%w: %d bytes without its payload", ErrTooLarge, len(data))
		}
		// The flag itself takes some bytes too.
		keep := int64(len(letter.Payload)) - over*3/4 - 32
		letter.Payload, letter.Truncated = letter.Payload[:max(keep, 0)], true
	}
}

// DeadLetters returns the oldest letters, limit at most; 0: all. One that cannot be read is returned with what is
// known of it.
func (c *Conn) DeadLetters(ctx context.Context, limit int) ([]proto.DeadLetter, error) {
	var letters []proto.DeadLetter
	for next := uint64(1); limit <= 0 || len(letters) < limit; {
		message, err := c.getMessage(ctx, proto.DeadLetterName, messageRequest{Seq: next, NextFor: proto.AllDeadLetterSubjects})
		if errors.Is(err, ErrNoMessage) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read dead letters: %w", err)
		}
		var letter proto.DeadLetter
		if err := json.Unmarshal(message.Data, &letter); err != nil {
			letter = proto.DeadLetter{Reason: proto.ReasonNotDecodable, Detail: message.Subject + ": " + err.Error(), At: message.Time}
		}
		letters = append(letters, letter)
		next = message.Seq + 1
	}
	return letters, nil
}
