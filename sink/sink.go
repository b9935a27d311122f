// Package sink carries the stream into the lake and the warehouse: two durable consumers, one conversion.
//
// The guarantee: **a change is applied to the warehouse exactly once, and lands in the lake exactly once; nothing
// acknowledged is lost by a crash or a power cut.** Each destination keeps its own watermark, in the same commit as
// its data: the warehouse in the batch's transaction, the lake in the batch's manifest entry. On every start, and
// whenever the stream has changed, both watermarks are compared with the stream, and each consumer is placed behind
// its own. An acknowledgement follows the durable commit and decides nothing.
//
// Rows are replaced by key and order (epoch, then sequence). A stream that was recreated or lost its tail begins a new
// epoch, and everything that it holds is applied again: it converges.
package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"claude-analytics/internal/stream"
	"claude-analytics/internal/warehouse"
	"claude-analytics/sink/bronze"
	"claude-analytics/sink/lake"
)

// ErrRunning is returned by a second Run.
var ErrRunning = errors.New("sink is already running")

// Config of the sink. Zero values stand for the defaults named.
type Config struct {
	// Dir is the lake's folder, DATA_DIR/raw. Required.
	Dir string
	// BatchSize and BatchBytes bound a micro-batch, in messages (10,000) and bytes (64 MiB). BatchLinger is how long
	// the warehouse waits for more after a message came (100 ms).
	BatchSize   int
	BatchBytes  int64
	BatchLinger time.Duration
	// A batch lands in the lake when it holds LakeRows changes (10,000), or BatchBytes, or is LakeLinger old (1 min).
	LakeRows   int
	LakeLinger time.Duration
	// StoreRaw keeps the whole document in the warehouse too (STORE_RAW).
	StoreRaw bool
	// KeepDeleted leaves the rows of deleted documents in the warehouse (ON_DELETE=keep).
	KeepDeleted bool
	// Workers is how many goroutines convert for one destination; 0: by processors, at most 4.
	Workers int
	// StopTimeout bounds how long Run finishes what it has in hand after its context ended (30 s).
	StopTimeout time.Duration
	// LakeFS is the disk that the lake is on; nil: the real one.
	LakeFS lake.FS
}

func (c Config) withDefaults() Config {
	def := func(n *int, value int) {
		if *n <= 0 {
			*n = value
		}
	}
	wait := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	def(&c.BatchSize, 10_000)
	def(&c.LakeRows, 10_000)
	if c.BatchBytes <= 0 {
		c.BatchBytes = 64 << 20
	}
	wait(&c.BatchLinger, 100*time.Millisecond)
	wait(&c.LakeLinger, time.Minute)
	wait(&c.StopTimeout, 30*time.Second)
	return c
}

// Applied tells that a batch is in the warehouse.
type Applied struct {
	// Batch is its number, as in meta.changed_keys.
	Batch int64
	// Newest is the newest extracted_at that was ever applied by this process.
	Newest time.Time
}

// Sink is both destinations. Its methods may be called from any goroutine.
type Sink struct {
	cfg     Config
	conn    *stream.Conn
	log     zerolog.Logger
	lake    *lake.Lake
	bronze  *bronze.Bronze
	metrics *metrics
	threads threads

	startup, landed, warehouse progress
	applied                    chan Applied
	flushes                    chan chan error
	// filled is closed once the warehouse holds what it has to take from the lake.
	filled   chan struct{}
	isFilled func()

	// filling is held by whoever fills the warehouse from the lake; leftOut is how many files the last to do so could not read.
	filling sync.Mutex
	leftOut atomic.Int64
	replays replays

	// mirroring is held by whoever mirrors the letters; mirrored is what meta.dead_letters agrees with.
	mirroring   sync.Mutex
	mirrored    stream.LettersState
	lettersHeld atomic.Uint64

	// erasing is held by an erasure.
	erasing sync.Mutex

	mu         sync.Mutex
	state      string
	plan       plan
	gaps       []Gap
	sourceGaps []bronze.SourceGap
	consumers  map[string]*stream.Consumer
	rebuild    *rebuildRequest
	restart    context.CancelCauseFunc

	// between is called around each durable step; a test that returns errStopped from it stops the sink there, as a
	// crash would.
	between func(step string) error
	// newConverter makes what converts; a test's may fail.
	newConverter func() converter
}

// New makes a sink on a connection and a warehouse that are open by the time Run is called. It does no I/O. A nil
// Registerer registers no metrics.
func New(cfg Config, conn *stream.Conn, db *warehouse.DB, log zerolog.Logger, reg prometheus.Registerer) *Sink {
	cfg = cfg.withDefaults()
	log = log.With().Str("part", "sink").Logger()
	s := &Sink{
		cfg: cfg, conn: conn, log: log,
		lake:         lake.New(lake.Config{Dir: cfg.Dir, FS: cfg.LakeFS}, log),
		bronze:       bronze.New(bronze.Config{KeepDeleted: cfg.KeepDeleted}, db, log),
		threads:      db,
		applied:      make(chan Applied, 1),
		flushes:      make(chan chan error),
		state:        StateStopped,
		between:      func(string) error { return nil },
		newConverter: ownRules,
	}
	s.filled = make(chan struct{})
	s.isFilled = sync.OnceFunc(func() { close(s.filled) })
	s.metrics = newMetrics(reg, s)
	return s
}

