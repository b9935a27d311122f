package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// ErrBusy means that something reads the lake and the files must not change under it: try again.
var ErrBusy = errors.New("the lake is being read")

// RewriteOptions say which files are written anew, and what of them stays.
type RewriteOptions struct {
	// Groups of files, by path below the lake's folder. The files of a group are of one date and epoch; what stays of
	// them becomes one file. A group of one file of which all rows stay is left alone.
	Groups [][]string
	// Keep says which rows of a file stay; nil: all. It gets Columns and, where the file has them, Optional.
	Keep              func(path string, rows arrow.RecordBatch) ([]bool, error)
	Columns, Optional []string
	// Merge makes one manifest entry of several neighbours, up to a size that a rebuild takes at once.
	Merge bool
	// Progress is called after each group; nil: not.
	Progress func(files int)
}

// Rewritten is what a rewriting did.
type Rewritten struct {
	// Files and Bytes went, NewFiles and NewBytes came in their place.
	Files    int   `json:"files"`
	Bytes    int64 `json:"bytes"`
	NewFiles int   `json:"new_files"`
	NewBytes int64 `json:"new_bytes"`
	// Rows were left out.
	Rows int64 `json:"rows"`
}

func (r *Rewritten) add(other Rewritten) {
	r.Files += other.Files
	r.Bytes += other.Bytes
	r.NewFiles += other.NewFiles
	r.NewBytes += other.NewBytes
	r.Rows += other.Rows
}

const (
	// What one commit replaces at most: its journal names every file.
	commitGroups = 64
	commitBytes  = 512 << 20
)

// replacement is a group on its way: the files that go, and the one that comes, if any.
type replacement struct {
	old  []string
	file *EntryFile
	done Rewritten
}

// Rewrite writes files anew. Each is whole beside the old ones before a commit of some of them lets all change places
// at once: a crash leaves the old files or the new ones. Files that are open stay readable; scans of this process are
// waited for. After an error, what was committed stays so, and Rewrite may be called again.
func (l *Lake) Rewrite(ctx context.Context, opts RewriteOptions) (Rewritten, error) {
	l.rewriting.Lock()
	defer l.rewriting.Unlock()
	total, err := l.rewriteAll(ctx, opts)
	if err != nil {
		return total, fmt.Errorf("rewrite the lake: %w", err)
	}
	return total, nil
}

func (l *Lake) rewriteAll(ctx context.Context, opts RewriteOptions) (total Rewritten, err error) {
	if !l.isOpen() {
		return total, ErrNotOpen
	}
	var pending []replacement
	var bytes int64
	defer func() { l.giveUp(pending) }()
	flush := func() error {
		if len(pending) == 0 {
			return nil
		}
		if err := l.commit(ctx, pending, opts.Merge); err != nil {
			return err
		}
		for _, r := range pending {
			total.add(r.done)
		}
		pending, bytes = nil, 0
		return nil
	}
	for n, group := range opts.Groups {
		r, err := l.rewriteGroup(ctx, group, opts)
		if err != nil {
			return total, err
		}
		if r != nil {
			pending = append(pending, *r)
			bytes += r.done.NewBytes
		}
		if opts.Progress != nil {
			opts.Progress(len(group))
		}
		if len(pending) == commitGroups || bytes >= commitBytes || n == len(opts.Groups)-1 {
			if err := flush(); err != nil {
				return total, err
			}
		}
	}
	return total, nil
}

// rewriteGroup writes a group's new file aside; nil if all stays as it is.
func (l *Lake) rewriteGroup(ctx context.Context, group []string, opts RewriteOptions) (*replacement, error) {
	known := map[string]EntryFile{}
	for _, e := range l.folder().entries {
		for _, f := range e.Files {
			known[f.Path] = f
		}
	}
	r := &replacement{old: group}
	masks := make([][]bool, len(group))
	var kept int64
	for i, name := range group {
		file, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("%s is not a file of the lake", name)
		}
		mask, rows, stay, err := l.sift(ctx, name, opts)
		if err != nil {
			return nil, err
		}
		if rows < file.Rows {
			return nil, Fault{Path: name, Problem: fmt.Sprintf("%d rows fewer than the manifest says", file.Rows-rows), Remedy: restoreRemedy}
		}
		masks[i] = mask
		kept += stay
		r.done.Rows += rows - stay
		r.done.Files++
		r.done.Bytes += file.Bytes
	}
	switch {
	case len(group) == 1 && r.done.Rows == 0:
		return nil, nil
	case kept == 0:
		return r, nil
	}
	entry, err := coveringEntry(group, l.folder().entries)
	if err != nil {
		return nil, err
	}
	r.file = &EntryFile{Path: path.Join(path.Dir(group[0]), entry.stem()+parquetSuffix), Rows: kept}
	l.setAside(r.file.Path, true)
	if r.file.Bytes, err = l.writeKept(ctx, r.file.Path, entry, group, masks); err != nil {
		l.giveUp([]replacement{*r})
		return nil, fmt.Errorf("%s: %w", r.file.Path, err)
	}
	r.done.NewFiles, r.done.NewBytes = 1, r.file.Bytes
	return r, nil
}

