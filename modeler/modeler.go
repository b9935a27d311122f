// Package modeler keeps the models up to date: it runs the files of a dbt project natively, in process, and replaces in
// one transaction exactly what changed in bronze. Incremental equals full, row for row.
package modeler

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// Defaults of Config.
const (
	DefaultDebounce   = 100 * time.Millisecond
	DefaultMaxWait    = 250 * time.Millisecond
	DefaultBehindWait = 2 * time.Second
	DefaultChunk      = 100_000
)

// Config says what to run and when. The zero value runs the built-in project with the defaults, without timer and cron.
type Config struct {
	// ProjectFS is the dbt project; its root holds dbt_project.yml. nil: the one that the program carries.
	ProjectFS fs.FS
	// ReportTZ is the time zone of date_key and of the cron expression; empty: UTC. The project gets it as var report_tz.
	ReportTZ string
	// Prices is a file of one's own prices (CSV or YAML); empty: none. It is read again when it has changed.
	Prices string
	// Debounce is how long it must be quiet before a refresh starts; 0: DefaultDebounce.
	Debounce time.Duration
	// MaxWait is how long after the first change a refresh starts at the latest; 0: DefaultMaxWait.
	MaxWait time.Duration
	// BehindWait stands for MaxWait while Behind says that much is still to be applied; 0: DefaultBehindWait.
	BehindWait time.Duration
	// Behind says that the sink has a large backlog, so that refreshes had better wait; nil: never.
	Behind func() bool
	// Interval after which a refresh starts although nothing was heard of a change; 0: none.
	Interval time.Duration
	// FullRefreshCron is when everything is rebuilt, five fields in ReportTZ; empty: never.
	FullRefreshCron string
	// Chunk is how many documents one transaction computes at most, about; 0: DefaultChunk. A rebuild of more is done in
	// parts, a backlog of more in several refreshes.
	Chunk int64
	// OnRefresh is called as soon as others see what a refresh changed, from the refreshing goroutine, which tests the rows
	// only then. It must not write to the warehouse.
	OnRefresh func(Result)
}

// Kinds of a refresh.
const (
	KindIncremental = "incremental"
	KindFull        = "full"
)

// Reason says why a refresh was started.
type Reason string

// The reasons.
const (
	ReasonStart   Reason = "start"
	ReasonChange  Reason = "change"
	ReasonTimer   Reason = "timer"
	ReasonCron    Reason = "cron"
	ReasonRequest Reason = "request"
)

// Options narrow or widen a refresh. The zero value brings every model up to date.
type Options struct {
	// Select and Exclude are dbt's selectors. With them only those models are refreshed, and the changes are kept for the others.
	Select, Exclude []string
	// Full rebuilds from all documents instead of from what changed.
	Full bool
	// Reason is recorded; empty: ReasonRequest.
	Reason Reason

	started time.Time
	until   int64 // batch of bronze whose changes are the last to take up; 0: the newest
}

// Result is what a refresh did.
type Result struct {
	ID              int64     `json:"id"` // in meta.refreshes; 0 if there was nothing to do
	Kind            string    `json:"kind"`
	Reason          Reason    `json:"reason"`
	Started         time.Time `json:"started"`
	Finished        time.Time `json:"finished"`         // when others saw it
	Seconds         float64   `json:"seconds"`          // from the start until then
	ChangedSessions int64     `json:"changed_sessions"` // whose documents changed
	Sessions        int64     `json:"sessions"`         // computed: those, and all that share a record with them
	// SessionIDs are those that were computed; nil if they are many, or all.
	SessionIDs []string      `json:"session_ids,omitempty"`
	Batch      int64         `json:"batch"`          // last batch of bronze that the marts hold
	More       bool          `json:"more,omitempty"` // a part of the backlog is left
	Models     []ModelResult `json:"models"`
	Rules      []RuleChange  `json:"rules,omitempty"` // whose version changed
	// Changes are the rows that it replaced.
	Changes warehouse.Changes `json:"-"`
	newest  time.Time         // arrival of the newest document that the marts hold
}

