package stream

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"claude-analytics/proto"
)

const (
	defaultMaxAckPending = 50_000
	// minAckWait is the shortest time that a destination has to acknowledge what it fetched: a redelivery is never
	// needed, since the destination's own watermark decides where to begin.
	minAckWait = 5 * time.Minute
	// maxWaiting bounds the pull requests that may wait in the server; one is enough, the others are leftovers of
	// lost connections.
	maxWaiting = 64
	// ownerKey is the entry of a consumer's metadata that says whose it is.
	ownerKey = "claude-analytics.owner"
)

// ConsumerConfig says which durable consumer to open, and where.
type ConsumerConfig struct {
	// Name is the durable's name.
	Name string
	// After is the destination's watermark: the first message handed out is the first behind it.
	After uint64
	// MaxAckPending is how many messages may be handed out and not acknowledged; 0: 50,000.
	MaxAckPending int
	// AckWait is how long they may stay so; below 5 minutes it is 5 minutes.
	AckWait time.Duration

	// beat is how often the server gives a sign while it has nothing to send.
	beat time.Duration
}

// Consumer hands out the stream's messages behind a place, in order, none twice and none left out. Fetch is for one
// goroutine at a time; AckAll and Pending may be called beside it.
type Consumer struct {
	conn *Conn
	cfg  ConsumerConfig
	log  zerolog.Logger
	// streamCreated and created identify the stream and the consumer: if they change, the place is void.
	streamCreated, created time.Time
	pull                   pull
	// tail is the newest change (not position) handed out: it must still be there after a lost connection.
	tail struct {
		seq  uint64
		time time.Time
	}
	// placed counts the placements.
	placed uint64
	// held was taken from the server but not handed out: it did not fit the last Fetch.
	held *delivery

	mu sync.Mutex
	// changed is why the consumer's life is over.
	changed error
	// last is the sequence of the last message handed out, delivered its number since the consumer was placed.
	last, delivered uint64
	// life is the life of the connection in which it was placed.
	life uint64
	// receipts are the messages handed out and not acknowledged, oldest first.
	receipts []receipt
}

// receipt is what acknowledges a message.
type receipt struct {
	seq     uint64
	subject string
}

// consumerConfig is the durable consumer as it should be. It delivers from anywhere; where, is decided by placing it.
func consumerConfig(cfg ConsumerConfig) jetstream.ConsumerConfig {
	if cfg.MaxAckPending <= 0 {
		cfg.MaxAckPending = defaultMaxAckPending
	}
	return jetstream.ConsumerConfig{
		Durable:       cfg.Name,
		Description:   "A destination; placed by its own watermark at every start",
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckAllPolicy,
		AckWait:       max(cfg.AckWait, minAckWait),
		MaxAckPending: cfg.MaxAckPending,
		MaxDeliver:    -1,
		MaxWaiting:    maxWaiting,
	}
}

