package stream

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// While a batch is committed, the server writes and syncs, and whoever waits for its answer has nothing to do. So the next
// one is sent ahead of its turn, all but its end: the server keeps it apart until it is committed, and its fence is where
// the lane will end if the batch before it lands. Where that comes true, the rest is sent; where not, since another lane
// wrote in between or the batch did not land, what was sent is forgotten, by the server too, and all of it is sent anew.
// What is committed, and when, is the same either way.

const (
	// outOfPlace is how long nothing is sent ahead after it was in vain: others write to the stream too.
	outOfPlace = 5 * time.Second
	// worthwhile is how many messages are sent ahead at least.
	worthwhile = 100
)

// staged is a batch to publish, of which the server may hold a part already.
type staged struct {
	lane     *Lane
	messages []Outgoing
	refused  error    // nil: they can be published
	ahead    *sending // nil: nothing was sent
}

// sending is a batch under way.
type sending struct {
	batch     string
	publisher jetstreamext.BatchPublisher
	sent      int    // how many of the messages were
	behind    uint64 // the lane's last message that the fence names
	life      uint64 // of the connection
}

// Stage takes a batch that is to be published next, and sends what can be sent of it ahead if another one is under way. It
// does not wait for the server. publish is Publish for the batch, once.
func (l *Lane) Stage(messages []Outgoing) (publish func(context.Context) (lastSeq uint64, err error)) {
	return l.stage(messages).publish
}

func (l *Lane) stage(messages []Outgoing) *staged {
	s := &staged{lane: l, messages: messages, refused: l.check(messages)}
	if s.refused == nil {
		s.ahead = l.sendAhead(messages)
	}
	return s
}

// sendAhead returns what was sent; nil: nothing.
func (l *Lane) sendAhead(messages []Outgoing) *sending {
	behind := l.underWay.Load()
	if behind == 0 || time.Now().UnixNano() < l.aloneUntil.Load() {
		return nil
	}
	// Whether a position replaces others is decided by the ones before it.
	n := slices.IndexFunc(messages, func(m Outgoing) bool { return m.Rollup })
	if n < 0 {
		n = len(messages) - 1
	}
	flow := flowControl(messages)
	if n < worthwhile || flow.AckEvery > 0 || l.conn.room(sizeOf(messages)) != nil {
		return nil
	}
	life, _ := l.conn.link.state()
	_, js, err := l.conn.clients()
	if err != nil {
		return nil
	}
	ahead, err := begin(js, l.conn.batchID(), behind, flow)
	if err != nil || ahead.add(l, messages[:n]) != nil {
		return nil
	}
	ahead.life = life
	return ahead
}

func (s *staged) publish(ctx context.Context) (lastSeq uint64, err error) {
	l := s.lane
	if s.refused != nil {
		return 0, s.refused
	}
	if err := l.enter(ctx); err != nil {
		return 0, err
	}
	defer l.leave()
	if l.failure != nil {
		return 0, l.failure
	}
	if len(s.messages) == 0 {
		return l.last, nil
	}
	if ahead := s.ahead; ahead != nil {
		if life, _ := l.conn.link.state(); ahead.behind != l.last || ahead.life != life {
			_ = ahead.publisher.Discard() // it was not committed, so that it is open
			l.aloneUntil.Store(time.Now().Add(outOfPlace).UnixNano())
			s.ahead = nil
		}
	}
	return l.publish(ctx, s.messages, s.ahead)
}

// begin opens a batch in the server.
func begin(js jetstream.JetStream, batch string, behind uint64, flow jetstreamext.BatchFlowControl) (*sending, error) {
	publisher, err := jetstreamext.NewBatchPublisher(js, flow)
	if err != nil {
		return nil, err
	}
	return &sending{batch: batch, publisher: publisher, behind: behind}, nil
}

// giveUp forgets what was sent, if anything was; the server does so too.
func (s *sending) giveUp() {
	if s != nil {
		_ = s.publisher.Discard() // it was not committed, so that it is open
	}
}

// add sends the next messages, none of which is the last.
func (s *sending) add(l *Lane, messages []Outgoing) error {
	for _, m := range messages {
		if err := s.publisher.AddMsg(l.message(m, s, false)); err != nil {
			_ = s.publisher.Discard() // it is given up
			return err
		}
		s.sent++
	}
	return nil
}

// commit sends the last message, and returns its sequence when the batch is durable.
func (s *sending) commit(ctx context.Context, l *Lane, last Outgoing) (uint64, error) {
	ack, err := s.publisher.CommitMsg(ctx, l.message(last, s, true))
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}