// Nothing is whether the marts were up to date already.
func (r Result) Nothing() bool { return r.ID == 0 }

// ModelResult is a model's share of a refresh.
type ModelResult struct {
	Name    string  `json:"name"`
	Rows    int64   `json:"rows"` // deleted and inserted; all of them if it was rebuilt
	Seconds float64 `json:"seconds"`
	Full    bool    `json:"full,omitempty"`
}

// Modeler refreshes the models of one warehouse. Its methods may be called from any goroutine; refreshes run one at a time.
type Modeler struct {
	cfg     Config
	db      *warehouse.DB
	log     zerolog.Logger
	metrics metrics

	turn      chan struct{} // held by the refresh that runs, see inTurn
	project   *project.Project
	prices    priceFile
	columns   *columnCache
	metaReady bool
	tests     *testBook
	now       func() time.Time // the clock that freshness goes by

	mu     sync.Mutex
	status Status
}

// New prepares a Modeler; the project is read at the first refresh. reg may be nil.
func New(cfg Config, db *warehouse.DB, log zerolog.Logger, reg prometheus.Registerer) *Modeler {
	setDefault(&cfg.Debounce, DefaultDebounce)
	setDefault(&cfg.MaxWait, DefaultMaxWait)
	setDefault(&cfg.BehindWait, DefaultBehindWait)
	setDefault(&cfg.Chunk, DefaultChunk)
	if cfg.ReportTZ == "" {
		cfg.ReportTZ = "UTC"
	}
	if cfg.ProjectFS == nil {
		cfg.ProjectFS = Models()
	}
	return &Modeler{
		cfg: cfg, db: db, log: log.With().Str("part", "modeler").Logger(),
		metrics: newMetrics(reg), turn: make(chan struct{}, 1), prices: priceFile{path: cfg.Prices}, columns: newColumnCache(),
		tests: newTestBook(), now: time.Now,
	}
}

func setDefault[T comparable](v *T, byDefault T) {
	var zero T
	if *v == zero {
		*v = byDefault
	}
}

// Refresh brings the models up to date and returns when they are. Errors in the project are project.Faults, in a model's
// SQL a *ModelError; the marts then stay as they were.
func (m *Modeler) Refresh(ctx context.Context, opts Options) (Result, error) {
	if opts.Reason == "" {
		opts.Reason = ReasonRequest
	}
	var total Result
	for {
		result, err := m.refreshOnce(ctx, opts)
		if err != nil {
			return total, err
		}
		total.add(result)
		if !result.More {
			return total, nil
		}
		opts.Full = false // what is left is a backlog
		if opts.until == 0 {
			opts.until = result.Batch // what comes meanwhile is another refresh's, or this one might never end
		}
	}
}

// add joins the refreshes that worked a backlog off.
func (r *Result) add(next Result) {
	if r.Kind == "" || next.Nothing() {
		if r.Kind == "" {
			*r = next
		}
		return
	}
	next.Started, next.Kind, next.SessionIDs = r.Started, r.Kind, nil
	next.Seconds += r.Seconds
	next.Sessions += r.Sessions
	next.Rules = append(r.Rules, next.Rules...)
	next.ChangedSessions = max(next.ChangedSessions, r.ChangedSessions)
	*r = next
}

// refreshOnce waits for the refresh that runs, and then runs one.
func (m *Modeler) refreshOnce(ctx context.Context, opts Options) (Result, error) {
	var result Result
	err := m.inTurn(ctx, func() error {
		// Before anything is said to have begun: who mistypes a name changes nothing of how the models stand.
		if err := m.checkSelectors(opts); err != nil {
			return err
		}
		opts.started = time.Now()
		m.began(opts)
		err := untilDone(ctx, func() (err error) {
			result, err = m.refresh(ctx, opts)
			return err
		})
		m.ended(ctx, opts, result, err)
		return err
	})
	if err != nil {
		return Result{}, fmt.Errorf("refresh models: %w", err)
	}
	return result, nil
}

