// Package lake keeps every change in Parquet files, one folder a date, and a manifest that says which files
// count: a batch is in the lake exactly when its manifest entry is.
//
//	raw/date=YYYY-MM-DD/<epoch>-<first>-<last>.parquet   the rows of one batch and date
//	raw/_manifest/<epoch>-<first>-<last>.json            one entry a batch, its files of all dates: the commit
//	raw/_manifest/epochs.json                            the lives of the stream that the lake knows
//
// Each file is written under a temporary name, synced, renamed, and its directory synced; the entry comes last. What a
// crash leaves behind (temporary files, Parquet files of a batch without entry) is removed when the lake is opened.
// Files are never changed, but a rewriting (Rewrite) puts others in their place: see journal.
//
// Reading it elsewhere: the date is both in the folder's name and a column of the file, so DuckDB reads it with
// hive_partitioning on or off; PyArrow's read_table wants partitioning=None (it would take the folder's date for
// text, and refuse), pyarrow.dataset.dataset(folder) reads as it is.
package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"claude-analytics/internal/document"
)

var (
	// ErrNotOpen means that Open has not succeeded yet.
	ErrNotOpen = errors.New("lake is not open")
	// ErrGone means that the lake's folder, or the manifest in it, was taken away: Open makes it anew.
	ErrGone = errors.New("lake is gone")
	// ErrOverlap means that a batch begins at or below the watermark of its epoch: it would land twice.
	ErrOverlap = errors.New("batch overlaps the lake")
)

// Config says where the lake is and how it is written.
type Config struct {
	// Dir is the lake's folder, DATA_DIR/raw.
	Dir string
	// FS is the disk; nil is the real one.
	FS FS
	// Workers is how many files of a batch are written at once; 0 is 4, which hides the disk's latency.
	Workers int
}

// Lake is the folder of Parquet files with its manifest. It has one writer; all methods may be called at any time.
type Lake struct {
	cfg  Config
	disk FS
	log  zerolog.Logger

	// rewriting is held by the one that rewrites files; scans by those who read them, and, to exclude these, by a
	// rewriting while its files change places. It is never waited for with writing held.
	rewriting sync.Mutex
	scans     sync.RWMutex
	// writing is held by the one that changes the folder.
	writing sync.Mutex
	dirty   bool   // a write failed half way: the folder must be recovered before the next
	suspect string // name of the entry that the failed write may have changed

	mu   sync.Mutex
	open bool
	half bool // a rewriting failed while its files changed places: recovering ends it
	now  folder
	// aside are the new files of a rewriting that goes on.
	aside map[string]bool
}

// Stats is the lake in numbers.
type Stats struct {
	Batches int   `json:"batches"`
	Files   int   `json:"files"`
	Rows    int64 `json:"rows"`
	Bytes   int64 `json:"bytes"`
	// Removed counts the files that crashes or failed writes had left behind.
	Removed int `json:"removed"`
	// Faults counts what is wrong with the folder, as Faults lists it.
	Faults int `json:"faults"`
}

// Batch is what one Write lands: its rows by date, and the watermark after it.
type Batch struct {
	// Mark is the watermark after the batch; Mark.Seq is its last change.
	Mark Mark
	// First is the batch's first change.
	First uint64
	// Parts hold the rows. A batch may have none (all its changes became dead letters): the watermark moves all the same.
	Parts []Part
}

// Part is the rows of one date.
type Part struct {
	// Date as YYYY-MM-DD.
	Date string
	// Rows are not released by the lake.
	Rows []arrow.RecordBatch
}

// New makes a lake without touching the disk.
func New(cfg Config, log zerolog.Logger) *Lake {
	if cfg.FS == nil {
		cfg.FS = OS{}
	}
	if cfg.Workers <= 0 {
		cfg.Workers = 4
	}
	return &Lake{cfg: cfg, disk: cfg.FS, log: log.With().Str("part", "lake").Logger(), aside: map[string]bool{}}
}

// Open reads the manifest and removes what a crash left behind. What is wrong with the folder is no error but a
// fault (see Faults); an error is a disk that cannot be read or written. Calling it again looks at the disk anew.
func (l *Lake) Open(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := mkdir(l.disk, filepath.Join(l.cfg.Dir, manifestDir)); err != nil {
		return fmt.Errorf("open lake: %w", err)
	}
	if err := l.recover(); err != nil {
		return fmt.Errorf("open lake: %w", err)
	}
	for _, fault := range l.Faults() {
		l.log.Error().Str("path", fault.Path).Str("remedy", fault.Remedy).Msg(fault.Problem)
	}
	return nil
}

// recover makes what is in memory agree with the disk again. The caller holds writing.
func (l *Lake) recover() error {
	l.dirty = true
	left, err := hasJournal(l.disk, l.cfg.Dir)
	if err != nil {
		return err
	}
	if left {
		if !l.scans.TryLock() {
			return ErrBusy
		}
		defer l.scans.Unlock()
	}
	return l.recoverAlone()
}

