package transcript

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// apply takes in what a walk showed.
func (s *scheduler) apply(ctx context.Context, w walk) {
	slices.SortFunc(w.files, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.modified, b.modified), compareKeys(a.fileKey, b.fileKey))
	})
	first := w.full && s.walked == 0
	s.mu.Lock()
	if w.full {
		s.walked++
	} else {
		s.looking -= w.parts
	}
	s.mu.Unlock()
	for i, x := range w.files {
		if first {
			x = w.files[len(w.files)-1-i] // the oldest is read first, so it is put in line last
		}
		s.hand(ctx, s.observe(x, first))
	}
	if w.links {
		s.rescan.Reset(0)
	}
	if !w.full {
		return
	}
	for _, x := range w.files {
		if fl := s.files[x.fileKey]; fl != nil && fl.replaced && !fl.running {
			s.hand(ctx, s.replace(fl, x))
		}
	}
	s.conclude(w)
	s.earliest = time.Now().Add(lookShare / 2 * w.took)
	if !s.cfg.Once {
		s.rescan.Reset(s.pause(w))
	}
}

// replace settles what a file is whose name another file has taken. Where the one before went has been looked for.
func (s *scheduler) replace(fl *file, x found) *Slice {
	var before *file
	if x.id != fl.id {
		var wait bool
		if before, wait = s.movedFrom(x); wait {
			return nil // the next walk will tell
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fl.replaced = false
	defer s.push(fl)
	if x.id == fl.id {
		return nil
	}
	if s.byID[fl.id] == fl {
		delete(s.byID, fl.id)
	}
	var slice *Slice
	s.update(fl, func() { fl.id, fl.half, fl.seen = x.id, 0, 0 })
	if before != nil {
		slice = s.move(before, fl, max(before.mark.generation, fl.mark.generation+1))
	} else {
		s.cfg.Counters.Rewritten.Add(1)
		s.update(fl, func() { fl.mark = fl.mark.again() })
	}
	s.byID[fl.id] = fl
	return slice
}

// conclude takes in what a full walk says about all files.
func (s *scheduler) conclude(w walk) {
	for path, err := range w.failures {
		s.cfg.Counters.Failures.Add(1)
		if s.failures[path] == nil {
			s.log.Warn().Err(err).Str("path", path).Msg("cannot be looked through, trying again with every look")
		}
	}
	if w.unwatched > 0 && s.unwatched == 0 {
		s.log.Warn().Int("folders", w.unwatched).Stringer("looking_every", s.pause(w)).
			Msg("not all folders can be watched for changes, looking often instead; raising fs.inotify.max_user_watches helps")
	}
	missing := map[int]bool{}
	for _, i := range w.missing {
		missing[i] = true
		if !s.missing[i] {
			s.log.Info().Str("folder", s.cfg.Folders[i].Path).Msg("folder does not exist yet, waiting for it")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures, s.missing, s.unwatched, s.urgent = w.failures, missing, w.unwatched, false
	s.hot = s.hot[:0]
	since := time.Now().Add(-hotAge).UnixNano()
	for _, x := range slices.Backward(w.files) {
		if w.unwatched > 0 && x.modified > since && len(s.hot) < hotFiles {
			s.hot = append(s.hot, x.fileKey)
		}
	}
	for _, fl := range s.files {
		if fl.walk != s.walked && !fl.absent {
			s.update(fl, func() { fl.absent = true })
		}
		s.urgent = s.urgent || fl.replaced && !fl.absent
	}
}

// pause is how long to wait before looking through all folders again.
func (s *scheduler) pause(w walk) time.Duration {
	pause := s.cfg.Rescan
	if w.unwatched > 0 {
		pause = min(pause, max(lookOften, lookShare*w.took))
	}
	if len(w.missing) > 0 {
		pause = min(pause, max(lookForFolder, lookShare*w.took))
	}
	return pause
}

// event takes in what the system says happened.
func (s *scheduler) event(ctx context.Context, event fsnotify.Event) {
	key, ok := s.keyOf(event.Name)
	if !ok {
		return
	}
	if key.path == "" {
		s.hurry() // the folder itself came, went or was renamed
		return
	}
	fl := s.files[key]
	if event.Op == fsnotify.Chmod && (fl == nil || !fl.failed) {
		return
	}
	if fl != nil && !fl.absent && !event.Has(fsnotify.Create) {
		s.mu.Lock()
		s.update(fl, func() { fl.cold = false }) // it need not wait for the backlog
		if !fl.replaced {
			s.push(fl)
		}
		s.mu.Unlock()
		return
	}
	if event.Has(fsnotify.Create) || isTranscript(key.path) {
		s.look(ctx, key)
	}
}

// look looks at one name.
func (s *scheduler) look(ctx context.Context, key fileKey) {
	info, err := os.Lstat(s.path(key))
	switch {
	case err != nil:
		// It is gone already, or the next walk will tell why it cannot be looked at.
	case info.Mode()&os.ModeSymlink != 0:
		if fl := s.files[key]; fl == nil {
			s.hurry()
		} else if info, err = os.Stat(s.path(key)); err == nil {
			s.hand(ctx, s.observe(foundOf(key, info), false))
		}
	case info.IsDir():
		if !slices.Contains(s.parts, key) {
			s.parts = append(s.parts, key)
			s.mu.Lock()
			s.looking++
			s.mu.Unlock()
		}
	case info.Mode().IsRegular() && isTranscript(key.path):
		s.hand(ctx, s.observe(foundOf(key, info), false))
	}
}

func (s *scheduler) lookAtHot(ctx context.Context) {
	for _, key := range s.hot {
		s.look(ctx, key)
	}
}

// keyOf says which folder a path is in: the innermost, should one be inside another.
func (s *scheduler) keyOf(path string) (key fileKey, ok bool) {
	depth := -1
	for i, folder := range s.cfg.Folders {
		if below, in := folder.below(path); in && len(folder.Path) > depth {
			key, ok, depth = fileKey{i, strings.TrimPrefix(below, "/")}, true, len(folder.Path)
		}
	}
	return key, ok
}
