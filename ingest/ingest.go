package ingest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/ingest/mongodb"
	"claude-analytics/ingest/transcript"
	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

const (
	defaultLinger = 20 * time.Millisecond
	// backlogLinger is how long a batch may wait while there is much to read: each batch has a fixed price.
	backlogLinger      = 250 * time.Millisecond
	defaultBatchBytes  = 8 << 20
	defaultMaxDocument = 31 << 20
	// reserve is what a change takes beside its document, at most, bytes.
	reserve = 64 << 10
	// grace is how long the last batch, and then the release of the lane, may take when the source stops.
	grace = 10 * time.Second
)

// Config says what to read and where it goes.
type Config struct {
	// Lane is the lane's name, as proto.LaneName makes it.
	Lane string
	// Folders are the trees of transcripts; those without a name get one that Identity keeps.
	Folders []Folder
	// Collection is what is followed in place of folders; nil: folders are.
	Collection *Collection
	// Rescan is how often all folders are looked through, whatever the system's events said; 0: 10 s.
	Rescan time.Duration
	// Linger is how long a batch may wait for more; 0: 20 ms.
	Linger time.Duration
	// BatchBytes is from which size on a batch is not added to; 0: 8 MiB.
	BatchBytes int64
	// MaxDocument is the longest object in a transcript that is published, bytes; 0: 31 MiB. What the server takes
	// bounds it too.
	MaxDocument int64
	// Once ends Run when everything that is there has been published.
	Once bool
	// Identity keeps the writer's id and the lane's names; nil: nothing is kept.
	Identity *Identity
	// Positions is a folder in which the lane's positions are kept from an orderly stop to the next start; empty: they are read in
	// the stream each time.
	Positions string
	// Takeover takes the lane from a living writer.
	Takeover bool
	// Backfill reads everything from its start again, whatever the positions say. Row keys stay what they were.
	Backfill bool
	// Reread is a part to publish once more; nil: none.
	Reread *Reread
	// Redact replaces secrets before anything is published; nil: nothing is replaced.
	Redact Redactor
	// Heartbeat is how often an idle lane shows that it lives; 0: 10 s.
	Heartbeat time.Duration
}

// Ingest is one lane: folders of transcripts, or a collection.
type Ingest struct {
	cfg     Config
	conn    *stream.Conn
	letter  func(context.Context, proto.DeadLetter) error
	log     zerolog.Logger
	source  source
	metrics *metrics

	mu     sync.Mutex
	reader reader // nil before the lane is open
	now    progress
}

// New returns an ingest that publishes through conn, which must be open when Run is called. It does no I/O. Metrics are
// registered with reg, if that is not nil.
func New(cfg Config, conn *stream.Conn, log zerolog.Logger, reg prometheus.Registerer) *Ingest {
	if cfg.Linger <= 0 {
		cfg.Linger = defaultLinger
	}
	if cfg.BatchBytes <= 0 {
		cfg.BatchBytes = defaultBatchBytes
	}
	if cfg.MaxDocument <= 0 {
		cfg.MaxDocument = defaultMaxDocument
	}
	if cfg.Identity == nil {
		cfg.Identity = NewIdentity("")
	}
	i := &Ingest{
		cfg: cfg, conn: conn, letter: conn.DeadLetter,
		log: log.With().Str("part", proto.PartIngest).Str("lane", cfg.Lane).Logger(),
		now: progress{state: StateStarting},
	}
	factory := newFactory(reg, cfg.Lane)
	var secrets Redactor
	if cfg.Redact != nil {
		secrets = newRedaction(cfg.Redact, factory, i.log)
	}
	if cfg.Collection != nil {
		collection := *cfg.Collection
		collection.Lane, collection.Once = cfg.Lane, cfg.Once
		if cfg.Backfill {
			collection.Resnapshot = mongodb.NewRequest(time.Now())
		}
		collection.Counters = new(mongodb.Counters)
		collection.Redact = secrets
		if cfg.Reread != nil {
			collection.Reread = cfg.Reread.Accepts
		}
		i.source = &collectionSource{cfg: collection, log: i.log}
		i.metrics = newMetrics(factory, i.Status)
		addCollectionMetrics(factory, i.Status, collection.Counters)
		return i
	}
	counters := new(transcript.Counters)
	i.source = &folderSource{
		lane: cfg.Lane, folders: cfg.Folders, rescan: cfg.Rescan, max: cfg.MaxDocument, once: cfg.Once, backfill: cfg.Backfill,
		reread:   cfg.Reread,
		counters: counters, redact: secrets, log: i.log,
	}
	i.metrics = newMetrics(factory, i.Status)
	addFolderMetrics(factory, i.Status, counters)
	return i
}

// Run opens the lane, for which it stands by while another writer lives, and publishes until ctx ends; then it finishes
// the batch in hand, releases the lane and returns nil. With Config.Once it returns nil when all has been published.
// It returns a *stream.TakenError if another writer has taken the lane, and what its source cannot go on from.
func (i *Ingest) Run(ctx context.Context) error {
	err := i.run(ctx)
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	i.ended(err, i.cfg.Once && ctx.Err() == nil)
	if err != nil {
		return fmt.Errorf("ingest %s: %w", i.cfg.Lane, err)
	}
	return nil
}

