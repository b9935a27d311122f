package warehouse

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// DefaultPublishEvery is the shortest time between two copies.
	DefaultPublishEvery = 15 * time.Second
	// restFactor keeps copying below a tenth of the time: after a copy comes a pause of ten times what it took.
	restFactor = 10
	// publishRetry is the pause after a copy that failed.
	publishRetry = 30 * time.Second
	// emptyPause follows a copy without a document: the first ones shall not be waited for.
	emptyPause = time.Second
)

// PublisherConfig says where to publish, and how often at most.
type PublisherConfig struct {
	// Path of the published file.
	Path string
	// Every is the shortest time between two copies; 0: DefaultPublishEvery.
	Every time.Duration
	// Sandbox is where what people ask runs; nil: in this process.
	Sandbox *Sandbox
	// Describe gives a table's comments; nil: none.
	Describe func(table string) Comments
	// OnPublish is told of each copy, from the publishing goroutine; nil: nobody is.
	OnPublish func(Published)
}

// PublisherStatus is how publishing stands.
type PublisherStatus struct {
	Version
	Path    string  `json:"path"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"` // that the newest copy took
	Copies  int64   `json:"copies"`  // since the start of the process
	Whole   int64   `json:"whole"`   // of those, made of everything instead of what had changed
	// Failures are copies that failed since the start of the process.
	Failures int64  `json:"failures"`
	Pending  bool   `json:"pending"` // the marts have changed since
	Error    string `json:"error,omitempty"`
}

// Publisher keeps the published copy as fresh as is cheap.
type Publisher struct {
	cfg  PublisherConfig
	db   *DB
	copy *Copy
	log  zerolog.Logger
	// changes are since the copy that stands in the file.
	changes changeLog

	changed chan struct{}
	turn    sync.Mutex // held while a copy is made

	mu     sync.Mutex
	status PublisherStatus
}

// NewPublisher prepares a Publisher of db's gold layer; no I/O happens before Run or Flush.
func NewPublisher(cfg PublisherConfig, db *DB, log zerolog.Logger) *Publisher {
	if cfg.Every <= 0 {
		cfg.Every = DefaultPublishEvery
	}
	log = log.With().Str("part", "publisher").Logger()
	copied := NewCopy(cfg.Path, log)
	copied.sandbox = cfg.Sandbox
	return &Publisher{
		cfg: cfg, db: db, copy: copied, log: log,
		changed: make(chan struct{}, 1), status: PublisherStatus{Path: cfg.Path},
	}
}

// Copy is what was published, for readers.
func (p *Publisher) Copy() *Copy { return p.copy }

// Status can be asked at any time.
func (p *Publisher) Status() PublisherStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// Changed says that the marts were refreshed, and what changed. It never blocks, and is called in the order of the refreshes.
func (p *Publisher) Changed(changes Changes) {
	p.changes.add(changes)
	p.wake()
}

// Anew has the next copy made of everything: nothing of what the file holds may stay, not even in blocks that are free.
func (p *Publisher) Anew() {
	p.changes.doubt()
	p.wake()
}

func (p *Publisher) wake() {
	p.mu.Lock()
	p.status.Pending = true
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// Run publishes until ctx ends: at the start if the file is not there or holds an older refresh, then after Changed. A
// copy that fails is tried again, for ever; the one before stays in use.
func (p *Publisher) Run(ctx context.Context) error {
	if stale, err := p.begin(ctx); err != nil {
		p.log.Warn().Err(err).Msg("the published copy cannot be used as it stands; it is made anew")
		p.wake()
	} else if stale {
		p.wake()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.changed:
		}
		pause := publishRetry
		if took, err := p.publish(ctx); err == nil {
			pause = max(p.cfg.Every, restFactor*took)
			if p.Status().Newest.IsZero() {
				pause = min(pause, emptyPause)
			}
		} else if ctx.Err() == nil {
			p.log.Error().Err(err).Msg("the marts could not be published, the copy before stays in use")
			p.wake()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// begin takes an existing file into use, and says whether the marts have gone on since.
func (p *Publisher) begin(ctx context.Context) (stale bool, err error) {
	if err := p.db.removeUnfinished(p.cfg.Path); err != nil {
		return false, err
	}
	doubts := p.changes.begin()
	var now Version
	if err := p.db.Read(ctx, func(ctx context.Context, tx *Tx) (err error) {
		now, err = tx.Version(ctx)
		return err
	}); err != nil {
		return false, err
	}
	if err := p.copy.Open(ctx); err != nil {
		if errors.Is(err, ErrNotPublished) {
			return now.Refresh > 0, nil // before the first refresh there is nothing to publish
		}
		return false, err
	}
	version, _ := p.copy.Version()
	p.mu.Lock()
	p.status.Version = version
	p.mu.Unlock()
	if !version.sameData(now) {
		return true, nil
	}
	p.changes.published(now.Refresh, doubts)
	return false, nil
}

// Flush publishes at once if the marts have changed since the last copy. It is what a process does before it ends.
func (p *Publisher) Flush(ctx context.Context) error {
	if !p.Status().Pending {
		return nil
	}
	_, err := p.publish(ctx)
	return err
}

func (p *Publisher) publish(ctx context.Context) (time.Duration, error) {
	p.turn.Lock()
	defer p.turn.Unlock()
	p.mu.Lock()
	p.status.Pending = false // what changes from here on is for the next
	p.mu.Unlock()
	doubts := p.changes.begin()
	published, err := p.db.publish(ctx, p.cfg.Path, p.cfg.Describe, p.changes.since)
	if err == nil {
		p.changes.published(published.Refresh, doubts)
		if err = p.copy.Open(ctx); err != nil {
			err = fmt.Errorf("take the new copy into use: %w", err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.status.Pending, p.status.Error = true, err.Error()
		p.status.Failures++
		return 0, err
	}
	p.status.Version, p.status.Bytes, p.status.Seconds = published.Version, published.Bytes, published.Took.Seconds()
	p.status.Copies++
	if published.Whole {
		p.status.Whole++
	}
	p.status.Error = ""
	p.log.Debug().Int64("refresh", published.Refresh).Int("tables", published.Tables).Bool("whole", published.Whole).Int64("bytes", published.Bytes).
		Dur("took", published.Took).Msg("published")
	if p.cfg.OnPublish != nil {
		p.cfg.OnPublish(published)
	}
	return published.Took, nil
}

// Close gives the file back; Run has ended before.
func (p *Publisher) Close() error { return p.copy.Close() }
