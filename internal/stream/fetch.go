package stream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"claude-analytics/proto"
)

const (
	defaultFetchMessages = 10_000
	defaultFetchBytes    = 64 << 20
	// aloneLinger is how long the rest of a batch takes, which was published together with its first message.
	aloneLinger = 10 * time.Millisecond
)

// FetchLimit bounds what one Fetch hands out.
type FetchLimit struct {
	// Messages at most; 0: 10,000.
	Messages int
	// Bytes of data at most, but always one message; 0: 64 MiB.
	Bytes int64
	// Linger is how long to wait for more after the first message; 0: only what is there already. A message that was waited
	// for as long as that comes alone, or with its batch: then it is handed out almost at once.
	Linger time.Duration
}

// alone is whether a first message that was waited for so long comes alone, or with its batch.
func (l FetchLimit) alone(waited time.Duration) bool { return waited >= l.Linger }

// after is how long to wait for more after a first message that was waited for so long.
func (l FetchLimit) after(waited time.Duration) time.Duration {
	if l.alone(waited) {
		return min(l.Linger, aloneLinger)
	}
	return l.Linger
}

// enough is whether nothing is waited for behind a message, whose batch's first one was waited for so long: a batch ends
// with positions.
func (l FetchLimit) enough(waited time.Duration, subject string) bool {
	return l.Linger <= 0 || l.alone(waited) && proto.IsPosition(subject)
}

// Fetch waits for a message, then takes what arrives within limit. It returns at least one message, all of them
// durable in the stream, or an error: ctx's, or ErrStreamChanged, after which the Consumer is of no more use. A lost
// connection is waited out.
func (k *Consumer) Fetch(ctx context.Context, limit FetchLimit) ([]Message, error) {
	if limit.Messages <= 0 {
		limit.Messages = defaultFetchMessages
	}
	if limit.Bytes <= 0 {
		limit.Bytes = defaultFetchBytes
	}
	for {
		batch, err := k.collect(ctx, limit)
		if err != nil {
			return nil, fmt.Errorf("consumer %s: %w", k.cfg.Name, err)
		}
		placed := k.placed
		err = k.conn.settle(ctx)
		if err == nil && placed == k.placed {
			return k.handOut(batch), nil
		}
		// What was collected is void; it comes again once the consumer is placed anew.
		k.pull.stop()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("consumer %s: %w", k.cfg.Name, ctx.Err())
		}
		if berr := k.conn.broken(); berr != nil {
			return nil, fmt.Errorf("consumer %s: %w", k.cfg.Name, berr)
		}
		if err != nil && !isTemporary(err) && !isAbsent(err) {
			return nil, fmt.Errorf("consumer %s: %w", k.cfg.Name, err)
		}
	}
}

// collect takes messages from the server up to limit.
func (k *Consumer) collect(ctx context.Context, limit FetchLimit) ([]*delivery, error) {
	var (
		batch  []*delivery
		bytes  int64
		linger <-chan time.Time
		waited time.Duration // for the first of the batch
		placed = k.placed
		asked  = time.Now()
	)
	for len(batch) < limit.Messages {
		d, err := k.next(ctx, linger, len(batch) > 0 && limit.enough(waited, batch[len(batch)-1].Subject))
		if placed != k.placed {
			// Placed anew: the server begins again behind what was handed out.
			placed, batch, bytes = k.placed, batch[:0], 0
		}
		if err != nil {
			if len(batch) > 0 && ctx.Err() != nil {
				return batch, nil
			}
			return nil, err
		}
		if d == nil {
			if len(batch) > 0 {
				break
			}
			// Lingering ended over a new placement.
			linger = nil
			continue
		}
		if bytes += int64(len(d.Data)); len(batch) > 0 && bytes > limit.Bytes {
			k.held = d
			break
		}
		if len(batch) == 0 && limit.Linger > 0 {
			waited = time.Since(asked)
			timer := time.NewTimer(limit.after(waited))
			defer timer.Stop()
			linger = timer.C
		}
		batch = append(batch, d)
	}
	return batch, nil
}

// settle returns when every message that a consumer may have seen so far is durable: the server delivers a batch
// while it still writes it, but answers a read only when it has synced it. So no destination gets ahead of a stream
// whose server is killed.
func (c *Conn) settle(ctx context.Context) error {
	return c.link.request(ctx, requestTimeout, func(ctx context.Context) error {
		_, err := c.getMessage(ctx, proto.StreamName, messageRequest{Seq: math.MaxUint64})
		if errors.Is(err, ErrNoMessage) {
			return c.broken()
		}
		return err
	})
}

// handOut notes that messages leave the Consumer.
func (k *Consumer) handOut(batch []*delivery) []Message {
	messages := make([]Message, len(batch))
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, d := range batch {
		messages[i] = Message{Seq: d.seq, Time: d.time, Subject: d.Subject, Header: d.Header, Data: d.Data}
		k.receipts = append(k.receipts, receipt{seq: d.seq, subject: d.Reply})
		if !proto.IsPosition(d.Subject) {
			k.tail.seq, k.tail.time = d.seq, d.time
		}
		k.last, k.delivered = d.seq, d.number
	}
	return messages
}