func (i *Ingest) run(ctx context.Context) error {
	writer, err := i.cfg.Identity.change(i.cfg.Lane, i.source.identify)
	if err != nil {
		return err
	}
	i.mu.Lock()
	i.now.writer = writer
	i.mu.Unlock()
	lane, err := i.conn.OpenLane(ctx, stream.LaneConfig{
		Lane: i.cfg.Lane, Writer: writer, Heartbeat: i.cfg.Heartbeat, Takeover: i.cfg.Takeover, Keeper: positionKeeper(i.cfg.Positions),
		OnTrouble: i.trouble,
		OnWait: func(other *proto.Heartbeat) {
			i.enter(StateStandby, fmt.Sprintf("writer %s (host %s, process %d) has the lane", other.GetWriter(), other.GetHost(), other.GetPid()))
		},
	})
	if err != nil {
		return err
	}
	i.log.Info().Str("writer", writer).Msg("source started")
	for {
		err = i.follow(ctx, lane, writer)
		if !errors.Is(err, stream.ErrLaneReset) || ctx.Err() != nil {
			break
		}
		i.log.Warn().Err(err).Msg("lane was reset, going on from the positions in the stream")
	}
	i.noteLost(err)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), i.grace())
	defer cancel()
	if rerr := lane.Release(closing); rerr != nil && err == nil {
		i.log.Warn().Err(rerr).Msg("lane was not released, another writer waits for it to be quiet")
	}
	i.log.Info().Msg("source stopped")
	return err
}

// follow publishes from the positions in the stream on.
func (i *Ingest) follow(ctx context.Context, lane *stream.Lane, writer string) error {
	i.mu.Lock()
	i.reader = nil
	i.mu.Unlock()
	i.enter(StateStarting, "reading its positions in the stream")
	from, err := i.beginning(ctx, lane)
	if err != nil {
		return err
	}
	reader, err := i.source.open(from)
	if err != nil {
		return err
	}
	i.enter(StateFollowing, "")
	publisher := &publisher{
		lane: lane, letter: i.letter, pieces: reader.pieces(), quiet: reader.quiet, backlog: reader.backlog,
		writer: writer, linger: i.cfg.Linger, limit: i.cfg.BatchBytes,
		published: func(b *batch, seq uint64, took time.Duration) {
			i.published(b, seq, took)
			i.begun()
		},
	}
	i.mu.Lock()
	i.reader = reader
	i.mu.Unlock()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return lane.Run(gctx) })
	g.Go(func() error { return reader.run(gctx) })
	g.Go(func() error {
		defer stop() // with Once, nothing is left to do
		return publisher.run(gctx, i.grace)
	})
	return g.Wait()
}

// beginning reads how far the lane has come.
func (i *Ingest) beginning(ctx context.Context, lane Lane) (beginning, error) {
	from := beginning{positions: map[string]*proto.Position{}, maxMessage: i.conn.MaxPayload()}
	messages, err := lane.Positions(ctx)
	if err != nil {
		return from, err
	}
	for name, data := range messages {
		var position proto.Position
		if err := protobuf.Unmarshal(data, &position); err != nil {
			return from, fmt.Errorf("read position %s: %w", name, err)
		}
		if position.GetVersion() > proto.Version {
			return from, fmt.Errorf("read position %s: version %d is of a newer release", name, position.GetVersion())
		}
		from.positions[name] = &position
	}
	_, err = i.cfg.Identity.change(i.cfg.Lane, func(kept *laneIdentity) error {
		if kept.Begun != nil && len(from.positions) == 0 {
			from.lost = "it had begun at " + kept.Begun.Format(time.RFC3339)
		}
		return nil
	})
	return from, err
}

// begun notes that the lane has begun, once, and that its source can be read.
func (i *Ingest) begun() {
	i.mu.Lock()
	noted := i.now.begun
	i.now.begun = true
	i.mu.Unlock()
	if noted {
		return
	}
	if _, err := i.cfg.Identity.change(i.cfg.Lane, func(kept *laneIdentity) error {
		if kept.Begun == nil {
			now := time.Now().UTC()
			kept.Begun = &now
		}
		kept.Lost = ""
		return nil
	}); err != nil {
		i.log.Warn().Err(err).Msg("that the lane has begun was not kept")
	}
}

// noteLost keeps that the lane ended since the history of its source is lost, so that it can be told while nothing runs.
func (i *Ingest) noteLost(err error) {
	var lost *mongodb.HistoryLostError
	if !errors.As(err, &lost) {
		return
	}
	if _, err := i.cfg.Identity.change(i.cfg.Lane, func(kept *laneIdentity) error {
		kept.Lost = time.Now().UTC().Format(time.RFC3339) + ": " + lost.Error()
		return nil
	}); err != nil {
		i.log.Warn().Err(err).Msg("that the history is lost was not kept")
	}
}

// published takes note of a batch that is durable.
func (i *Ingest) published(b *batch, seq uint64, took time.Duration) {
	messages := len(b.changes) + len(b.last)
	i.metrics.changes.Add(float64(len(b.changes)))
	i.metrics.bytes.Add(float64(b.source))
	i.metrics.batchSize.Observe(float64(messages))
	i.metrics.publishSeconds.Observe(took.Seconds())
	for _, letter := range b.letters {
		i.metrics.letters.WithLabelValues(letter.Reason).Inc()
		i.log.Debug().Str("reason", letter.Reason).Str("id", letter.ID).Str("file", strconv.QuoteToASCII(letter.File)).
			Int64("offset", letter.Offset).Msg("set aside")
	}
	i.log.Debug().Int("changes", len(b.changes)).Int("positions", len(b.last)).Uint64("seq", seq).Dur("took", took).Msg("published")
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now.documents += int64(len(b.changes))
	i.now.bytes += b.source
	i.now.letters += int64(len(b.letters))
	i.now.last, i.now.seq = time.Now(), seq
}
