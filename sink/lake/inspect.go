package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
)

// What Inspect finds wrong: the values of Finding.Kind.
const (
	// FileMissing: a manifest entry names a file that is not there.
	FileMissing = "file_missing"
	// FileDamaged: a file has another size or number of rows than its entry says, or cannot be read.
	FileDamaged = "file_damaged"
	// EntryUnreadable: a manifest entry is there and cannot be read.
	EntryUnreadable = "entry_unreadable"
	// EntryLost: files of a batch below the watermark that no entry names.
	EntryLost = "entry_lost"
	// BatchUnfinished: files of a batch above the watermark that no entry names; the next start removes them, and the
	// batch comes again from the stream. While a service runs, it may be about to finish it.
	BatchUnfinished = "batch_unfinished"
	// FileForeign: a file that the lake did not write.
	FileForeign = "file_foreign"
)

// Finding is one thing wrong with the lake's folder.
type Finding struct {
	Kind string
	// Path below the lake's folder.
	Path   string
	Detail string
	// Epoch, First and Last are the range of the batch that is concerned; zero where there is none.
	Epoch, First, Last uint64
	// Rows is what the manifest says that the file holds; 0: it does not say.
	Rows int64
}

// Inspection is the lake's folder as it lies on the disk.
type Inspection struct {
	// Entries are those that can be read, in order; Floors the EpochRecord.Floor of each epoch.
	Entries []Entry
	Epochs  []EpochRecord
	// Files counts the files that entries name and that are whole.
	Files    int
	Bytes    int64
	Findings []Finding
}

// Inspect looks at the manifest and at every file's size and footer, or with whole at every page, and changes nothing.
// seen is told of each file. It needs no open lake.
func (l *Lake) Inspect(ctx context.Context, whole bool, seen func(done, of int)) (Inspection, error) {
	out, err := l.inspect(ctx, whole, seen)
	if err != nil {
		return Inspection{}, fmt.Errorf("inspect lake: %w", err)
	}
	return out, nil
}

func (l *Lake) inspect(ctx context.Context, whole bool, seen func(done, of int)) (Inspection, error) {
	var out Inspection
	look := &folder{}
	if err := look.readEpochs(l.disk, l.cfg.Dir); err != nil {
		return out, err
	}
	out.Epochs = look.epochs
	// Files first: what an entry that came later names is then looked for once more.
	files, err := l.listFiles()
	if err != nil {
		return out, err
	}
	if err := l.listEntries(&out); err != nil {
		return out, err
	}
	total, done := 0, 0
	for _, e := range out.Entries {
		total += len(e.Files)
	}
	for _, e := range out.Entries {
		for _, f := range e.Files {
			if err := ctx.Err(); err != nil {
				return out, err
			}
			delete(files, f.Path)
			finding := Finding{Path: f.Path, Epoch: e.Epoch, First: e.First, Last: e.Last, Rows: max(f.Rows, 0)}
			if finding.Kind, finding.Detail = l.inspectFile(ctx, f, whole); finding.Kind != "" {
				out.Findings = append(out.Findings, finding)
			} else {
				out.Files++
				out.Bytes += f.Bytes
			}
			if done++; seen != nil {
				seen(done, total)
			}
		}
	}
	out.nameless(files)
	return out, nil
}

// listFiles lists the Parquet files of all dates.
func (l *Lake) listFiles() (map[string]bool, error) {
	files := map[string]bool{}
	dates, err := l.disk.ReadDir(l.cfg.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return files, nil
	}
	if err != nil {
		return nil, err
	}
	for _, date := range dates {
		if !date.IsDir() || !strings.HasPrefix(date.Name(), datePrefix) {
			continue
		}
		list, err := l.disk.ReadDir(filepath.Join(l.cfg.Dir, date.Name()))
		if err != nil {
			return nil, err
		}
		for _, item := range list {
			if strings.HasSuffix(item.Name(), parquetSuffix) {
				files[path.Join(date.Name(), item.Name())] = true
			}
		}
	}
	return files, nil
}

