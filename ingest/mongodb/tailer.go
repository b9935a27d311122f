package mongodb

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"claude-analytics/proto"
)

// Tailer reads one collection from a position on.
type Tailer struct {
	cfg    Config
	log    zerolog.Logger
	encode encoder

	items  chan []item
	pieces chan *Piece
	room   *semaphore.Weighted
	// began receives the sequence at which a snapshot's beginning became durable.
	began chan uint64

	waiting  atomic.Int64 // since when, for the server to say something new, Unix nanoseconds; 0: it is not waited for
	onTheWay atomic.Int64 // items read and not yet durable
	encoding atomic.Int64 // items read and not yet in a piece
	counted  atomic.Bool  // an error was counted since the last attempt
	backlog  atomic.Bool  // the last reply held so much that more is likely to come
	stats    stats

	// patience is how long a reply of the change stream may take: replyTimeout.
	patience time.Duration

	// What follows belongs to the reading goroutine.
	place     place
	client    *mongo.Client
	canSplit  bool // the server can split events
	split     bool // it does, since one was too large
	sharded   bool // it is a sharded cluster
	parts     assembler
	snapshot  *snapshotCursor
	ended     bool       // a snapshot ended in this life, so that another look at the target is due
	estimated bool       // how many documents there are was asked for
	since     time.Time  // when this snapshot began to be read by this process
	asked     time.Time  // when the target was asked for
	target    uint64     // cluster time up to which everything has to be read before the tailer is caught up; 0: not known
	empty     int        // replies without a change since the target is known
	told      time.Time  // when the place was last handed over
	fatal     int        // times that the stream broke at the same token
	losses    int        // times that the history was lost since a snapshot was complete
	gap       *proto.Gap // to be told
	reread    bool       // what Config.Reread accepts has been read again
}

// New returns a tailer that goes on from a position (nil: from the beginning) with its resume token. lost is why there
// is no position although there should be one; empty: there need not be one. It does no I/O.
func New(cfg Config, position *proto.CollectionPosition, token []byte, lost string, log zerolog.Logger) (*Tailer, error) {
	if cfg.PositionEvery <= 0 {
		cfg.PositionEvery = 10 * time.Second
	}
	if cfg.Turn <= 0 {
		cfg.Turn = 10 * time.Second
	}
	if cfg.Counters == nil {
		cfg.Counters = new(Counters)
	}
	if position != nil && position.GetNamespace() != cfg.Namespace() {
		return nil, &SetupError{
			Problem: fmt.Sprintf("lane %s has followed %s so far, not %s", cfg.Lane, position.GetNamespace(), cfg.Namespace()),
			Remedy:  "give the lane another name with --source NAME, or set MONGO_DB and MONGO_COLLECTION to what it followed",
		}
	}
	at, err := recall(position, token)
	if err != nil {
		return nil, err
	}
	t := &Tailer{
		cfg: cfg, log: log.With().Str("namespace", cfg.Namespace()).Logger(), place: at,
		items: make(chan []item, 1), pieces: make(chan *Piece, 16), room: semaphore.NewWeighted(window),
		began: make(chan uint64, 1), canSplit: true, patience: replyTimeout, reread: cfg.Reread == nil,
		encode: encoder{lane: cfg.Lane, namespace: cfg.Namespace(), maxMessage: cfg.MaxMessage, counters: cfg.Counters, accept: cfg.Reread, redact: cfg.Redact},
	}
	t.stats.set(func(s *Stats) { s.Namespace, s.Phase = cfg.Namespace(), PhaseConnecting })
	switch {
	case position == nil && lost != "":
		if err := t.lost(proto.GapStreamLost, 0, fmt.Errorf("%w: %s", errNoPosition, lost)); err != nil {
			return nil, err
		}
	case position == nil || cfg.Resnapshot.open(&t.place):
		t.place.begin(time.Now())
	}
	return t, nil
}

// Pieces is what there is to publish. It is closed when Run returns.
func (t *Tailer) Pieces() <-chan *Piece { return t.pieces }

// Quiet reports whether no piece is about to come.
func (t *Tailer) Quiet() bool {
	return t.waiting.Load() != 0 && t.encoding.Load() == 0 && !t.Backlog()
}

// Backlog reports whether there is much to read yet: then large batches matter more than early ones. A large reply is no
// sign of more once the next one is waited for: what a program inserts at once comes in one.
func (t *Tailer) Backlog() bool {
	since := t.waiting.Load()
	return t.backlog.Load() && (since == 0 || time.Since(time.Unix(0, since)) < moreWithin)
}

// Run reads until ctx ends, then it returns nil; with Config.Once it returns nil when everything has been read. It
// returns a *HistoryLostError or a *SetupError for what trying again does not mend; everything else it tries again.
func (t *Tailer) Run(ctx context.Context) error {
	defer close(t.pieces)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(t.items)
		return t.read(ctx)
	})
	g.Go(func() error { return t.convert(ctx) })
	if err := g.Wait(); err != nil {
		return fmt.Errorf("read %s: %w", t.cfg.Namespace(), err)
	}
	return nil
}

// hand gives items on, in order.
func (t *Tailer) hand(ctx context.Context, items []item) error {
	if len(items) == 0 {
		return nil
	}
	t.onTheWay.Add(int64(len(items)))
	t.encoding.Add(int64(len(items)))
	t.told = time.Now()
	select {
	case t.items <- items:
		return nil
	case <-ctx.Done():
		t.onTheWay.Add(-int64(len(items)))
		t.encoding.Add(-int64(len(items)))
		return ctx.Err()
	}
}

// say hands over a mark of the tailer's own, or the place alone.
func (t *Tailer) say(ctx context.Context, mark *proto.Change) error {
	return t.hand(ctx, []item{{mark: mark, after: t.place}})
}

// convert makes pieces of what was read, while the next reply is on its way.
func (t *Tailer) convert(ctx context.Context) error {
	for items := range t.items {
		piece := &Piece{
			namespace: t.cfg.Namespace(), subject: proto.PositionSubject(t.cfg.Lane, PositionName),
			entries: t.encode.entries(items, time.Now()), done: t.durable,
		}
		for i := range items {
			piece.weight += int64(len(piece.entries[i].change.Data))
		}
		piece.weight = min(max(piece.weight, 1), window)
		if t.room.Acquire(ctx, piece.weight) != nil {
			return nil
		}
		select {
		case t.pieces <- piece:
			t.encoding.Add(-int64(len(items)))
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// durable makes room, and tells a snapshot that waits for it where in the stream it began.
func (t *Tailer) durable(p *Piece, seq uint64) {
	t.room.Release(p.weight)
	t.onTheWay.Add(-int64(len(p.entries)))
	last := &p.entries[len(p.entries)-1]
	if last.begins {
		t.began <- seq // there is room: one beginning is waited for at a time
	}
	if last.ends && t.cfg.Resnapshot != nil {
		t.cfg.Resnapshot.finished.Store(true)
	}
	at := last.after.time
	t.stats.set(func(s *Stats) { s.Published = wall(at) })
}

// copied is a document that outlives its reply.
func copied(raw bson.Raw) bson.Raw { return append(bson.Raw(nil), raw...) }
