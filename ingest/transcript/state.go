package transcript

import (
	"context"
	"os"

	"claude-analytics/proto"
)

// state is what a follower knows.
type state struct {
	files map[fileKey]*file
	byID  map[inode]*file
	queue queue
	// running counts files that a worker has; looking counts walks through new directories.
	running, looking int
	// later are new names of files that a worker still has under the old one.
	later []found

	walked    uint32 // full walks so far
	urgent    bool   // a full walk is needed to find where a replaced file went
	missing   map[int]bool
	failures  map[string]error
	unwatched int

	// Sums over files.
	present []int // by folder
	lag     int64
	halves  int
	failed  int
	backlog int
}

func newState(folders int) state {
	return state{
		files: map[fileKey]*file{}, byID: map[inode]*file{},
		missing: map[int]bool{}, failures: map[string]error{}, present: make([]int, folders),
	}
}

// recall makes the files of earlier runs known. They count as absent until they are seen.
func (f *Follower) recall(positions []*proto.FilePosition) {
	folders := map[string]int{}
	for i, folder := range f.cfg.Folders {
		folders[folder.Name] = i
	}
	for _, p := range positions {
		i, ok := folders[p.GetFolder()]
		if !ok {
			continue
		}
		fl := &file{
			fileKey: fileKey{i, string(p.GetPath())}, mark: markOf(p),
			id: inode{p.GetDevice(), p.GetInode()}, absent: true,
		}
		f.files[fl.fileKey] = fl
		// An old name of a renamed file has a position too, with less read.
		if other := f.byID[fl.id]; fl.id != (inode{}) && (other == nil || other.mark.offset < fl.mark.offset) {
			f.byID[fl.id] = fl
		}
	}
}

// update changes what is known of a file, and the sums with it.
func (s *state) update(fl *file, change func()) {
	s.tally(fl, -1)
	change()
	s.tally(fl, +1)
}

func (s *state) tally(fl *file, sign int) {
	s.lag += int64(sign) * fl.behind()
	if fl.cold {
		s.backlog += sign
	}
	if fl.failed {
		s.failed += sign
	}
	if fl.absent {
		return
	}
	s.present[fl.folder] += sign
	if fl.half > 0 {
		s.halves += sign
	}
}

// idle reports whether nothing is being read or about to be.
func (s *state) idle() bool {
	return s.running == 0 && len(s.later) == 0 && s.queue.empty()
}

// settled reports whether everything that was seen has been read.
func (s *state) settled() bool {
	return s.walked > 0 && s.idle() && !s.urgent && s.looking == 0
}

func (s *state) stats() Stats {
	stats := Stats{
		Scanned: s.walked > 0, Backlog: s.backlog > 0,
		HalfLines: s.halves, Unreadable: s.failed + len(s.failures), Unwatched: s.unwatched,
		FilesIn: make([]int, len(s.present)), LagBytes: s.lag, CaughtUp: s.settled(),
	}
	for i, n := range s.present {
		stats.Files += n
		stats.FilesIn[i] = n
		if s.missing[i] {
			stats.FilesIn[i] = -1
		}
	}
	return stats
}

// push puts a file in line to be read, or has it read again if a worker has it.
func (s *state) push(fl *file) {
	if fl.running {
		fl.dirty = true
		return
	}
	s.queue.push(fl)
}

// observe takes in what a look at a file showed. It returns a slice where a new position is to be published before
// anything else: the file goes on under another name.
func (f *Follower) observe(x found, first bool) *Slice {
	fl := f.files[x.fileKey]
	if fl != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		changed := fl.absent || fl.failed || fl.modified != x.modified || fl.seen != x.size || fl.id != x.id
		f.update(fl, func() {
			fl.absent, fl.size, fl.walk = false, x.size, f.walked
			fl.cold = fl.cold || first
		})
		if fl.replaced {
			f.urgent = true
		} else if changed {
			f.push(fl)
		}
		return nil
	}
	before, wait := f.movedFrom(x)
	f.mu.Lock()
	defer f.mu.Unlock()
	if wait {
		f.later = append(f.later, x)
		return nil
	}
	fl = &file{fileKey: x.fileKey, id: x.id, size: x.size, walk: f.walked, cold: first}
	f.files[fl.fileKey] = fl
	f.tally(fl, +1)
	var slice *Slice
	if before != nil {
		slice = f.move(before, fl, before.mark.generation)
	}
	if x.id != (inode{}) {
		if other := f.byID[x.id]; other == nil || other.absent || before != nil {
			f.byID[x.id] = fl
		}
	}
	f.push(fl)
	return slice
}

// movedFrom finds the file that has the name x now: one that is no longer where it was, and whose bytes are here. wait
// is true if a worker still has it.
func (f *Follower) movedFrom(x found) (before *file, wait bool) {
	before = f.byID[x.id]
	if before == nil || before.fileKey == x.fileKey || before.mark.offset == 0 && !before.running {
		return nil, false
	}
	if info, err := os.Stat(f.path(before.fileKey)); err == nil && inodeOf(info) == x.id {
		return nil, false
	}
	if before.running {
		return nil, true
	}
	src, err := os.Open(f.path(x.fileKey))
	if err != nil {
		return nil, false
	}
	defer src.Close()
	same, err := before.mark.holds(src, x.size, make([]byte, digestSize))
	if err != nil || !same {
		return nil, false
	}
	return before, false
}

// move lets a file go on where the one with its content before stopped. What it publishes has keys of its own name,
// so generation must be one that this name did not have yet.
func (f *Follower) move(before, fl *file, generation uint32) *Slice {
	if _, err := os.Lstat(f.path(before.fileKey)); err != nil {
		f.update(before, func() { before.absent = true })
	}
	f.update(fl, func() {
		fl.mark = before.mark
		fl.mark.generation = generation
	})
	f.cfg.Counters.Renamed.Add(1)
	folder := f.cfg.Folders[fl.folder]
	return &Slice{
		Entries: []Entry{{mark: fl.mark}},
		lane:    f.cfg.Lane, folder: folder.Name, path: fl.path, hash: fileHash(folder.Name, fl.path),
		id: fl.id, size: fl.size, done: f.closed,
	}
}

func (f *Follower) path(key fileKey) string { return f.cfg.Folders[key.folder].file(key.path) }

// hand sends a slice that was made here, not by a worker.
func (f *Follower) hand(ctx context.Context, s *Slice) {
	if s == nil {
		return
	}
	f.opened(s)
	select {
	case f.out <- s:
	case <-ctx.Done():
	}
}