// coveringEntry has the range, epoch and stream of what a group's new file holds.
func coveringEntry(group []string, entries []Entry) (Entry, error) {
	var cover Entry
	for _, name := range group {
		epoch, first, last, ok := parseStem(strings.TrimSuffix(path.Base(name), parquetSuffix))
		switch {
		case !ok:
			return Entry{}, fmt.Errorf("%s has not the name of a file of the lake", name)
		case cover.Epoch == 0:
			cover.Epoch, cover.First, cover.Last = epoch, first, last
		case cover.Epoch != epoch || path.Dir(name) != path.Dir(group[0]):
			return Entry{}, fmt.Errorf("%s and %s are not of one date and epoch", group[0], name)
		}
		cover.First, cover.Last = min(cover.First, first), max(cover.Last, last)
	}
	for _, e := range entries {
		if e.Epoch == cover.Epoch {
			cover.Stream = e.Stream
		}
	}
	return cover, nil
}

// sift asks which rows of a file stay; mask is nil if all do.
func (l *Lake) sift(ctx context.Context, name string, opts RewriteOptions) (mask []bool, rows, kept int64, err error) {
	read := ScanOptions{Columns: opts.Columns, Optional: opts.Optional}
	if opts.Keep == nil {
		read.Columns, read.Optional = []string{"_seq"}, nil
	}
	full := filepath.Join(l.cfg.Dir, filepath.FromSlash(name))
	err = readParquet(ctx, l.disk, full, read, func(record arrow.RecordBatch) error {
		rows += record.NumRows()
		if opts.Keep == nil {
			return nil
		}
		keep, err := opts.Keep(name, record)
		if err != nil {
			return err
		}
		if int64(len(keep)) != record.NumRows() {
			return fmt.Errorf("%d decisions on %d rows", len(keep), record.NumRows())
		}
		mask = append(mask, keep...)
		return nil
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, 0, 0, ctx.Err()
		}
		return nil, 0, 0, Fault{Path: name, Problem: fmt.Sprintf("the Parquet file cannot be read: %v", err), Remedy: restoreRemedy}
	}
	kept = rows
	if opts.Keep != nil {
		kept = 0
		for _, stays := range mask {
			if stays {
				kept++
			}
		}
		if kept == rows {
			mask = nil
		}
	}
	return mask, rows, kept, nil
}

// giveUp removes what was written aside and will not be committed. While nobody knows whether it was, it is left to
// whoever looks at the disk next.
func (l *Lake) giveUp(pending []replacement) {
	for _, r := range pending {
		if r.file == nil || !l.isAside(r.file.Path+asideSuffix) {
			continue
		}
		l.setAside(r.file.Path, false)
		if l.isHalf() {
			continue
		}
		name := filepath.Join(l.cfg.Dir, filepath.FromSlash(r.file.Path)) + asideSuffix
		if err := l.disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.log.Warn().Err(err).Str("path", name).Msg("what a rewriting had written cannot be removed; the next start does")
		}
	}
}

// setAside notes that a new file is being written for a path, so that nobody tidies it away.
func (l *Lake) setAside(name string, there bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if there {
		l.aside[name+asideSuffix] = true
	} else {
		delete(l.aside, name+asideSuffix)
	}
}

func (l *Lake) isAside(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.aside[name]
}

// busyPause is how often a commit looks whether the scans have ended.
const busyPause = 20 * time.Millisecond

// commit lets new files take the old ones' places, all at once.
func (l *Lake) commit(ctx context.Context, pending []replacement, merge bool) error {
	for !l.scans.TryLock() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
		case <-time.After(busyPause):
		}
	}
	defer l.scans.Unlock()
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.dirty {
		if err := l.recoverAlone(); err != nil {
			return err
		}
	}
	before := l.folder()
	j, after, err := newJournal(before, pending, merge)
	if err != nil {
		return err
	}
	for _, dir := range j.dirs(l.cfg.Dir) {
		if err := l.disk.SyncDir(dir); err != nil {
			return err
		}
	}
	// From here on only the disk says which of the two it became.
	l.dirty = true
	l.setHalf(true)
	if err := l.writeJournal(j); err != nil {
		return errors.Join(err, l.recoverAlone())
	}
	for _, name := range j.Moves {
		l.setAside(name, false)
	}
	if err := j.carryOut(l.disk, l.cfg.Dir); err != nil {
		return errors.Join(err, l.recoverAlone())
	}
	l.dirty = false
	l.mu.Lock()
	defer l.mu.Unlock()
	l.half = false
	next := folder{epochs: before.epochs, faults: before.faults, removed: before.removed}
	for _, e := range after {
		next.add(e)
	}
	l.now = next
	return nil
}

func (l *Lake) isHalf() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.half
}

func (l *Lake) setHalf(half bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.half = half
}
