package lake

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// ErrNotLanded means that a late row stands above the lake's watermark: its batch is still to come.
var ErrNotLanded = errors.New("the lake has not come that far")

// Late is the row of a change whose batch landed without it, as it could not be converted then.
type Late struct {
	Epoch, Seq uint64
	// Date as YYYY-MM-DD.
	Date string
	// Row is one row; it is not released by the lake.
	Row arrow.RecordBatch
}

// AddLate lands rows in the batches that they belong to by their order, each once: a file of their own beside the
// batch's, and the batch's entry written anew with it, which is the commit. A row whose batch no entry holds any more
// gets an entry of its own. It returns how many were not there before. After an error it may be called again with the
// same rows.
func (l *Lake) AddLate(ctx context.Context, late []Late) (added int, err error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if !l.isOpen() {
		return 0, ErrNotOpen
	}
	if l.dirty {
		if err := l.recover(); err != nil {
			return 0, fmt.Errorf("add late rows: %w", err)
		}
	}
	late = slices.Clone(late)
	slices.SortStableFunc(late, func(a, b Late) int { return Mark{Epoch: a.Epoch, Seq: a.Seq}.Compare(Mark{Epoch: b.Epoch, Seq: b.Seq}) })
	for len(late) > 0 {
		entry, err := l.entryOf(late[0])
		if err != nil {
			return added, fmt.Errorf("add late rows: %w", err)
		}
		n := slices.IndexFunc(late, func(r Late) bool { return r.Epoch != entry.Epoch || r.Seq > entry.Last })
		if n < 0 {
			n = len(late)
		}
		more, err := l.amend(ctx, entry, late[:n])
		added += more
		if err != nil {
			return added, fmt.Errorf("add late rows to %s: %w", entry.stem(), err)
		}
		late = late[n:]
	}
	return added, nil
}

// entryOf is the entry that covers a row, or a new one if none does.
func (l *Lake) entryOf(r Late) (Entry, error) {
	now := l.folder()
	if !now.covers(r.Epoch, r.Seq) {
		return Entry{}, fmt.Errorf("message %d of epoch %d: %w", r.Seq, r.Epoch, ErrNotLanded)
	}
	for _, e := range now.entries {
		if e.Epoch == r.Epoch && e.First <= r.Seq && r.Seq <= e.Last {
			return e, nil
		}
	}
	e := Entry{Version: Version, Epoch: r.Epoch, First: r.Seq, Last: r.Seq, Seen: r.Seq}
	for _, record := range now.epochs {
		if record.Epoch == r.Epoch {
			e.Stream = record.Stream
		}
	}
	return e, nil
}

// amend adds rows to one entry, without those that it holds already.
func (l *Lake) amend(ctx context.Context, entry Entry, late []Late) (added int, err error) {
	there, err := l.orders(ctx, entry)
	if err != nil {
		return 0, err
	}
	byDate := map[string][]Late{}
	for _, r := range late {
		if !there[r.Seq] {
			there[r.Seq] = true
			byDate[r.Date] = append(byDate[r.Date], r)
			added++
		}
	}
	if added == 0 {
		return 0, nil
	}
	l.dirty, l.suspect = true, entry.stem()
	if err := l.landLate(&entry, byDate); err != nil {
		if cleanup := l.recover(); cleanup != nil {
			err = errors.Join(err, fmt.Errorf("recover: %w", cleanup))
		}
		return 0, err
	}
	l.dirty, l.suspect = false, ""
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = l.now.with(entry)
	return added, nil
}

// orders are the sequences of the rows that are there of an entry's range. They may stand in another entry's file: one
// that was merged belongs to the batch of its last change.
func (l *Lake) orders(ctx context.Context, entry Entry) (map[uint64]bool, error) {
	held := map[uint64]bool{}
	var files []EntryFile
	for _, e := range l.folder().entries {
		for _, f := range e.Files {
			epoch, first, last, ok := parseStem(strings.TrimSuffix(filepath.Base(f.Path), parquetSuffix))
			if !ok || epoch == entry.Epoch && first <= entry.Last && last >= entry.First {
				files = append(files, f)
			}
		}
	}
	for _, f := range files {
		opts := ScanOptions{Columns: []string{"_seq"}}
		err := readParquet(ctx, l.disk, filepath.Join(l.cfg.Dir, filepath.FromSlash(f.Path)), opts, func(record arrow.RecordBatch) error {
			at := record.Schema().FieldIndices("_seq")
			if len(at) != 1 {
				return fmt.Errorf("%s: %w: no column _seq", f.Path, ErrUnreadable)
			}
			seqs, ok := record.Column(at[0]).(*array.Int64)
			if !ok {
				return fmt.Errorf("%s: %w: _seq is of type %s", f.Path, ErrUnreadable, record.Column(at[0]).DataType())
			}
			for _, seq := range seqs.Int64Values() {
				held[uint64(seq)] = true
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f.Path, err)
		}
	}
	return held, nil
}

// landLate writes the files, then the entry anew.
func (l *Lake) landLate(entry *Entry, byDate map[string][]Late) error {
	files := slices.Clone(entry.Files)
	dates := make([]string, 0, len(byDate))
	for date := range byDate {
		dates = append(dates, date)
	}
	slices.Sort(dates)
	for _, date := range dates {
		for rows := byDate[date]; len(rows) > 0; {
			n := len(rows)
			// The batch's own file of the date may have that very name, if all but its first and last were there: then
			// the last goes into a file of its own.
			for n > 1 && taken(files, date, stem(entry.Epoch, rows[0].Seq, rows[n-1].Seq)) {
				n--
			}
			file, err := l.writeLate(*entry, date, rows[:n])
			if err != nil {
				return err
			}
			files = append(files, file)
			rows = rows[n:]
		}
	}
	entry.Files = files
	return putEntry(l.disk, l.cfg.Dir, *entry)
}

func taken(files []EntryFile, date, stem string) bool {
	return slices.ContainsFunc(files, func(f EntryFile) bool { return f.Path == datePrefix+date+"/"+stem+parquetSuffix })
}

func (l *Lake) writeLate(entry Entry, date string, late []Late) (EntryFile, error) {
	part := Part{Date: date}
	for _, r := range late {
		part.Rows = append(part.Rows, r.Row)
	}
	entry.First, entry.Last = late[0].Seq, late[len(late)-1].Seq
	return l.writePart(entry.stem(), entry, part)
}

// with is the folder with an entry in the place of the one of its name, or added in its order.
func (f folder) with(entry Entry) folder {
	f.entries = slices.Clone(f.entries)
	if at := slices.IndexFunc(f.entries, func(e Entry) bool { return e.stem() == entry.stem() }); at >= 0 {
		f.entries[at] = entry
	} else {
		f.entries = append(f.entries, entry)
		slices.SortFunc(f.entries, compareEntries)
	}
	f.files, f.rows, f.bytes = 0, 0, 0
	for _, e := range f.entries {
		f.count(e)
	}
	return f
}

// within reports whether an entry covers the range of an unnamed file: then the file is what an unfinished AddLate left.
func (f folder) within(epoch, first, last uint64) bool {
	return slices.ContainsFunc(f.entries, func(e Entry) bool { return e.Epoch == epoch && e.First <= first && last <= e.Last })
}
