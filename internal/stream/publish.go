package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/proto"
)

const (
	// MaxBatch is the most messages that every server takes in one atomic batch, and embeddedBatch what the embedded one is set
	// up for: each batch has a fixed price.
	MaxBatch      = 1000
	embeddedBatch = 4000
	// unacknowledged is how many bytes of a batch may be under way before the server's receipt is waited for: half
	// of what may queue up in front of a stream.
	unacknowledged = 64 << 20
)

// Outgoing is a message to publish: a change, or a position, which counts instead of the ones before it (Rollup) and, unless
// those lie far back, replaces them.
type Outgoing struct {
	Subject string
	Data    []byte
	Rollup  bool
}

// Publish publishes messages as one batch: all of them behind the lane's last message, in order, or none. It returns
// the last one's sequence once they are durable. At most Lane.MaxBatch messages; a subject with Rollup only once, and not
// twice under the same subject otherwise.
//
// It returns when the outcome is known, however often it has to try and look. Only if ctx ends before that is the
// outcome unknown: then ctx's error is returned, and ErrLaneReset by the next call. It returns a *TakenError if
// another writer has the lane, ErrLaneReset if the lane does not end where it should (until Positions was called),
// ErrTooLarge or ErrBatch for what cannot be published; after these two the lane goes on.
func (l *Lane) Publish(ctx context.Context, messages []Outgoing) (lastSeq uint64, err error) {
	s := &staged{lane: l, messages: messages, refused: l.check(messages)}
	return s.publish(ctx)
}

// MaxBatch is the most messages that one Publish takes.
func (l *Lane) MaxBatch() int {
	if l.conn.Embedded() {
		return embeddedBatch
	}
	return MaxBatch
}

// check refuses what no server would take, before anything is sent.
func (l *Lane) check(messages []Outgoing) error {
	if most := l.MaxBatch(); len(messages) > most {
		return fmt.Errorf("%w: %d messages, at most %d are possible", ErrBatch, len(messages), most)
	}
	prefix := strings.TrimSuffix(proto.LaneSubjects(l.cfg.Lane), ">")
	limit := l.conn.MaxPayload()
	rolled := map[string]bool{}
	for _, m := range messages {
		if !strings.HasPrefix(m.Subject, prefix) {
			return fmt.Errorf("%w: subject %q is not of lane %s", ErrBatch, m.Subject, l.cfg.Lane)
		}
		if int64(len(m.Data)) > limit {
			return fmt.Errorf("%w: %d bytes, at most %d are possible", ErrTooLarge, len(m.Data), limit)
		}
		if m.Rollup {
			if rolled[m.Subject] {
				return fmt.Errorf("%w: %q is in it twice", ErrBatch, m.Subject)
			}
			rolled[m.Subject] = true
		}
	}
	return nil
}

// publish does it; the lane's turn is held. ahead is what was sent of the batch already; nil: nothing.
func (l *Lane) publish(ctx context.Context, messages []Outgoing, ahead *sending) (uint64, error) {
	batch := l.conn.batchID()
	if ahead != nil {
		batch = ahead.batch
	}
	if err := errors.Join(ctx.Err(), l.conn.broken()); err != nil {
		return 0, fmt.Errorf("publish to lane %s: %w", l.cfg.Lane, err)
	}
	l.underWay.Store(l.last + uint64(len(messages)))
	defer l.underWay.Store(0)
	pause := backoff{first: retryFirst, longest: retryLongest}
	messages = l.roll(messages)
	size := sizeOf(messages)
	for {
		_, renewed := l.conn.link.state()
		var seq uint64
		err := l.conn.link.request(ctx, requestTimeout, func(ctx context.Context) (err error) {
			if err := l.conn.room(size); err != nil {
				ahead.giveUp()
				return err
			}
			seq, err = l.send(ctx, batch, messages, ahead)
			return err
		})
		ahead = nil
		if err == nil {
			return l.landed(seq, messages), nil
		}
		if berr := l.conn.broken(); berr != nil {
			l.failure = berr
			return 0, fmt.Errorf("publish to lane %s: %w", l.cfg.Lane, berr)
		}
		if !isFenced(err) && !isTemporary(err) && ctx.Err() == nil {
			return 0, fmt.Errorf("publish to lane %s: %w", l.cfg.Lane, err)
		}
		end, lerr := l.look(ctx)
		if lerr != nil {
			// Whether the batch landed cannot be said, and ctx is over.
			l.failure = fmt.Errorf("%w: lane %s: outcome of a publish is unknown", ErrLaneReset, l.cfg.Lane)
			return 0, fmt.Errorf("publish to lane %s: %w (last: %w)", l.cfg.Lane, lerr, err)
		}
		switch l.judge(end, batch) {
		case landed:
			l.log.Info().Err(err).Uint64("seq", end.LastSeq).Msg("publish without an answer had landed")
			return l.landed(end.LastSeq, messages), nil
		case lost:
			l.failure = fmt.Errorf("%w: lane %s ends at %d, not at %d", ErrLaneReset, l.cfg.Lane, end.LastSeq, l.last)
			return 0, l.failure
		case taken:
			other := otherWriter(end)
			l.failure = &TakenError{Lane: l.cfg.Lane, Writer: other.GetWriter(), Host: other.GetHost(), PID: other.GetPid()}
			return 0, l.failure
		case absent:
		}
		l.trouble(pause.attempts+1, err)
		// Not there. An attempt that is still on its way cannot land beside the next one: both are fenced alike.
		if werr := l.conn.pause(ctx, &pause, renewed, "publish to lane "+l.cfg.Lane, err); werr != nil {
			l.failure = fmt.Errorf("%w: lane %s: outcome of a publish is unknown", ErrLaneReset, l.cfg.Lane)
			return 0, fmt.Errorf("publish to lane %s: %w (last: %w)", l.cfg.Lane, werr, err)
		}
	}
}

