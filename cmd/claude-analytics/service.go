package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"claude-analytics/dashboard"
	"claude-analytics/ingest"
	"claude-analytics/internal/config"
	"claude-analytics/internal/lockfile"
	"claude-analytics/internal/mask"
	"claude-analytics/internal/redact"
	"claude-analytics/internal/stream"
	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
	"claude-analytics/proto"
	"claude-analytics/sink"
	"claude-analytics/verify"
)

// roles says which parts a service has.
type roles struct {
	command string
	ingest  bool
	sink    bool
	modeler bool
	http    bool
}

// service is what up, ingest and warehouse run, and what the offline commands open for one pass: the parts in the order
// of the data path. Parts that the roles leave out are nil.
type service struct {
	cfg      config.Loaded
	roles    roles
	log      zerolog.Logger
	registry *prometheus.Registry
	started  time.Time

	ready   atomic.Bool // everything is open; before that, parts must not be asked
	lock    *lockfile.Lock
	http    *dashboard.Server
	conn    *stream.Conn
	lanes   lanes
	rules   *redact.Rules // nil: secrets are not replaced
	db      *warehouse.DB
	sink    *sink.Sink
	modeler *modeler.Modeler
	copies  *warehouse.Publisher
	gc      collecting

	surveys       []*ingest.Survey // of the lanes, to compare with
	verifications verifications
}

// serviceOptions are what a command adds to the settings.
type serviceOptions struct {
	sources  sources
	once     bool // sources make one pass and stop
	backfill bool // from the start of every file and collection
	takeover bool
	reread   *ingest.Reread // a part to publish again; nil: none
}

// softMemory is what Go's collector aims to keep the heap below, unless GOMEMLIMIT says otherwise: without it the heap of
// a cold import grows to twice what is alive. DuckDB's memory is apart (DUCKDB_MEMORY_LIMIT).
const softMemory = 768 << 20

func newService(cfg config.Loaded, roles roles, log zerolog.Logger) *service {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemory)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &service{cfg: cfg, roles: roles, log: log, registry: registry, started: time.Now().UTC()}
}

// open starts what the parts stand on, in data-path order. On an error the caller still calls close.
func (s *service) open(ctx context.Context, opt serviceOptions) error {
	var err error
	if s.roles.ingest {
		if s.rules, err = loadRules(s.cfg); err != nil {
			return err
		}
		if s.rules == nil {
			s.log.Warn().Msg("REDACT=off: secrets are published as they are read")
		}
	}
	info, err := s.takeLock()
	if err != nil {
		return err
	}
	if s.roles.http {
		// First of all, so that a page is there while the rest starts.
		s.http = dashboard.New(dashboard.Config{
			Addr: s.cfg.HTTPAddr, Token: s.cfg.HTTPToken, NoWarehouse: !s.roles.sink, ShutdownTimeout: s.cfg.ShutdownTimeout,
			Letters: s.pageLetters, Document: s.pageDocument,
		},
			s.parts(), func(ctx context.Context) (any, error) { return s.status(ctx) }, s.registry, s.log)
		if err := s.http.Open(ctx); err != nil {
			return err
		}
		for _, exposed := range checkExposed("http-exposed", "HTTP_ADDR", s.cfg.HTTPAddr, s.cfg.HTTPToken != "") {
			s.log.Warn().Msg(exposed.Detail + "; " + exposed.Remedy)
		}
		info.HTTPAddr = s.http.Addr()
	}
	bus := stream.Config{URL: s.cfg.NATSURL, Creds: s.cfg.NATSCreds, Dir: s.cfg.StreamDir()}
	if !s.roles.http {
		bus.ConnectWait = dialWait // whoever gives one answer gives it; a service waits for its bus
	}
	s.conn = stream.New(bus, s.log)
	if err := s.conn.Open(ctx); err != nil {
		return err
	}
	info.NATSURL = s.conn.URL()
	if err := s.lock.Update(info); err != nil {
		return err
	}
	if s.roles.ingest {
		if err := s.openIngest(opt); err != nil {
			return err
		}
	}
	if s.roles.sink || s.roles.modeler {
		if err := s.openWarehouse(ctx); err != nil {
			return err
		}
	}
	s.ready.Store(true)
	return nil
}

// takeLock makes the DATA_DIR this process's own.
func (s *service) takeLock() (info lockfile.Info, err error) {
	info = lockfile.Info{PID: os.Getpid(), Command: s.roles.command, Started: s.started}
	s.lock, err = lockfile.Acquire(s.cfg.LockPath(), info)
	return info, err
}

func (s *service) openIngest(opt serviceOptions) error {
	configs, err := opt.sources.lanes(s.cfg, opt)
	if err != nil {
		return err
	}
	for _, cfg := range configs {
		if s.rules != nil {
			cfg.Redact = s.rules
		}
		s.lanes = append(s.lanes, ingest.New(cfg, s.conn, s.log, s.registry))
		s.surveys = append(s.surveys, ingest.NewSurvey(cfg, s.conn, s.log))
	}
	return nil
}

