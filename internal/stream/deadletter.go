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
// replaces its letter, which keeps when it was first seen and how often it was retried. It tries until ctx ends. A
// payload that no message can hold is cut; the letter says so, and names where the whole stands.
func (c *Conn) DeadLetter(ctx context.Context, letter proto.DeadLetter) error {
	subject := letter.Subject()
	return c.retry(ctx, "store dead letter", func(ctx context.Context) error {
		before, err := c.letterAt(ctx, subject)
		if err != nil && !errors.Is(err, ErrNoMessage) && apiCode(err) != jetstream.JSErrCodeStreamNotFound {
			return err
		}
		data, err := encodeLetter(letter.Since(before.DeadLetter), c.MaxPayload())
		if err != nil {
			return err
		}
		_, js, err := c.clients()
		if err != nil {
			return err
		}
		if err := c.room(len(data)); err != nil {
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
	err := c.Letters(ctx, 0, func(l Letter) error {
		letters = append(letters, l.DeadLetter)
		if limit > 0 && len(letters) >= limit {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return letters, nil
}

// errEnough ends a reading early.
var errEnough = errors.New("enough")
