package transcript

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// lookOften is how soon after each other folders are looked through where there are no events, and lookShare the
	// most of the time that may be spent on it.
	lookOften = 50 * time.Millisecond
	lookShare = 20
	// lookForFolder is how soon a folder that does not exist yet is looked for again.
	lookForFolder = time.Second
	// hotAge and hotFiles bound which files are looked at often where there are no events.
	hotAge   = 10 * time.Minute
	hotFiles = 256
)

// scheduler decides what is looked at and read next. All of it happens in one goroutine.
type scheduler struct {
	*Follower
	group  *errgroup.Group
	walker walker

	rescan   *time.Timer
	walking  bool
	due      bool // a full walk
	parts    []fileKey
	earliest time.Time // of a walk out of turn
	hot      []fileKey
	poll     <-chan time.Time
}

func (f *Follower) schedule(ctx context.Context, group *errgroup.Group) {
	s := &scheduler{Follower: f, group: group, rescan: time.NewTimer(0)}
	s.walker = walker{folders: f.cfg.Folders, watch: f.watcher.add}
	defer s.rescan.Stop()
	poll := time.NewTicker(lookOften)
	defer poll.Stop()
	for {
		if f.cfg.Once && s.finished() {
			return
		}
		s.poll = nil
		if len(s.hot) > 0 {
			s.poll = poll.C
		}
		j, jobs := s.next()
		select {
		case jobs <- j:
			f.mu.Lock()
			f.queue.pop(j.file)
			j.file.running, j.file.dirty = true, false
			f.running++
			f.mu.Unlock()
		case o := <-f.results:
			s.finish(ctx, o)
		case w := <-f.walks:
			s.walking = false
			s.apply(ctx, w)
		case event := <-f.watcher.events():
			s.event(ctx, event)
		case err := <-f.watcher.errors():
			// Events were lost, or never come: looking finds what they would have told.
			f.log.Debug().Err(err).Msg("events of files were lost, looking again")
			s.rescan.Reset(0)
		case <-s.rescan.C:
			s.due = true
		case <-s.poll:
			s.lookAtHot(ctx)
		case <-ctx.Done():
			return
		}
		if s.urgent && !s.due && !s.walking {
			s.hurry()
		}
		s.walk(ctx)
	}
}

// next is the job whose turn it is, and where to send it: nowhere, if there is none.
func (s *scheduler) next() (job, chan<- job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fl := s.queue.next()
	if fl == nil {
		return job{}, nil
	}
	return job{
		file: fl, folder: s.cfg.Folders[fl.folder], path: fl.path,
		mark: fl.mark, id: fl.id, seen: fl.seen, half: fl.half,
	}, s.jobs
}

// finished reports whether a single pass is over.
func (s *scheduler) finished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settled() && !s.walking && !s.due
}

// walk starts a walk if one is due and none is under way.
func (s *scheduler) walk(ctx context.Context) {
	if s.walking || !s.due && len(s.parts) == 0 {
		return
	}
	s.walking = true
	parts := s.parts
	full := s.due
	if full {
		s.due = false
	} else {
		s.parts = nil
	}
	s.group.Go(func() error {
		var w walk
		if full {
			w = s.walker.all(ctx)
		} else {
			w = s.walker.some(ctx, parts)
		}
		select {
		case s.walks <- w:
		case <-ctx.Done():
		}
		return nil
	})
}

// hurry has a full walk made out of turn, though not so often that nothing else would be done.
func (s *scheduler) hurry() {
	s.rescan.Reset(max(0, time.Until(s.earliest)))
}

// finish takes in what became of a job.
func (s *scheduler) finish(ctx context.Context, o outcome) {
	fl := o.file
	s.report(o)
	s.mu.Lock()
	s.running--
	s.update(fl, func() {
		fl.running = false
		switch {
		case o.missing:
			fl.absent, fl.failed = true, false
		case o.replaced:
			fl.replaced, s.urgent = true, true
		case o.err != nil:
			fl.failed = true
		default:
			fl.mark, fl.id, fl.half, fl.modified = o.mark, o.id, o.half, o.modified
			fl.size, fl.seen = o.size, o.seen
			fl.absent, fl.failed = false, false
			if fl.id != (inode{}) {
				if other := s.byID[fl.id]; other == nil || other.absent {
					s.byID[fl.id] = fl
				}
			}
			if !o.end {
				fl.dirty = true
			}
		}
		if !fl.dirty || o.missing || o.replaced || o.err != nil {
			fl.cold = false
		}
	})
	if fl.dirty && !fl.replaced {
		fl.dirty = false
		s.queue.push(fl)
	}
	later := s.later
	s.later = nil
	s.mu.Unlock()
	for _, x := range later {
		s.hand(ctx, s.observe(x, false))
	}
}

// report tells what an operator may want to know, each thing once.
func (s *scheduler) report(o outcome) {
	path := s.path(o.file.fileKey)
	switch {
	case o.missing, errors.Is(o.err, context.Canceled):
	case o.err != nil:
		s.cfg.Counters.Failures.Add(1)
		if !o.file.failed {
			s.log.Warn().Err(o.err).Str("path", path).Msg("cannot be read, trying again with every look")
		}
	case o.rewritten:
		s.cfg.Counters.Rewritten.Add(1)
		s.log.Info().Str("path", path).Uint32("generation", o.mark.generation).Msg("file was rewritten or truncated, reading it from its start")
	}
}