// Run follows the stream into both destinations until ctx ends. Then it finishes the batches in hand, flushes the
// lake, acknowledges, and returns nil; an error then means that something in hand could not be made durable in time,
// and will be delivered again. What does not work is tried again for ever, visibly in Status and log; a stream that
// changed is followed in a new epoch.
func (s *Sink) Run(ctx context.Context) error {
	if !s.enter() {
		return ErrRunning
	}
	defer s.leave()
	s.log.Info().Msg("sink started")
	defer s.log.Info().Msg("sink stopped")
	pause := firstBackoff
	for {
		began := time.Now()
		err := s.live(ctx)
		switch {
		case ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled) || anew(err)):
			return nil
		case !anew(err):
			return err
		case errors.Is(err, errRestart):
			continue
		}
		s.log.Warn().Err(err).Msg("the stream changed; deciding the epoch anew")
		// A stream that keeps changing must not keep the processor busy.
		if time.Since(began) > time.Minute {
			pause = firstBackoff
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, lastBackoff)
	}
}

func (s *Sink) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != StateStopped {
		return false
	}
	s.state = StateStarting
	return true
}

func (s *Sink) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.consumers = StateStopped, nil
	if s.rebuild != nil {
		s.rebuild.done <- fmt.Errorf("rebuild: %w", context.Canceled)
		s.rebuild = nil
	}
}

func (s *Sink) setState(state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
}

// Applied wakes whoever refreshes models: it holds the newest batch, and batches that nobody waited for become one.
func (s *Sink) Applied() <-chan Applied { return s.applied }

// Filled is closed once Run has taken from the lake what the warehouse lacks, if it lacks anything: before that, whoever
// reads it sees a part and cannot tell.
func (s *Sink) Filled() <-chan struct{} { return s.filled }

func (s *Sink) announce(a Applied) {
	for {
		select {
		case s.applied <- a:
			return
		default:
		}
		select {
		case old := <-s.applied:
			a.Batch = max(a.Batch, old.Batch)
			if old.Newest.After(a.Newest) {
				a.Newest = old.Newest
			}
		default:
		}
	}
}

// Lake is the lake, for those who read it.
func (s *Sink) Lake() *lake.Lake { return s.lake }

// Bronze is the warehouse's raw tables, for those who count or replay.
func (s *Sink) Bronze() *bronze.Bronze { return s.bronze }

// DurableBelow is the first message of the stream's present life that the lake does not hold durably: retention may
// remove what is below. 0 while that is not known.
func (s *Sink) DurableBelow() uint64 {
	if s.Status().State != StateRunning {
		return 0
	}
	return s.landed.get().Seen + 1
}

// FlushLake lands what the lake has in hand, however little; it returns when that is durable.
func (s *Sink) FlushLake(ctx context.Context) error {
	if s.Status().State != StateRunning {
		return nil
	}
	done := make(chan error, 1)
	select {
	case s.flushes <- done:
	case <-ctx.Done():
		return fmt.Errorf("flush lake: %w", ctx.Err())
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("flush lake: %w", ctx.Err())
	}
}

// CaughtUp reports whether everything that the stream holds is durable in both destinations. What the lake has in
// hand is not: FlushLake first.
func (s *Sink) CaughtUp(ctx context.Context) (bool, error) {
	s.mu.Lock()
	running, consumers := s.state == StateRunning, s.consumers
	s.mu.Unlock()
	if !running {
		return false, nil
	}
	state, err := s.conn.State(ctx)
	if err != nil {
		return false, fmt.Errorf("caught up: %w", err)
	}
	for name, at := range map[string]*progress{DestinationLake: &s.landed, DestinationWarehouse: &s.warehouse} {
		now := at.get()
		if now.Seen >= state.LastSeq {
			continue
		}
		// The last messages may have been erased: then none is left to come. What a fetch waits with counts as handed
		// out, so look for longer than that takes.
		pending, err := consumers[name].Pending(ctx)
		if err != nil {
			return false, fmt.Errorf("caught up: %w", err)
		}
		if !at.quietFor(pending == 0, 2*s.lakeFetchLinger()+100*time.Millisecond) {
			return false, nil
		}
	}
	return true, nil
}

// drainInterval is how often Drain looks.
const drainInterval = 50 * time.Millisecond

// Drain waits until everything that the stream holds is durable in both destinations, or ctx ends. It flushes the lake,
// but only once the lake has all in hand, so that files do not get smaller than they must.
func (s *Sink) Drain(ctx context.Context) error {
	tick := time.NewTicker(drainInterval)
	defer tick.Stop()
	for {
		done, err := s.drained(ctx)
		if done || ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		if err != nil {
			s.log.Debug().Err(err).Msg("cannot see yet whether all is durable")
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (s *Sink) drained(ctx context.Context) (bool, error) {
	if done, err := s.CaughtUp(ctx); done || err != nil {
		return done, err
	}
	s.mu.Lock()
	consumer := s.consumers[DestinationLake]
	s.mu.Unlock()
	if consumer == nil || s.landed.inHand() == 0 {
		return false, nil
	}
	if pending, err := consumer.Pending(ctx); err != nil || pending > 0 {
		return false, err
	}
	return false, s.FlushLake(ctx)
}

// Status is the sink at this moment.
func (s *Sink) Status() Status {
	s.mu.Lock()
	status := Status{
		State: s.state, Epoch: s.plan.Epoch, EpochReason: s.plan.Reason, Gaps: slices.Clone(s.gaps),
		SourceGaps: slices.Clone(s.sourceGaps),
	}
	s.mu.Unlock()
	status.Lake, status.Warehouse = s.landed.get(), s.warehouse.get()
	status.Files, status.Faults = s.lake.Stats(), s.lake.Faults()
	status.LeftOut = s.leftOut.Load()
	status.Error = s.startup.get().Error
	return status
}