// next returns the next message in order; nil when linger fires, or if noWait and none is there.
func (k *Consumer) next(ctx context.Context, linger <-chan time.Time, noWait bool) (*delivery, error) {
	if d := k.held; d != nil {
		k.held = nil
		return d, nil
	}
	k.mu.Lock()
	changed := k.changed
	k.mu.Unlock()
	if changed != nil {
		return nil, changed
	}
	for {
		if k.pull.sub == nil || k.pull.ask() != nil {
			if err := k.verify(ctx); err != nil {
				return nil, err
			}
			continue
		}
		msg, why := k.receive(ctx, linger, noWait)
		switch why {
		case over:
			return nil, ctx.Err()
		case broken:
			if err := k.verify(ctx); err != nil {
				return nil, err
			}
			continue
		case received:
		}
		d, err := k.take(ctx, msg)
		if d != nil || err != nil {
			return d, err
		}
	}
}

// outcome says how receive ended.
type outcome int

const (
	received outcome = iota
	over             // ctx or linger ended, or nothing is there
	broken           // the connection was lost and regained, or the server is silent
)

// receive waits for one message or sign of the server.
func (k *Consumer) receive(ctx context.Context, linger <-chan time.Time, noWait bool) (*nats.Msg, outcome) {
	p := &k.pull
	// A lost connection comes first: what still waits in the channel may be of a server that lost its tail.
	select {
	case <-p.renewed:
		return nil, broken
	default:
	}
	select {
	case msg := <-p.inbox:
		return msg, received
	default:
	}
	if noWait {
		return nil, over
	}
	p.silence.Reset(p.patience)
	select {
	case msg := <-p.inbox:
		return msg, received
	case <-p.renewed:
		return nil, broken
	case <-p.silence.C:
		return nil, broken
	case <-linger:
		return nil, over
	case <-ctx.Done():
		return nil, over
	}
}

// take turns what came into a delivery; nil if it is a sign of the server or was handed out before.
func (k *Consumer) take(ctx context.Context, msg *nats.Msg) (*delivery, error) {
	if msg.Reply == "" {
		return nil, k.sign(ctx, msg)
	}
	seq, number, at, ok := parseAck(msg.Reply)
	if !ok {
		return nil, fmt.Errorf("acknowledgement subject %q cannot be read", msg.Reply)
	}
	p := &k.pull
	p.open--
	if number != p.seen+1 {
		// Deliveries were lost on the way: only placing anew brings them back in order.
		k.log.Warn().Uint64("delivery", number).Uint64("expected", p.seen+1).Msg("messages were lost on the way, fetching again")
		return nil, k.verify(ctx)
	}
	p.seen = number
	if seq <= p.newest {
		return nil, nil
	}
	p.newest, p.stuckAt = seq, 0
	return &delivery{Msg: msg, seq: seq, number: number, time: at}, nil
}

// sign acts on what the server says about a request.
func (k *Consumer) sign(ctx context.Context, msg *nats.Msg) error {
	p := &k.pull
	status, text := msg.Header.Get("Status"), msg.Header.Get("Description")
	switch {
	case status == "100":
		return k.unreadable(ctx)
	case text == "Batch Completed":
		return nil
	case status == "404", status == "408", strings.HasPrefix(text, "Message Size Exceeds"):
		// The request ended; the next one is asked for.
		p.open = 0
		return nil
	}
	// The consumer or its server is gone or moved; or nobody answers, since the server is starting.
	k.log.Debug().Str("status", status).Str("text", text).Msg("pull request ended")
	if err := wait(ctx, retryFirst, p.renewed); err != nil {
		return err
	}
	return k.verify(ctx)
}

// unreadable is called when the server has sent nothing for a while. If it holds messages for us all the same, twice
// in a row, it cannot read them: a damaged store, which it mentions in its own log only.
func (k *Consumer) unreadable(ctx context.Context) error {
	_, js, err := k.conn.clients()
	if err != nil {
		return err
	}
	consumer, err := js.Consumer(ctx, proto.StreamName, k.cfg.Name)
	if err != nil {
		// Whatever that is, the next sign or the silence after it tells.
		return nil
	}
	p, info := &k.pull, consumer.CachedInfo()
	if info.NumPending == 0 || info.NumAckPending >= info.Config.MaxAckPending || info.Paused {
		p.stuckAt = 0
		return nil
	}
	if at := info.Delivered.Stream + 1; p.stuckAt != at {
		p.stuckAt = at
		return nil
	}
	return fmt.Errorf("%w: the server holds %d messages from %d on and sends none%s; %s",
		ErrStore, info.NumPending, p.stuckAt, k.conn.trouble(), storeRemedy)
}