// listEntries reads the manifest; entries that cannot be read are findings.
func (l *Lake) listEntries(out *Inspection) error {
	list, err := l.disk.ReadDir(filepath.Join(l.cfg.Dir, manifestDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, item := range list {
		name, isEntry := strings.CutSuffix(item.Name(), jsonSuffix)
		epoch, first, last, named := parseStem(name)
		if !isEntry || !named {
			continue
		}
		text, err := l.disk.ReadFile(filepath.Join(l.cfg.Dir, manifestDir, item.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // replaced meanwhile
		}
		if err != nil {
			return err
		}
		e, err := parseEntry(name, text)
		if errors.Is(err, ErrVersion) {
			return err
		}
		if err != nil {
			out.Findings = append(out.Findings, Finding{
				Kind: EntryUnreadable, Path: path.Join(manifestDir, item.Name()), Detail: err.Error(),
				Epoch: epoch, First: first, Last: last,
			})
			continue
		}
		out.Entries = append(out.Entries, e)
	}
	slices.SortFunc(out.Entries, compareEntries)
	return nil
}

// inspectFile says what is wrong with a file; an empty kind: nothing.
func (l *Lake) inspectFile(ctx context.Context, f EntryFile, whole bool) (kind, detail string) {
	name := filepath.Join(l.cfg.Dir, filepath.FromSlash(f.Path))
	rows, size, err := footer(l.disk, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return FileMissing, "the file is not there"
	case err != nil:
		return FileDamaged, fmt.Sprintf("the file cannot be read: %v", err)
	case f.Rows >= 0 && size != f.Bytes:
		return FileDamaged, fmt.Sprintf("the file has %d bytes, the manifest says %d", size, f.Bytes)
	case f.Rows >= 0 && rows != f.Rows:
		return FileDamaged, fmt.Sprintf("the file has %d rows, the manifest says %d", rows, f.Rows)
	case !whole:
		return "", ""
	}
	err = readParquet(ctx, l.disk, name, ScanOptions{}, func(arrow.RecordBatch) error { return nil })
	if err != nil && ctx.Err() == nil {
		return FileDamaged, fmt.Sprintf("the file cannot be read: %v", err)
	}
	return "", ""
}

// footer reads a Parquet file's number of rows, and its size.
func footer(disk FS, name string) (rows, size int64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged: %v", p)
		}
	}()
	source, err := disk.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if size, err = source.Seek(0, 2); err != nil || size == 0 {
		return 0, 0, errors.Join(err, errEmptyFile)
	}
	reader, err := file.NewParquetReader(struct{ parquet.ReaderAtSeeker }{source})
	if err != nil {
		return 0, size, err
	}
	return reader.NumRows(), size, nil
}

// nameless sorts the files that no readable entry names.
func (out *Inspection) nameless(files map[string]bool) {
	var mark Mark
	if n := len(out.Entries); n > 0 {
		mark = out.Entries[n-1].Mark()
	}
	unreadable := map[string]bool{}
	for _, f := range out.Findings {
		if f.Kind == EntryUnreadable {
			unreadable[stem(f.Epoch, f.First, f.Last)] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		base := strings.TrimSuffix(path.Base(name), parquetSuffix)
		epoch, first, last, ok := parseStem(base)
		finding := Finding{Kind: EntryLost, Path: name, Epoch: epoch, First: first, Last: last}
		switch {
		case unreadable[base]:
			continue // told with its entry
		case !ok:
			finding.Kind, finding.Detail = FileForeign, "the lake did not write this file"
		case epoch > mark.Epoch || epoch == mark.Epoch && first > mark.Seq:
			finding.Kind, finding.Detail = BatchUnfinished, "no manifest entry names this file, which is above the watermark"
		default:
			finding.Detail = "no manifest entry names this file"
		}
		out.Findings = append(out.Findings, finding)
	}
}

// ScanEntries reads these entries' files as Scan does, whether the lake is open or not; files in skip are left out.
func (l *Lake) ScanEntries(ctx context.Context, entries []Entry, skip map[string]bool, opts ScanOptions, fn func(Chunk) error) ([]Fault, error) {
	var faults []Fault
	for _, e := range entries {
		for _, f := range e.Files {
			if skip[f.Path] {
				continue
			}
			name := filepath.Join(l.cfg.Dir, filepath.FromSlash(f.Path))
			if err := l.scanFile(ctx, name, Chunk{Path: f.Path, Mark: e.Mark()}, f.Rows, opts, fn, &faults); err != nil {
				return faults, err
			}
		}
	}
	return faults, nil
}