func (s *service) openWarehouse(ctx context.Context) error {
	s.db = warehouse.New(warehouse.Config{
		Path: s.cfg.WarehousePath(), Threads: s.cfg.DuckDBThreads, MemoryLimit: s.cfg.DuckDBMemoryLimit, Indexes: s.cfg.RawIndexes,
		Copies: s.cfg.CopiesDir(),
	}, s.log)
	if err := s.db.Open(ctx); err != nil {
		return err
	}
	s.sink = sink.New(sink.Config{
		Dir: s.cfg.LakeDir(), BatchSize: s.cfg.BatchSize, BatchBytes: int64(s.cfg.BatchBytes), BatchLinger: s.cfg.BatchLinger,
		StoreRaw: s.cfg.StoreRaw, KeepDeleted: s.cfg.OnDelete == "keep", StopTimeout: s.cfg.ShutdownTimeout,
	}, s.conn, s.db, s.log, s.registry)
	s.modeler = modeler.New(modeler.Config{
		Debounce: s.cfg.RefreshDebounce, MaxWait: s.cfg.RefreshMaxWait, Interval: s.cfg.RefreshInterval,
		FullRefreshCron: s.cfg.FullRefreshCron, ReportTZ: s.cfg.ReportTZ, Prices: s.cfg.Prices, Behind: s.behind, OnRefresh: s.announceRefresh,
	}, s.db, s.log, s.registry)
	s.verifications.metrics = verify.NewMetrics(s.registry)
	s.recallVerification(ctx)
	if err := s.modeler.Recall(ctx); err != nil {
		s.log.Warn().Err(err).Msg("the last refresh is not known")
	}
	return s.openCopies()
}

// behind tells the modeler that much is still to come, so that refreshes had better wait.
func (s *service) behind() bool {
	if status := s.sink.Status(); status.State == sink.StateRebuilding || status.Warehouse.Lag > int64(s.cfg.BatchSize) {
		return true
	}
	for _, lane := range s.lanes {
		status := lane.Status()
		if status.LagBytes > int64(s.cfg.BatchBytes) || status.Collection != nil && status.State == ingest.StateReading {
			return true
		}
	}
	return false
}

// announceRefresh tells whoever listens that the marts are new.
func (s *service) announceRefresh(result modeler.Result) {
	s.copies.Changed(result.Changes)
	if s.http != nil {
		s.http.API().Refreshed(result)
	}
	if err := s.conn.Emit(context.Background(), proto.EventModelsRefreshed, result); err != nil {
		s.log.Debug().Err(err).Msg("nobody was told of the refresh")
	}
}

// run lets the parts live until ctx ends or one fails; stopWhen, if given, ends them without an error when it returns.
func (s *service) run(ctx context.Context, stopWhen func(context.Context) error) error {
	told := ctx
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return giveBack(ctx, memoryPeriod, s.giveBackDuckDB) })
	if s.http != nil {
		g.Go(func() error { return s.http.Run(ctx) })
	}
	endpoints, err := s.serveEndpoints(ctx)
	if err != nil {
		return err
	}
	defer endpoints()
	for _, lane := range s.lanes {
		g.Go(func() error { return lane.Run(ctx) })
	}
	if s.roles.sink {
		g.Go(func() error { return s.sink.Run(ctx) })
		g.Go(func() error { return s.sweep(ctx) })
	}
	if s.roles.sink && s.roles.modeler {
		g.Go(func() error { return s.verifyHourly(ctx) })
	}
	if s.modeler != nil && s.roles.modeler {
		applied := make(chan struct{}, 1)
		g.Go(func() error { return wake(ctx, s.sink.Applied(), applied) })
		g.Go(func() error {
			// Marts of a half-filled warehouse would look like whole ones.
			if s.roles.sink {
				select {
				case <-s.sink.Filled():
				case <-ctx.Done():
					return nil
				}
			}
			return s.modeler.Run(ctx, applied)
		})
		g.Go(func() error { return s.copies.Run(ctx) })
	}
	if stopWhen != nil {
		g.Go(func() error {
			err := stopWhen(ctx)
			stop(errDone)
			return err
		})
	}
	s.log.Info().Str("command", s.roles.command).Str("nats", mask.URLs(s.conn.URL())).Str("data", s.cfg.DataDir).Msg("started")
	// What is in hand is finished when ctx ends, but not for ever.
	finished := make(chan error, 1)
	go func() { finished <- g.Wait() }()
	select {
	case err = <-finished:
	case <-ctx.Done():
		select {
		case err = <-finished:
		case <-time.After(s.cfg.ShutdownTimeout):
			err = fmt.Errorf("what was in hand was not finished within SHUTDOWN_TIMEOUT (%s); the next start takes it up again", s.cfg.ShutdownTimeout)
		}
	}
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if err == nil && told.Err() == nil {
		s.publishLast(told)
	}
	return err
}

// wake passes on that something was applied; several times are one.
func wake(ctx context.Context, from <-chan sink.Applied, to chan<- struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-from:
		}
		select {
		case to <- struct{}{}:
		default:
		}
	}
}

// errDone is the cause with which a service ends that has done what it was started for.
var errDone = errors.New("done")

// close gives everything back, in reverse order. It may be called whatever open got to.
func (s *service) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.ShutdownTimeout)
	defer cancel()
	var faults []error
	if s.http != nil {
		s.http.Close()
	}
	if s.conn != nil {
		faults = append(faults, s.conn.Close(ctx))
	}
	if s.copies != nil {
		s.closeCopies(ctx)
	}
	if s.db != nil {
		faults = append(faults, s.db.Close())
	}
	if s.lock != nil {
		s.lock.Release()
	}
	s.log.Info().Str("command", s.roles.command).Dur("after", time.Since(s.started)).Msg("stopped")
	return errors.Join(faults...)
}
