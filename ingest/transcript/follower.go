package transcript

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"claude-analytics/proto"
)

const (
	// defaultRescan is how often all folders are looked through, whatever events said.
	defaultRescan = 10 * time.Second
	// defaultWaiting is how much may be read ahead of what is published, bytes.
	defaultWaiting = 32 << 20
)

// Config says what to follow.
type Config struct {
	Lane    string
	Folders []Folder
	// Rescan is how often all folders are looked through; 0: 10 s.
	Rescan time.Duration
	// MaxObject is the largest object and MaxMessage the largest change to publish, bytes; what is larger is set aside.
	MaxObject, MaxMessage int64
	// Once ends Run when everything that is there has been read.
	Once bool
	// Workers read and convert; 0: as many as the machine has processors.
	Workers int
	// Redact replaces secrets in what was read; nil: nothing is replaced.
	Redact Redactor
	// Counters outlive the follower; nil: nobody wants to know.
	Counters *Counters
}

// Counters count what is worth knowing beside what is published. They only grow.
type Counters struct {
	// Replaced counts characters that were no valid text and became U+FFFD.
	Replaced atomic.Int64
	// Failures counts files and folders that could not be read, each time anew.
	Failures atomic.Int64
	// Rewritten counts files that held something else than before, Renamed those that went on under another name.
	Rewritten, Renamed atomic.Int64
}

// Stats is what a follower sees at a moment.
type Stats struct {
	// Scanned is true once all folders have been looked through. Until then the rest means little.
	Scanned bool
	// Backlog is true while what was there at the start is being read.
	Backlog bool
	// Files counts transcripts, HalfLines those that end in an unfinished line, Unreadable files and folders that cannot
	// be read now, Unwatched folders in which only looking finds changes.
	Files, HalfLines, Unreadable, Unwatched int
	// FilesIn counts the transcripts of each folder; -1: the folder does not exist.
	FilesIn []int
	// LagBytes is what is on disk, as far as it was seen, and not published; unfinished lines do not count.
	LagBytes int64
	// CaughtUp is true if nothing that was seen, by looking or by an event, is still to be published.
	CaughtUp bool
}

// Follower finds transcripts, and hands over what is in them as Slices.
type Follower struct {
	cfg Config
	log zerolog.Logger

	out     chan *Slice
	jobs    chan job
	results chan outcome
	walks   chan walk
	room    *semaphore.Weighted
	watcher watcher

	unpublished atomic.Int64 // bytes of files in slices that are on their way
	onTheWay    atomic.Int64 // slices

	mu    sync.Mutex
	state // guarded by mu; only the scheduler changes it
}

// New returns a follower that goes on from positions. It does no I/O.
func New(cfg Config, positions []*proto.FilePosition, log zerolog.Logger) *Follower {
	if cfg.Rescan <= 0 {
		cfg.Rescan = defaultRescan
	}
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	if cfg.Counters == nil {
		cfg.Counters = new(Counters)
	}
	f := &Follower{
		cfg: cfg, log: log,
		out: make(chan *Slice, 64), jobs: make(chan job), results: make(chan outcome),
		walks: make(chan walk, 1), room: semaphore.NewWeighted(defaultWaiting),
		watcher: watcher{off: cfg.Once},
	}
	f.state = newState(len(cfg.Folders))
	f.recall(positions)
	return f
}

// Slices is what there is to publish. It is closed when Run returns.
func (f *Follower) Slices() <-chan *Slice { return f.out }

// Run follows the folders until ctx ends, then it returns nil; with Config.Once it returns nil when all has been read.
func (f *Follower) Run(ctx context.Context) error {
	defer close(f.out)
	if !f.cfg.Once {
		if err := f.watcher.open(); err != nil {
			f.log.Debug().Err(err).Msg("changes of files cannot be watched for")
		}
		defer f.watcher.close()
	}
	work, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	big := make(chan struct{}, 1)
	for range f.cfg.Workers {
		w := &worker{
			lane: f.cfg.Lane, out: f.out, room: f.room, limit: defaultWaiting, big: big,
			open: f.opened, closed: f.closed,
			reader:  NewReader(f.cfg.MaxObject),
			convert: converter{maxMessage: f.cfg.MaxMessage, counters: f.cfg.Counters, redact: f.cfg.Redact},
		}
		g.Go(func() error {
			for {
				select {
				case j := <-f.jobs:
					select {
					case f.results <- w.read(work, j):
					case <-work.Done():
						return nil
					}
				case <-work.Done():
					return nil
				}
			}
		})
	}
	g.Go(func() error {
		defer stop()
		f.schedule(work, &g)
		return nil
	})
	return g.Wait()
}

// opened and closed keep count of what is on its way.
func (f *Follower) opened(s *Slice) {
	f.onTheWay.Add(1)
	f.unpublished.Add(s.bytes())
}

func (f *Follower) closed(s *Slice) {
	f.unpublished.Add(-s.bytes())
	f.onTheWay.Add(-1)
	f.room.Release(s.weight)
}

// Quiet reports whether no slice is about to come.
func (f *Follower) Quiet() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.idle()
}

// Stats tells how things stand.
func (f *Follower) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats()
	s.LagBytes += f.unpublished.Load()
	s.CaughtUp = s.CaughtUp && f.onTheWay.Load() == 0
	return s
}