// OpenConsumer creates or updates a durable consumer and places it behind cfg.After. It returns ErrStreamChanged if
// the stream ends before that.
func (c *Conn) OpenConsumer(ctx context.Context, cfg ConsumerConfig) (*Consumer, error) {
	if cfg.beat == 0 {
		cfg.beat = pullBeat
	}
	if err := c.ensureStreams(ctx); err != nil {
		return nil, fmt.Errorf("open consumer %s: %w", cfg.Name, err)
	}
	k := &Consumer{conn: c, cfg: cfg, last: cfg.After, log: c.log.With().Str("consumer", cfg.Name).Logger()}
	err := c.retry(ctx, "open consumer "+cfg.Name, func(ctx context.Context) error {
		_, js, err := c.clients()
		if err != nil {
			return err
		}
		life, renewed := c.link.state()
		stream, err := js.Stream(ctx, proto.StreamName)
		if err != nil {
			return err
		}
		if last := stream.CachedInfo().State.LastSeq; cfg.After > last {
			return fmt.Errorf("%w: it ends at %d, before the watermark %d", ErrStreamChanged, last, cfg.After)
		}
		consumer, err := c.ownConsumer(ctx, stream, cfg)
		if err != nil {
			return err
		}
		k.streamCreated, k.created = stream.CachedInfo().Created, consumer.CachedInfo().Created
		return k.place(ctx, life, renewed)
	})
	if err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

// ownConsumer returns the durable consumer as this connection's own. One that another process made, the same
// destination's before its restart as a rule, is made anew: its place is void anyway, and should that process still
// be alive it sees at once that it lost the consumer, instead of sharing messages with us.
func (c *Conn) ownConsumer(ctx context.Context, stream jetstream.Stream, cfg ConsumerConfig) (jetstream.Consumer, error) {
	want := consumerConfig(cfg)
	want.Metadata = map[string]string{ownerKey: c.instance}
	have, err := stream.Consumer(ctx, cfg.Name)
	switch {
	case err == nil && have.CachedInfo().Config.Metadata[ownerKey] == c.instance:
		return stream.UpdateConsumer(ctx, want)
	case err == nil:
		if err := stream.DeleteConsumer(ctx, cfg.Name); err != nil {
			return nil, err
		}
	case !isAbsent(err):
		return nil, err
	}
	return stream.CreateConsumer(ctx, want)
}

// place puts the consumer behind the last message handed out and begins to pull.
func (k *Consumer) place(ctx context.Context, life uint64, renewed <-chan struct{}) error {
	nc, js, err := k.conn.clients()
	if err != nil {
		return err
	}
	// The old inbox goes first, so that what the server still sends there is not taken for what follows.
	k.pull.stop()
	k.held = nil
	k.placed++
	if err := nc.FlushWithContext(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	after := k.last
	k.mu.Unlock()
	if _, err := js.ResetConsumerToSequence(ctx, proto.StreamName, k.cfg.Name, after+1); err != nil {
		return fmt.Errorf("place behind %d: %w", after, err)
	}
	k.mu.Lock()
	k.delivered, k.life = 0, life
	// Placing moves the acknowledgement floor too: nothing is left to acknowledge.
	k.receipts = k.receipts[:0]
	k.mu.Unlock()
	return k.pull.start(nc, k.cfg, after, k.conn.pullBytes(), renewed)
}

// verify looks whether stream and consumer are those that were opened, and then places the consumer again. It tries
// until the server answers.
func (k *Consumer) verify(ctx context.Context) error {
	return k.conn.retry(ctx, "reopen consumer "+k.cfg.Name, func(ctx context.Context) error {
		_, js, err := k.conn.clients()
		if err != nil {
			return err
		}
		life, renewed := k.conn.link.state()
		stream, err := js.Stream(ctx, proto.StreamName)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			return k.change("the stream is gone")
		case err != nil:
			return err
		case !stream.CachedInfo().Created.Equal(k.streamCreated):
			return k.change("the stream was recreated")
		case stream.CachedInfo().State.LastSeq < k.last:
			return k.change("the stream lost its tail")
		}
		if err := k.verifyTail(ctx, absentBelow(stream.CachedInfo().Config)); err != nil {
			return err
		}
		consumer, err := stream.Consumer(ctx, k.cfg.Name)
		switch {
		case errors.Is(err, jetstream.ErrConsumerNotFound):
			return k.change("the consumer is gone")
		case err != nil:
			return err
		case !consumer.CachedInfo().Created.Equal(k.created):
			return k.change("the consumer was opened by another process")
		}
		return k.place(ctx, life, renewed)
	})
}

// verifyTail looks whether the newest change handed out still stands where it did: a stream that lost its tail may
// have been filled again beyond it.
func (k *Consumer) verifyTail(ctx context.Context, floor uint64) error {
	if k.tail.seq == 0 {
		return nil
	}
	message, err := k.conn.MessageAt(ctx, k.tail.seq)
	if errors.Is(err, ErrNoMessage) && k.tail.seq < floor {
		return nil
	}
	if errors.Is(err, ErrNoMessage) || err == nil && !message.Time.Equal(k.tail.time) {
		return k.change("the stream lost its tail")
	}
	return err
}

// change ends the consumer's life.
func (k *Consumer) change(how string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changed = fmt.Errorf("%w: %s", ErrStreamChanged, how)
	return k.changed
}

// AckAll acknowledges every message up to seq, and returns when the server has noted it. It is how a destination's
// progress shows in the stream, and makes room for more; the destination's watermark stays what counts. Messages
// handed out before a lost connection need no acknowledgement any more.
func (k *Consumer) AckAll(ctx context.Context, seq uint64) error {
	err := k.conn.retry(ctx, "acknowledge", func(ctx context.Context) error {
		newest, ok, err := k.newestUpTo(seq)
		if err != nil || !ok {
			return err
		}
		nc, js, err := k.conn.clients()
		if err != nil {
			return err
		}
		if k.displaced(nc) {
			return nil
		}
		if _, err := nc.RequestWithContext(ctx, newest.subject, []byte("+ACK")); err != nil {
			if _, cerr := js.Consumer(ctx, proto.StreamName, k.cfg.Name); isAbsent(cerr) {
				return k.change("the consumer is gone")
			}
			return err
		}
		k.acknowledged(newest.seq)
		return nil
	})
	if err != nil {
		return fmt.Errorf("consumer %s: %w", k.cfg.Name, err)
	}
	return nil
}

// displaced reports whether the connection was lost since the consumer was placed. Then the next Fetch places it
// anew, behind all that was handed out; and a server that was killed may not even remember what it delivered.
func (k *Consumer) displaced(nc *nats.Conn) bool {
	life, _ := k.conn.link.state()
	k.mu.Lock()
	defer k.mu.Unlock()
	return life != k.life || !nc.IsConnected()
}

// newestUpTo is the receipt that acknowledges all up to seq; false if there is none.
func (k *Consumer) newestUpTo(seq uint64) (receipt, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.changed != nil {
		return receipt{}, false, k.changed
	}
	n := sort.Search(len(k.receipts), func(i int) bool { return k.receipts[i].seq > seq })
	if n == 0 {
		return receipt{}, false, nil
	}
	return k.receipts[n-1], true, nil
}

// acknowledged forgets the receipts up to seq.
func (k *Consumer) acknowledged(seq uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	// Placing may have emptied the list in the meantime: it is searched anew.
	n := sort.Search(len(k.receipts), func(i int) bool { return k.receipts[i].seq > seq })
	rest := copy(k.receipts, k.receipts[n:])
	clear(k.receipts[rest:])
	k.receipts = k.receipts[:rest]
}

// Pending is how many messages of the stream have not been handed out.
func (k *Consumer) Pending(ctx context.Context) (uint64, error) {
	_, js, err := k.conn.clients()
	if err != nil {
		return 0, err
	}
	consumer, err := js.Consumer(ctx, proto.StreamName, k.cfg.Name)
	if isAbsent(err) {
		return 0, fmt.Errorf("%w: consumer %s is gone", ErrStreamChanged, k.cfg.Name)
	}
	if err != nil {
		return 0, fmt.Errorf("read consumer %s: %w", k.cfg.Name, err)
	}
	info := consumer.CachedInfo()
	k.mu.Lock()
	// What the server delivered and we still hold is pending too.
	pending := info.NumPending + uint64(max(int64(info.Delivered.Consumer)-int64(k.delivered), 0))
	last := k.last
	k.mu.Unlock()
	if pending == 0 {
		return 0, nil
	}
	// The server keeps its counts as it goes, and a consumer that was placed anew beside a purge may carry too much for
	// good: then whoever waits for none would wait for ever. There cannot be more than the stream has behind the last.
	stream, err := js.Stream(ctx, proto.StreamName)
	if err != nil {
		return 0, fmt.Errorf("read consumer %s: %w", k.cfg.Name, err)
	}
	end := stream.CachedInfo().State.LastSeq
	if end <= last {
		return 0, nil
	}
	return min(pending, end-last), nil
}

// Close stops pulling. The durable consumer stays in the server.
func (k *Consumer) Close() {
	k.pull.stop()
}

// pullBytes is how many bytes one pull request may bring: room for the largest message, well below what a server
// lets wait for one client.
func (c *Conn) pullBytes() int {
	return int(c.MaxPayload()) + 2*payloadReserve
}
