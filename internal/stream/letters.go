package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"claude-analytics/proto"
)

// ErrLetterChanged is returned for a letter that is no longer the one that was read: somebody retried or dropped it, or it was set aside anew.
var ErrLetterChanged = errors.New("the dead letter has changed meanwhile")

const (
	// lettersAtOnce and lettersBytes bound one reading of letters.
	lettersAtOnce = 256
	lettersBytes  = 16 << 20
)

// Letter is a dead letter as it stands in CONVERSATIONS_DLQ.
type Letter struct {
	proto.DeadLetter
	// Subject is where it stands, Name the last token of that, by which people name it; LetterSeq is its sequence, and
	// Stored when it was stored.
	Subject, Name string
	LetterSeq     uint64
	Stored        time.Time
}

// LettersState is what CONVERSATIONS_DLQ holds at one moment.
type LettersState struct {
	Created time.Time
	LastSeq uint64
	Letters uint64
}

// LettersState reads it.
func (c *Conn) LettersState(ctx context.Context) (LettersState, error) {
	_, js, err := c.clients()
	if err != nil {
		return LettersState{}, err
	}
	stream, err := js.Stream(ctx, proto.DeadLetterName)
	if err != nil {
		return LettersState{}, fmt.Errorf("read dead letter state: %w", err)
	}
	info := stream.CachedInfo()
	return LettersState{Created: info.Created, LastSeq: info.State.LastSeq, Letters: info.State.Msgs}, nil
}

// Letters calls fn for every letter behind a sequence, oldest first, until fn returns an error, which it returns as it
// is. One that cannot be read is passed on with what is known of it.
func (c *Conn) Letters(ctx context.Context, after uint64, fn func(Letter) error) error {
	for {
		more, err := c.someLetters(ctx, &after, fn)
		if err != nil || !more {
			return err
		}
	}
}

// someLetters passes on as many as one request gives, and moves after behind them.
func (c *Conn) someLetters(ctx context.Context, after *uint64, fn func(Letter) error) (more bool, err error) {
	_, js, err := c.clients()
	if err != nil {
		return false, err
	}
	asking, cancel := context.WithTimeout(ctx, 3*requestTimeout)
	defer cancel()
	got, err := jetstreamext.GetBatch(asking, js, proto.DeadLetterName, lettersAtOnce,
		jetstreamext.GetBatchSeq(*after+1), jetstreamext.GetBatchMaxBytes(lettersBytes))
	if err != nil {
		return false, fmt.Errorf("read dead letters: %w", err)
	}
	for message, err := range got {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read dead letters: %w", err)
		}
		*after, more = message.Sequence, true
		if err := fn(letterOf(message.Subject, message.Sequence, message.Time, message.Data)); err != nil {
			return false, err
		}
	}
	if !more {
		return false, fmt.Errorf("read dead letters: %w", errors.Join(ErrUnreachable, asking.Err()))
	}
	return true, nil
}

func letterOf(subject string, seq uint64, stored time.Time, data []byte) Letter {
	l := Letter{Subject: subject, Name: proto.LetterName(subject), LetterSeq: seq, Stored: stored}
	if err := json.Unmarshal(data, &l.DeadLetter); err != nil {
		l.DeadLetter = proto.DeadLetter{Reason: proto.ReasonNotDecodable, Detail: subject + ": not a dead letter: " + err.Error(), Payload: data, At: stored}
	}
	l.DeadLetter = l.Since(proto.DeadLetter{})
	return l
}

// Letter reads the letter of that name; ErrNoMessage if there is none.
func (c *Conn) Letter(ctx context.Context, name string) (Letter, error) {
	l, err := c.letterAt(ctx, proto.LetterSubject(name))
	if err != nil {
		return l, fmt.Errorf("read dead letter %s: %w", name, err)
	}
	return l, nil
}

// letterAt reads the letter under a subject, which may hold wildcards.
func (c *Conn) letterAt(ctx context.Context, subject string) (Letter, error) {
	message, err := c.getMessage(ctx, proto.DeadLetterName, messageRequest{LastFor: subject})
	if err != nil {
		return Letter{}, err
	}
	return letterOf(message.Subject, message.Seq, message.Time, message.Data), nil
}

// RemoveLetter takes a letter out for good, overwriting its bytes. ErrLetterChanged: it is not there any more, or was
// set aside anew.
func (c *Conn) RemoveLetter(ctx context.Context, l Letter) error {
	_, js, err := c.clients()
	if err != nil {
		return err
	}
	stream, err := js.Stream(ctx, proto.DeadLetterName)
	if err != nil {
		return fmt.Errorf("remove dead letter %s: %w", l.Name, err)
	}
	if err := stream.SecureDeleteMsg(ctx, l.LetterSeq); err != nil {
		// The server does not say whether the message was there.
		now, lerr := c.letterAt(ctx, l.Subject)
		if errors.Is(lerr, ErrNoMessage) || lerr == nil && now.LetterSeq != l.LetterSeq {
			return fmt.Errorf("remove dead letter %s: %w", l.Name, ErrLetterChanged)
		}
		return fmt.Errorf("remove dead letter %s: %w", l.Name, err)
	}
	return nil
}

// ReplaceLetter puts another in a letter's place, unless that has changed meanwhile (ErrLetterChanged): a letter that
// somebody dropped does not come back.
func (c *Conn) ReplaceLetter(ctx context.Context, old Letter, now proto.DeadLetter) error {
	data, err := encodeLetter(now.Since(old.DeadLetter), c.MaxPayload())
	if err != nil {
		return fmt.Errorf("replace dead letter %s: %w", old.Name, err)
	}
	_, js, err := c.clients()
	if err != nil {
		return err
	}
	_, err = js.Publish(ctx, old.Subject, data, jetstream.WithExpectLastSequencePerSubject(old.LetterSeq))
	if isFenced(err) {
		return fmt.Errorf("replace dead letter %s: %w", old.Name, ErrLetterChanged)
	}
	if err != nil {
		return fmt.Errorf("replace dead letter %s: %w", old.Name, err)
	}
	return nil
}
