package sink

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"claude-analytics/sink/lake"
	"claude-analytics/sink/record"
)

const (
	// targetBytes is how large a compacted file becomes at most, about.
	targetBytes = 128 << 20
	// smallBytes is what is worth being put together with others.
	smallBytes = targetBytes / 2
	// fewFiles of a date are left alone unless they are worth a rewrite: see worth.
	fewFiles = 8
	// runBytes bounds what one compaction reads: the rest is for the next.
	runBytes = 2 << 30
)

// CompactOptions bound a compaction.
type CompactOptions struct {
	// Today is the first date that still fills up; those before it are closed.
	Today time.Time
	// Floor is the message below which the stream holds no change any more: a delete at or above it is kept, since an
	// older version may come from there again.
	Floor uint64
	// Progress is called after each group of files; nil: not.
	Progress func(ErasePhase)
}

// Compacted is what a compaction did.
type Compacted struct {
	lake.Rewritten
	// Dates were compacted; More says that others are left for the next time.
	Dates int  `json:"dates"`
	More  bool `json:"more"`
}

// Compact puts the small files of closed dates together, and leaves out what nobody needs any more: versions that a
// newer one supersedes, and deletes behind which nothing older is left. What readers find by key and order is the same
// before and after.
func (s *Sink) Compact(ctx context.Context, opts CompactOptions) (Compacted, error) {
	s.erasing.Lock()
	defer s.erasing.Unlock()
	done, err := s.compact(ctx, opts)
	if err != nil {
		return done, fmt.Errorf("compact the lake: %w", err)
	}
	return done, nil
}

func (s *Sink) compact(ctx context.Context, opts CompactOptions) (done Compacted, err error) {
	groups, more := compactable(s.lake.Entries(), opts.Today.UTC().Format(time.DateOnly))
	done.Dates, done.More = len(groups), more
	if len(groups) == 0 {
		return done, nil
	}
	versions, err := s.readVersions(ctx, opts.Floor)
	if err != nil {
		return done, err
	}
	progress := func(int) {}
	if opts.Progress != nil {
		files := 0
		progress = func(n int) {
			files += n
			opts.Progress(ErasePhase{Name: "lake: compacting", Done: int64(files), Total: int64(countAll(groups))})
		}
	}
	done.Rewritten, err = s.lake.Rewrite(ctx, lake.RewriteOptions{
		Groups: groups, Columns: record.KeyColumns(), Optional: record.OptionalColumns(),
		Keep: keepUnless(versions.superseded), Merge: true, Progress: progress,
	})
	return done, err
}

func countAll(groups [][]string) (n int) {
	for _, g := range groups {
		n += len(g)
	}
	return n
}

// compactable finds the groups of files that are worth being one, oldest date first, up to runBytes.
func compactable(entries []lake.Entry, today string) (groups [][]string, more bool) {
	type dateKey struct {
		date  string
		epoch uint64
	}
	byDate := map[dateKey][]lake.EntryFile{}
	for _, e := range entries {
		for _, f := range e.Files {
			dir := path.Dir(f.Path)
			if date := strings.TrimPrefix(dir, "date="); date < today {
				byDate[dateKey{dir, e.Epoch}] = append(byDate[dateKey{dir, e.Epoch}], f)
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(byDate), func(a, b dateKey) int {
		if a.date != b.date {
			return strings.Compare(a.date, b.date)
		}
		return int(a.epoch) - int(b.epoch)
	})
	var bytes int64
	for _, key := range keys {
		var group []lake.EntryFile
		var size int64
		flush := func() {
			if worth(group) {
				if bytes += size; bytes > runBytes && len(groups) > 0 {
					more = true
				} else {
					names := make([]string, len(group))
					for i, f := range group {
						names[i] = f.Path
					}
					groups = append(groups, names)
				}
			}
			group, size = nil, 0
		}
		for _, f := range byDate[key] {
			if f.Bytes >= smallBytes {
				continue
			}
			if size+f.Bytes > targetBytes {
				flush()
			}
			group, size = append(group, f), size+f.Bytes
		}
		flush()
	}
	return groups, more
}

// worth says that putting the files together does more good than the work of it: there are many, or the largest is not
// nearly all of them, so that a file that trickles in does not make a large one be written again each time.
func worth(group []lake.EntryFile) bool {
	if len(group) < 2 {
		return false
	}
	var total, largest int64
	for _, f := range group {
		total += f.Bytes
		largest = max(largest, f.Bytes)
	}
	return len(group) >= fewFiles || (total-largest)*4 >= largest
}