// refresh runs with the turn held.
func (m *Modeler) refresh(ctx context.Context, opts Options) (Result, error) {
	p, err := m.load(opts)
	if err != nil {
		return Result{}, err
	}
	if err := m.tests.load(ctx, m.db); err != nil {
		return Result{}, err
	}
	var result Result
	var ahead *prebuilt
	var done *run
	attempt := func(ctx context.Context, tx *warehouse.Tx) error {
		r := m.newRun(p, tx, opts)
		if r.ahead = ahead; ahead != nil {
			r.tests = ahead.tests
		}
		r.seen = func() {
			if result = r.result(); m.cfg.OnRefresh != nil {
				m.cfg.OnRefresh(result)
			}
		}
		done = r
		if err := r.do(ctx); err != nil {
			return err
		}
		if r.nothing() {
			result = r.result()
		}
		return nil
	}
	err = m.db.Write(ctx, "refresh", attempt)
	if errors.Is(err, errPrebuild) {
		if ahead, err = m.prebuild(ctx, p, opts); err != nil {
			return Result{}, err
		}
		err = m.db.Write(ctx, "refresh", attempt)
	}
	m.metaReady = err == nil // a rebuild of the warehouse may have begun a new file
	if err != nil {
		return result, err
	}
	if m.noteTests(done) {
		err = m.tests.write(ctx, m.db, p)
	}
	return result, err
}

// load reads the project: at first, and again when someone asks, when prices changed, or when the last refresh failed,
// since then its files may have been mended.
func (m *Modeler) load(opts Options) (*project.Project, error) {
	m.mu.Lock()
	failed := m.status.LastError != ""
	m.mu.Unlock()
	if m.project != nil && !failed && opts.Reason != ReasonRequest && opts.Reason != ReasonCron && !m.prices.changed() {
		return m.project, nil
	}
	fsys, err := m.prices.into(m.cfg.ProjectFS)
	if err != nil {
		return nil, err
	}
	p, err := project.Load(fsys, map[string]any{"report_tz": m.cfg.ReportTZ})
	if err != nil {
		return nil, err
	}
	m.project, m.columns = p, newColumnCache()
	return p, nil
}

func (m *Modeler) newRun(p *project.Project, tx *warehouse.Tx, opts Options) *run {
	return &run{
		project: p, tx: tx, columns: m.columns, opts: opts, chunk: m.cfg.Chunk, metaReady: m.metaReady,
		tests: newChangedTests(p), fresh: map[*project.Node]string{},
	}
}

// few are the sessions that were computed; nil if they are many, or other rows may have changed too.
func (r *run) few() []string {
	if len(r.rebuild) > 0 || r.ahead != nil {
		return nil
	}
	return r.bounds.few
}

// result is what the run did, up to now.
func (r *run) result() Result {
	now := time.Now()
	out := Result{
		Kind: r.kind(), Reason: r.opts.Reason, Started: r.opts.started, Finished: now, Seconds: now.Sub(r.opts.started).Seconds(),
		Batch: r.batch, newest: r.state.newest.Time,
	}
	if r.nothing() {
		return out
	}
	out.ID, out.ChangedSessions, out.Sessions, out.SessionIDs = r.id, r.changed, r.sessions, r.few()
	out.More, out.Models, out.Rules, out.Changes = r.more, r.models, r.rules, r.changes
	return out
}

// recordFailure writes a failed refresh down, in a transaction of its own since the refresh's was rolled back.
func (m *Modeler) recordFailure(ctx context.Context, opts Options, failure error) error {
	return m.db.Write(ctx, "record failed refresh", func(ctx context.Context, tx *warehouse.Tx) error {
		r := m.newRun(&project.Project{}, tx, opts)
		if err := r.begin(ctx); err != nil {
			return err
		}
		return r.exec(ctx, "record the refresh", insertRefresh, r.refreshRow(time.Now(), failure)...)
	})
}
