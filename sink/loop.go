package sink

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/internal/stream"
	"claude-analytics/sink/lake"
)

// ackGrace is how long an acknowledgement may still take once the loops are to end: it decides nothing, and a stream
// that is gone would never answer.
const ackGrace = 2 * time.Second

// loop is what both destinations have in common: a consumer, its messages fetched and converted ahead, the watermark.
// While one parcel is made durable, the next is fetched and converted, and no further.
type loop struct {
	*Sink
	name   string
	status *progress
	log    zerolog.Logger
	base   lake.Mark // stream and epoch, of which every watermark is
	floor  uint64    // the epoch's
	limit  stream.FetchLimit
	// newLoad makes what a parcel of that many messages is gathered in.
	newLoad func(messages int) load

	consumer *stream.Consumer
	parcels  chan *parcel
	// finish outlives the loop's context, so that what is in hand can be finished; acks does for less long.
	finish, acks context.Context
	stop         func()
}

func (s *Sink) newLoop(ctx context.Context, p plan, name string, status *progress) *loop {
	finish, stopFinish := outlive(ctx, s.cfg.StopTimeout)
	acks, stopAcks := outlive(ctx, ackGrace)
	l := &loop{
		Sink: s, name: name, status: status, log: s.log.With().Str("consumer", name).Logger(),
		base:    lake.Mark{Stream: p.Stream, Epoch: p.Epoch},
		floor:   s.lake.Floor(p.Epoch),
		limit:   stream.FetchLimit{Messages: s.cfg.BatchSize, Bytes: s.cfg.BatchBytes, Linger: s.cfg.BatchLinger},
		parcels: make(chan *parcel),
		finish:  finish, acks: acks,
		stop: func() {
			stopFinish()
			stopAcks()
		},
	}
	return l
}

// outlive is a context that ends a while after another.
func outlive(ctx context.Context, by time.Duration) (context.Context, func()) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(by)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() {
		stop()
		cancel()
	}
}

func (l *loop) open(ctx context.Context, name string, after uint64, maxAckPending int) error {
	if l.consumer != nil {
		return nil
	}
	consumer, err := l.conn.OpenConsumer(ctx, stream.ConsumerConfig{Name: name, After: after, MaxAckPending: maxAckPending})
	if err != nil {
		return err
	}
	l.consumer = consumer
	return nil
}

func (l *loop) close() {
	l.stop()
	if l.consumer != nil {
		l.consumer.Close()
	}
}

// retry is retry with the loop's log, status and metric.
func (l *loop) retry(ctx context.Context, doing string, do func() error) error {
	return retry(ctx, l.log, l.status, l.metrics.retries.WithLabelValues(l.name), doing, do)
}

// feed fetches and converts until ctx ends. What it has not handed over then is delivered again.
func (l *loop) feed(ctx context.Context) error {
	defer close(l.parcels)
	converting := conversion{workers: l.cfg.Workers, newConverter: l.newConverter}
	for {
		var messages []stream.Message
		err := l.retry(ctx, "fetch", func() (err error) {
			messages, err = l.consumer.Fetch(ctx, l.limit)
			return err
		})
		if err != nil {
			return ended(ctx, err)
		}
		l.status.took(len(messages))
		p := converting.run(len(messages), func(i int, it *item) {
			m := &messages[i]
			it.epoch, it.seq, it.time, it.subject, it.data, it.size = l.base.Epoch, m.Seq, m.Time, m.Subject, m.Data, len(m.Data)
			it.brief, it.floor = l.name == DestinationLake, l.floor
		}, l.newLoad(len(messages)))
		if err := l.bury(ctx, p); err != nil {
			return ended(ctx, err)
		}
		select {
		case l.parcels <- p:
		case <-ctx.Done():
			return nil
		}
	}
}

// ended is no error if it comes of the context's end.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && !anew(err) && !errors.Is(err, errStopped) {
		return nil
	}
	return err
}

// bury puts a parcel's dead into the dead letter stream; they are durable there before the parcel can be acknowledged.
func (l *loop) bury(ctx context.Context, p *parcel) error {
	for i := range p.dead {
		it := &p.dead[i]
		letter := it.deadLetter(l.name)
		err := l.retry(ctx, "set a message aside", func() error { return l.conn.DeadLetter(ctx, letter) })
		if err != nil {
			return err
		}
		if i == 0 {
			l.log.Warn().Uint64("seq", it.seq).Str("reason", it.reason).Str("detail", letter.Detail).Int("more", len(p.dead)-1).
				Msg("a message cannot be converted and is set aside")
		}
		l.metrics.deadLetters.WithLabelValues(l.name, it.reason).Inc()
	}
	l.status.update(func(d *DestinationStatus) { d.DeadLetters += uint64(len(p.dead)) })
	p.dead = nil
	return nil
}

// ack acknowledges all messages up to seq. It comes after the durable commit, and decides nothing: the destination's
// watermark does.
func (l *loop) ack(ctx context.Context, seq uint64, messages int) error {
	if err := l.step(l.name + ": acknowledge"); err != nil {
		return err
	}
	err := l.retry(ctx, "acknowledge", func() error { return l.consumer.AckAll(l.acks, seq) })
	l.status.settled(seq, messages)
	return ended(ctx, err)
}

// note takes a durable batch into status and metrics.
func (l *loop) note(first, last uint64, rows int, bytes int64, newest time.Time, took time.Duration) {
	l.status.update(func(d *DestinationStatus) {
		d.Seq, d.Rows, d.Batches, d.LastAt = last, d.Rows+uint64(rows), d.Batches+1, time.Now().UTC()
		if newest.After(d.Newest) {
			d.Newest = newest
		}
	})
	l.metrics.rows.WithLabelValues(l.name).Add(float64(rows))
	l.metrics.bytes.WithLabelValues(l.name).Add(float64(bytes))
	l.metrics.batchRows.WithLabelValues(l.name).Observe(float64(rows))
	l.metrics.apply.WithLabelValues(l.name).Observe(took.Seconds())
	l.log.Debug().Uint64("first", first).Uint64("last", last).Int("rows", rows).Int64("bytes", bytes).Dur("took", took).Msg("batch is durable")
}

// watermark is the loop's mark after a parcel.
func (l *loop) watermark(p *parcel) lake.Mark {
	mark := l.base
	mark.Seq, mark.Time, mark.Seen = p.last, p.lastTime, p.seen
	return mark
}

// errStopped is what a test returns from between.
var errStopped = errors.New("stopped between two steps")
