package ingest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/ingest/transcript"
	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

const (
	defaultLinger      = 20 * time.Millisecond
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
	// Folders are the trees of transcripts; those without a name get one that IdentityFile keeps.
	Folders []Folder
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
	// IdentityFile keeps the writer's id and the folders' names, as DATA_DIR/source.json; empty: nothing is kept.
	IdentityFile string
	// Takeover takes the lane from a living writer.
	Takeover bool
	// Backfill reads every file from its start again, whatever the positions say. Row keys stay what they were.
	Backfill bool
	// Heartbeat is how often an idle lane shows that it lives; 0: 10 s.
	Heartbeat time.Duration
}

// Ingest is one lane of transcript folders.
type Ingest struct {
	cfg      Config
	conn     *stream.Conn
	letter   func(context.Context, proto.DeadLetter) error
	log      zerolog.Logger
	metrics  *metrics
	counters transcript.Counters

	mu       sync.Mutex
	follower *transcript.Follower // nil before the lane is open
	now      progress
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
	i := &Ingest{
		cfg: cfg, conn: conn, letter: conn.DeadLetter,
		log: log.With().Str("part", proto.PartIngest).Str("lane", cfg.Lane).Logger(),
		now: progress{state: StateStarting, folders: cfg.Folders},
	}
	i.metrics = newMetrics(reg, cfg.Lane, i.Status, &i.counters)
	return i
}

// Run opens the lane, for which it stands by while another writer lives, and publishes until ctx ends; then it finishes
// the batch in hand, releases the lane and returns nil. With Config.Once it returns nil when all has been published.
// It returns a *stream.TakenError if another writer has taken the lane.
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
	id, folders, err := i.identify()
	if err != nil {
		return err
	}
	lane, err := i.conn.OpenLane(ctx, stream.LaneConfig{
		Lane: i.cfg.Lane, Writer: id.Writer, Heartbeat: i.cfg.Heartbeat, Takeover: i.cfg.Takeover,
		OnWait: func(other *proto.Heartbeat) {
			i.enter(StateStandby, fmt.Sprintf("writer %s (host %s, process %d) has the lane", other.GetWriter(), other.GetHost(), other.GetPid()))
		},
	})
	if err != nil {
		return err
	}
	i.enter(StateFollowing, "")
	i.log.Info().Int("folders", len(folders)).Str("writer", id.Writer).Msg("source started")
	for {
		err = i.follow(ctx, lane, id, folders)
		if !errors.Is(err, stream.ErrLaneReset) || ctx.Err() != nil {
			break
		}
		i.log.Warn().Err(err).Msg("lane was reset, going on from the positions in the stream")
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if rerr := lane.Release(closing); rerr != nil && err == nil {
		i.log.Warn().Err(rerr).Msg("lane was not released, another writer waits for it to be quiet")
	}
	i.log.Info().Msg("source stopped")
	return err
}

// identify settles who we are and what the folders are called, and keeps it.
func (i *Ingest) identify() (*identity, []Folder, error) {
	id, err := loadIdentity(i.cfg.IdentityFile)
	if err != nil {
		return nil, nil, err
	}
	folders := make([]Folder, len(i.cfg.Folders))
	for n, folder := range i.cfg.Folders {
		if folder.Path, err = filepath.Abs(folder.Path); err != nil {
			return nil, nil, fmt.Errorf("folder %s: %w", folder.Path, err)
		}
		folders[n] = folder
	}
	lane := id.lane(i.cfg.Lane)
	folders = NameFolders(folders, lane.Folders)
	names := map[string]string{}
	for _, folder := range folders {
		if other := names[folder.Name]; other != "" {
			return nil, nil, fmt.Errorf("folders %s and %s have the same name %q", other, folder.Path, folder.Name)
		}
		names[folder.Name] = folder.Path
		lane.Folders[folder.Name] = folder.Path
	}
	i.mu.Lock()
	i.now.folders, i.now.writer = folders, id.Writer
	i.mu.Unlock()
	return id, folders, id.save()
}

// follow publishes from the positions in the stream on.
func (i *Ingest) follow(ctx context.Context, lane *stream.Lane, id *identity, folders []Folder) error {
	i.mu.Lock()
	i.follower = nil
	i.mu.Unlock()
	positions, err := i.positions(ctx, lane)
	if err != nil {
		return err
	}
	begun := id.lane(i.cfg.Lane)
	if begun.Begun != nil && len(positions) == 0 {
		i.log.Error().Time("begun", *begun.Begun).
			Msg("the stream holds no position of a lane that had begun: it was recreated or emptied; reading everything again")
	}
	limit := i.conn.MaxPayload()
	follower := transcript.New(transcript.Config{
		Lane: i.cfg.Lane, Folders: folders, Rescan: i.cfg.Rescan, Once: i.cfg.Once, Counters: &i.counters,
		MaxObject: max(1, min(i.cfg.MaxDocument, limit-reserve)), MaxMessage: limit,
	}, positions, i.log)
	publisher := &publisher{
		lane: lane, letter: i.letter, slices: follower.Slices(), quiet: follower.Quiet,
		writer: id.Writer, linger: i.cfg.Linger, limit: i.cfg.BatchBytes,
		published: func(b *batch, seq uint64, took time.Duration) {
			i.published(b, seq, took)
			i.begun(id)
		},
	}
	i.mu.Lock()
	i.follower = follower
	i.mu.Unlock()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return lane.Run(gctx) })
	g.Go(func() error { return follower.Run(gctx) })
	g.Go(func() error {
		defer stop() // with Once, nothing is left to do
		return publisher.run(gctx, grace)
	})
	return g.Wait()
}

// begun notes that the lane has begun, once.
func (i *Ingest) begun(id *identity) {
	lane := id.lane(i.cfg.Lane)
	if lane.Begun != nil {
		return
	}
	now := time.Now().UTC()
	lane.Begun = &now
	if err := id.save(); err != nil {
		i.log.Warn().Err(err).Msg("that the lane has begun was not kept")
	}
}

// positions reads how far the lane has come in each file.
func (i *Ingest) positions(ctx context.Context, lane Lane) ([]*proto.FilePosition, error) {
	messages, err := lane.Positions(ctx)
	if err != nil {
		return nil, err
	}
	positions := make([]*proto.FilePosition, 0, len(messages))
	for name, data := range messages {
		var position proto.Position
		if err := protobuf.Unmarshal(data, &position); err != nil {
			return nil, fmt.Errorf("read position %s: %w", name, err)
		}
		if position.GetVersion() > proto.Version {
			return nil, fmt.Errorf("read position %s: version %d is of a newer release", name, position.GetVersion())
		}
		if file := position.GetFile(); file != nil {
			if i.cfg.Backfill {
				// The generation stays: it is part of the row key.
				file.Offset, file.TailHash, file.TailLength = 0, 0, 0
			}
			positions = append(positions, file)
		}
	}
	return positions, nil
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
		i.log.Debug().Str("reason", letter.Reason).Str("file", strconv.QuoteToASCII(letter.File)).Int64("offset", letter.Offset).Msg("set aside")
	}
	i.log.Debug().Int("changes", len(b.changes)).Int("files", len(b.last)).Uint64("seq", seq).Dur("took", took).Msg("published")
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now.documents += int64(len(b.changes))
	i.now.bytes += b.source
	i.now.letters += int64(len(b.letters))
	i.now.last, i.now.seq = time.Now(), seq
}
