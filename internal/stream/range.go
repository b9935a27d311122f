package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"claude-analytics/proto"
)

const (
	// rangeBuffer is how many messages of a range wait on our side at most.
	rangeBuffer = 4096
	// rangePatience is how long nothing may come before it is looked whether anything is left: the range's last message
	// may have been removed while it was read. That often in a row, and the server cannot read what it holds.
	rangePatience = 2 * time.Second
	rangeLooks    = 10
)

// Range is a part of the stream to be delivered once more.
type Range struct {
	// Subject that the messages stand under; it may hold wildcards.
	Subject string
	// First and Last are the sequences of its first and last message, should they be there.
	First, Last uint64
	// Identity is the stream that is meant: of another one nothing is handed out.
	Identity Identity
}

// ReadRange hands out a part of the stream in order, each message once, in pieces within limit (its Linger does not
// count). It reads through a consumer of its own, which nobody else sees and which the server forgets. An error of fn
// ends it as it is; a stream that is another one by now gives ErrStreamChanged. A lost connection is waited out.
func (c *Conn) ReadRange(ctx context.Context, part Range, limit FetchLimit, fn func([]Message) error) error {
	if limit.Messages <= 0 {
		limit.Messages = defaultFetchMessages
	}
	if limit.Bytes <= 0 {
		limit.Bytes = defaultFetchBytes
	}
	r := &rangeReader{Conn: c, part: part, limit: limit, next: max(part.First, 1)}
	for {
		done, err := r.read(ctx, fn)
		var own callbackError
		switch {
		case errors.As(err, &own):
			return own.err
		case err != nil:
			return fmt.Errorf("read messages %d to %d again: %w", part.First, part.Last, err)
		case done:
			return nil
		}
	}
}

// callbackError is one of the function that is given the messages.
type callbackError struct{ err error }

func (e callbackError) Error() string { return e.err.Error() }

type rangeReader struct {
	*Conn
	part  Range
	limit FetchLimit
	// next is the first sequence that was not handed out.
	next uint64
	// looks counts how often in a row nothing came.
	looks int
}

// read delivers what is left; it is not done if it has to be looked again what that is.
func (r *rangeReader) read(ctx context.Context, fn func([]Message) error) (done bool, err error) {
	last, err := r.last(ctx)
	if err != nil || last < r.next {
		return err == nil, err
	}
	var consumer jetstream.Consumer
	err = r.retry(ctx, "open a consumer for a part of the stream", func(ctx context.Context) error {
		_, js, err := r.clients()
		if err != nil {
			return err
		}
		consumer, err = js.OrderedConsumer(ctx, proto.StreamName, jetstream.OrderedConsumerConfig{
			FilterSubjects: []string{r.part.Subject}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: r.next,
			InactiveThreshold: time.Minute,
		})
		return err
	})
	if err != nil {
		return false, err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(rangeBuffer, r.pullBytes()))
	if err != nil {
		return false, err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	for r.next <= last {
		piece, err := r.piece(ctx, messages, last)
		if err != nil {
			return false, err
		}
		if len(piece) == 0 {
			return false, nil
		}
		if err := r.same(ctx); err != nil {
			return false, err
		}
		if err := fn(piece); err != nil {
			return false, callbackError{err}
		}
	}
	return true, nil
}

// last is the sequence at which reading ends: beyond it nothing of the part can come. 0: nothing is left.
func (r *rangeReader) last(ctx context.Context) (last uint64, err error) {
	err = r.retry(ctx, "find the end of a part of the stream", func(ctx context.Context) error {
		newest, err := r.lastMessage(ctx, r.part.Subject)
		if errors.Is(err, ErrNoMessage) {
			return nil
		}
		last = min(newest.Seq, r.part.Last)
		return err
	})
	return last, err
}

// same looks whether the stream is still the one that was meant.
func (r *rangeReader) same(ctx context.Context) error {
	return r.retry(ctx, "look at the stream", func(ctx context.Context) error {
		_, js, err := r.clients()
		if err != nil {
			return err
		}
		stream, err := js.Stream(ctx, proto.StreamName)
		if errors.Is(err, jetstream.ErrStreamNotFound) || err == nil && !stream.CachedInfo().Created.Equal(r.part.Identity.Created) {
			return fmt.Errorf("%w: the stream was recreated", ErrStreamChanged)
		}
		return err
	})
}

// piece takes messages up to the limit, or the end, or until nothing comes for a while.
func (r *rangeReader) piece(ctx context.Context, from jetstream.MessagesContext, last uint64) ([]Message, error) {
	var piece []Message
	var bytes int64
	for r.next <= last && len(piece) < r.limit.Messages && bytes < r.limit.Bytes {
		message, err := from.Next(jetstream.NextMaxWait(rangePatience))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if errors.Is(err, context.DeadlineExceeded) || err != nil && isTemporary(err) {
			break
		}
		if err != nil {
			return nil, err
		}
		at, err := message.Metadata()
		if err != nil {
			return nil, err
		}
		r.next = at.Sequence.Stream + 1
		if r.next > last+1 {
			break
		}
		piece = append(piece, Message{
			Seq: at.Sequence.Stream, Time: at.Timestamp, Subject: message.Subject(), Header: message.Headers(), Data: message.Data(),
		})
		bytes += int64(len(message.Data()))
	}
	if len(piece) > 0 || r.next > last {
		r.looks = 0
		return piece, nil
	}
	if r.looks++; r.looks == rangeLooks {
		return nil, fmt.Errorf("%w: the server holds message %d and does not send what stands from %d on%s; %s",
			ErrStore, last, r.next, r.trouble(), storeRemedy)
	}
	return nil, wait(ctx, retryFirst, nil)
}