// recoverAlone is recover while nobody scans, or no rewriting is left to be finished.
func (l *Lake) recoverAlone() error {
	l.dirty = true
	if err := finishRewriting(l.disk, l.cfg.Dir); err != nil {
		return fmt.Errorf("finish an interrupted rewriting: %w", err)
	}
	before := l.folder()
	if l.isHalf() {
		before.entries = nil // they may have changed
	}
	if l.suspect != "" {
		before.entries = slices.DeleteFunc(slices.Clone(before.entries), func(e Entry) bool { return e.stem() == l.suspect })
	}
	next, err := readFolder(l.disk, l.cfg.Dir, before, l.isAside)
	if err != nil {
		return err
	}
	for _, name := range next.removedNow {
		l.log.Warn().Str("path", name).Msg("removed what an unfinished write had left")
	}
	l.dirty, l.suspect = false, ""
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now, l.open, l.half = next, true, false
	return nil
}

func (l *Lake) folder() folder {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *Lake) isOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Watermark is the newest batch's; the zero Mark if the lake is empty.
func (l *Lake) Watermark() Mark { return l.folder().watermark() }

// Faults is what is wrong with the folder, as seen when it was last opened.
func (l *Lake) Faults() []Fault { return slices.Clone(l.folder().faults) }

// Entries is the manifest in order.
func (l *Lake) Entries() []Entry { return slices.Clone(l.folder().entries) }

// Stats is the lake in numbers.
func (l *Lake) Stats() Stats { return l.folder().numbers() }

// Write lands a batch: when it returns nil, the batch survives a power cut. After an error it may be called again
// with the same batch, which lands it once: files that the failure left behind are removed, and a batch whose entry had
// appeared after all is recognised.
func (l *Lake) Write(ctx context.Context, b Batch) (Entry, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	entry, err := l.write(ctx, b)
	if err != nil {
		return Entry{}, fmt.Errorf("land %s: %w", stem(b.Mark.Epoch, b.First, b.Mark.Seq), err)
	}
	return entry, nil
}

func (l *Lake) write(ctx context.Context, b Batch) (Entry, error) {
	if !l.isOpen() {
		return Entry{}, ErrNotOpen
	}
	if l.dirty {
		err := l.recover()
		if errors.Is(err, fs.ErrNotExist) {
			return Entry{}, fmt.Errorf("%w: %w", ErrGone, err)
		}
		if err != nil {
			return Entry{}, err
		}
	}
	entry := Entry{
		Version: Version, Stream: b.Mark.Stream, Epoch: b.Mark.Epoch,
		First: b.First, Last: b.Mark.Seq, Time: b.Mark.Time, Seen: max(b.Mark.Seen, b.Mark.Seq), Rules: document.RulesVersion,
	}
	if entry.Epoch == 0 || entry.First > entry.Last {
		return Entry{}, fmt.Errorf("not a range of changes: epoch %d, %d to %d", entry.Epoch, entry.First, entry.Last)
	}
	if before := l.folder(); before.covers(entry.Epoch, entry.First) {
		newest := before.entries[len(before.entries)-1]
		if newest.stem() == entry.stem() {
			return newest, nil
		}
		return Entry{}, fmt.Errorf("%w, which holds epoch %d up to %d", ErrOverlap, newest.Epoch, newest.Last)
	}

	l.dirty = true
	if err := l.land(ctx, b, &entry); err != nil {
		// A full disk should not stay full of what did not land.
		if cleanup := l.recover(); cleanup != nil {
			err = errors.Join(err, fmt.Errorf("recover: %w", cleanup))
			if errors.Is(cleanup, fs.ErrNotExist) {
				l.discard(b, entry.stem())
			}
		}
		return Entry{}, err
	}
	l.dirty = false
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now.add(entry)
	return entry, nil
}

// land writes the files of all dates, then the entry: the commit.
func (l *Lake) land(ctx context.Context, b Batch, entry *Entry) error {
	parts := slices.DeleteFunc(slices.Clone(b.Parts), func(p Part) bool { return rows(p) == 0 })
	slices.SortFunc(parts, func(a, b Part) int { return cmp.Compare(a.Date, b.Date) })
	entry.Files = make([]EntryFile, len(parts))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(l.cfg.Workers)
	for i, part := range parts {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			var err error
			entry.Files[i], err = l.writePart(entry.stem(), *entry, part)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return putEntry(l.disk, l.cfg.Dir, *entry)
}

func (l *Lake) writePart(stem string, entry Entry, part Part) (EntryFile, error) {
	dir := datePrefix + part.Date
	if err := mkdir(l.disk, filepath.Join(l.cfg.Dir, dir)); err != nil {
		return EntryFile{}, err
	}
	file := EntryFile{Path: path.Join(dir, stem+parquetSuffix), Rows: rows(part)}
	name := filepath.Join(l.cfg.Dir, filepath.FromSlash(file.Path))
	err := writeWhole(l.disk, name, func(w io.Writer) error {
		var err error
		file.Bytes, err = encode(w, part.Rows, fileMetadata(entry))
		return err
	})
	return file, err
}

// discard removes a batch's files where there is no manifest any more that could name them.
func (l *Lake) discard(b Batch, stem string) {
	for _, part := range b.Parts {
		name := filepath.Join(l.cfg.Dir, datePrefix+part.Date, stem+parquetSuffix)
		for _, n := range []string{name, name + temporary} {
			if err := l.disk.Remove(n); err != nil && !errors.Is(err, fs.ErrNotExist) {
				l.log.Warn().Err(err).Str("path", n).Msg("what an unfinished write had left cannot be removed")
			}
		}
	}
}

func rows(p Part) int64 {
	var n int64
	for _, r := range p.Rows {
		n += r.NumRows()
	}
	return n
}