// trouble tells whoever writes the lane that an attempt failed and is made again; nil: that it came through.
func (l *Lane) trouble(attempt int, err error) {
	if l.cfg.OnTrouble != nil {
		l.cfg.OnTrouble(attempt, err)
	}
}

func (l *Lane) landed(seq uint64, messages []Outgoing) uint64 {
	l.trouble(0, nil)
	l.note(messages, seq)
	l.last, l.published = seq, time.Now()
	return seq
}

// send tries once. A single message is a batch of its own and needs no staging in the server.
func (l *Lane) send(ctx context.Context, batch string, messages []Outgoing, ahead *sending) (uint64, error) {
	_, js, err := l.conn.clients()
	if err != nil {
		return 0, err
	}
	last := len(messages) - 1
	if last == 0 {
		alone := &sending{batch: batch, behind: l.last}
		ack, err := js.PublishMsg(ctx, l.message(messages[0], alone, true), jetstream.WithRetryAttempts(0))
		if err != nil {
			return 0, err
		}
		return ack.Sequence, nil
	}
	if ahead == nil {
		if ahead, err = begin(js, batch, l.last, flowControl(messages)); err != nil {
			return 0, err
		}
	}
	if err := ahead.add(l, messages[ahead.sent:last]); err != nil {
		return 0, err
	}
	return ahead.commit(ctx, l, messages[last])
}

// flowControl waits for no receipt but the batch's own, unless the batch is so large that it could overrun what the
// server queues.
func flowControl(messages []Outgoing) jetstreamext.BatchFlowControl {
	size := sizeOf(messages)
	flow := jetstreamext.BatchFlowControl{AckTimeout: requestTimeout}
	if size > unacknowledged {
		flow.AckEvery = max(1, len(messages)*(unacknowledged/2)/size)
	}
	return flow
}

// message is the next message of a batch with its headers: the fence on the first, writer and batch on the last.
func (l *Lane) message(m Outgoing, of *sending, last bool) *nats.Msg {
	header := make(nats.Header, 6)
	if of.sent == 0 {
		header[jetstream.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(of.behind, 10)}
		header[jetstream.ExpectedLastSubjSeqSubjHeader] = []string{proto.LaneSubjects(l.cfg.Lane)}
	}
	if m.Rollup {
		header[jetstream.MsgRollup] = []string{jetstream.MsgRollupSubject}
	}
	if last {
		header[proto.HeaderWriter] = []string{l.cfg.Writer}
		header[proto.HeaderBatch] = []string{of.batch}
	}
	return &nats.Msg{Subject: m.Subject, Data: m.Data, Header: header}
}

// look reads the lane's end until the server answers or ctx ends. A stream that is gone is created again, empty.
func (l *Lane) look(ctx context.Context) (LaneState, error) {
	end, _, err := l.conn.laneAndClock(ctx, l.cfg.Lane)
	return end, err
}

// verdict is what a lane's end says about a batch whose publish gave no good answer.
type verdict int

const (
	absent verdict = iota // not landed, the fence still holds: try again
	landed                // it is the lane's end
	lost                  // the lane does not end where it did
	taken                 // another writer has it
)

// judge decides by the lane's end.
func (l *Lane) judge(end LaneState, batch string) verdict {
	switch {
	case end.batch == batch && end.Writer == l.cfg.Writer:
		return landed
	case end.LastSeq == l.last:
		return absent
	case end.LastSeq < l.last:
		// The stream was recreated, or lost its tail; with another's messages in it already, the lane is theirs.
		if end.LastSeq > 0 && end.Writer != "" && end.Writer != l.cfg.Writer {
			return taken
		}
		return lost
	case end.Writer == "":
		// The end of a batch that lost its own end: nobody's.
		return lost
	case end.Writer == l.cfg.Writer && strings.HasPrefix(end.batch, l.conn.instance+"."):
		// Our own, of a publish that was given up.
		return lost
	}
	return taken
}

// resync takes the lane's end as it is for the writer's own, if nobody else has it.
func (l *Lane) resync(ctx context.Context) error {
	end, err := l.look(ctx)
	if err != nil {
		return err
	}
	if end.LastSeq > 0 && end.Writer != "" && end.Writer != l.cfg.Writer {
		other := otherWriter(end)
		l.failure = &TakenError{Lane: l.cfg.Lane, Writer: other.GetWriter(), Host: other.GetHost(), PID: other.GetPid()}
		return l.failure
	}
	l.last, l.failure = end.LastSeq, nil
	return nil
}

// encode marshals a message of the contract, which cannot fail: it has no required fields and its text is ours.
func encode(message protobuf.Message) []byte {
	data, err := protobuf.Marshal(message)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", message, err))
	}
	return data
}
