package lake

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// ErrUnreadable is what the function given to a scan returns, wrapped, for rows that it cannot make sense of: the file is
// at fault then, not the function.
var ErrUnreadable = errors.New("rows cannot be read")

// ScanOptions say what to read.
type ScanOptions struct {
	// After leaves out the batches at or below this watermark (by epoch and sequence); the zero Mark reads all.
	After Mark
	// KeepGoing goes on with the next file where one cannot be read; the faults are then what Scan returns.
	KeepGoing bool
	// Columns are those to read; none: all. A file that lacks one of them cannot be read. Optional are read beside them
	// where the file has them.
	Columns, Optional []string
	// BatchRows is how many rows are handed over at once; 0 is 8,192.
	BatchRows int64
	// Only leaves out the batches of which it says no; nil: none. Select hands over some of the rows only; nil: all.
	Only   func(Entry) bool
	Select *Selection
}

// Chunk is a piece of one file.
type Chunk struct {
	// Path of the file: below the lake's folder in Scan, as given in ScanFiles.
	Path string
	// Mark is the watermark after the file's batch; zero in ScanFiles.
	Mark Mark
	// Rows are valid until the function they are handed to returns; Retain keeps them longer.
	Rows arrow.RecordBatch
}

// Scan reads the batches in the order of the manifest, streaming: memory is bounded by a row group. It sees the
// entries that were there when it began. A file that cannot be read ends it with a Fault that names the file, unless
// asked to keep going. An error of fn ends it as it is, but for ErrUnreadable.
func (l *Lake) Scan(ctx context.Context, opts ScanOptions, fn func(Chunk) error) ([]Fault, error) {
	if !l.isOpen() {
		return nil, ErrNotOpen
	}
	l.scans.RLock()
	defer l.scans.RUnlock()
	if l.isHalf() {
		return nil, ErrBusy
	}
	var faults []Fault
	for _, entry := range l.Entries() {
		if mark := entry.Mark(); mark.Compare(opts.After) <= 0 || opts.Only != nil && !opts.Only(entry) {
			continue
		}
		for _, f := range entry.Files {
			name := filepath.Join(l.cfg.Dir, filepath.FromSlash(f.Path))
			chunk := Chunk{Path: f.Path, Mark: entry.Mark()}
			if err := l.scanFile(ctx, name, chunk, f.Rows, opts, fn, &faults); err != nil {
				return faults, err
			}
		}
	}
	return faults, nil
}

// ScanFiles reads these Parquet files one after the other, whether the manifest names them or not.
func (l *Lake) ScanFiles(ctx context.Context, names []string, opts ScanOptions, fn func(Chunk) error) ([]Fault, error) {
	var faults []Fault
	for _, name := range names {
		if err := l.scanFile(ctx, name, Chunk{Path: name}, -1, opts, fn, &faults); err != nil {
			return faults, err
		}
	}
	return faults, nil
}

const restoreRemedy = "restore it from a backup, or fetch its documents anew with: claude-analytics extract --full-backfill"

func (l *Lake) scanFile(
	ctx context.Context, name string, chunk Chunk, rows int64, opts ScanOptions, fn func(Chunk) error, faults *[]Fault,
) error {
	var abort error
	if opts.Select != nil {
		// How many there are is not known before they were all looked at.
		rows = -1
	}
	err := readParquet(ctx, l.disk, name, opts, func(record arrow.RecordBatch) error {
		rows -= record.NumRows()
		chunk.Rows = record
		abort = fn(chunk)
		return abort
	})
	switch {
	case abort != nil && !errors.Is(abort, ErrUnreadable):
		return abort
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && rows > 0:
		err = fmt.Errorf("%d rows fewer than the manifest says", rows)
	case err == nil:
		return nil
	}
	fault := Fault{
		Path: chunk.Path, Problem: fmt.Sprintf("the Parquet file cannot be read: %v", err),
		Remedy: restoreRemedy,
	}
	if !opts.KeepGoing {
		return fault
	}
	*faults = append(*faults, fault)
	return nil
}

var errEmptyFile = errors.New("the file is empty")

// readParquet hands over a file's rows in order. The Parquet library panics on some damaged files: that is an error too.
func readParquet(ctx context.Context, disk FS, name string, opts ScanOptions, fn func(arrow.RecordBatch) error) (err error) {
	inCallback := false
	defer func() {
		if p := recover(); p != nil {
			if inCallback {
				panic(p)
			}
			err = fmt.Errorf("damaged: %v", p)
		}
	}()
	source, err := disk.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if n, err := source.Seek(0, 2); err != nil || n == 0 {
		return errors.Join(err, errEmptyFile)
	}

	props := parquet.NewReaderProperties(memory.DefaultAllocator)
	props.BufferedStreamEnabled = true
	// The reader closes what it is given if that has a Close: it gets none.
	parquetFile, err := file.NewParquetReader(struct{ parquet.ReaderAtSeeker }{source}, file.WithReadProps(props))
	if err != nil {
		return err
	}
	if opts.BatchRows <= 0 {
		opts.BatchRows = 8192
	}
	reader, err := pqarrow.NewFileReader(parquetFile, pqarrow.ArrowReadProperties{BatchSize: opts.BatchRows}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	columns, err := columnsOf(parquetFile, opts.Columns, opts.Optional)
	if err != nil {
		return err
	}
	guarded := func(record arrow.RecordBatch) error {
		inCallback = true
		if err := fn(record); err != nil {
			return err
		}
		inCallback = false
		return nil
	}
	if opts.Select != nil {
		return opts.Select.read(ctx, name, reader, columns, guarded)
	}
	return readRows(ctx, reader, columns, nil, guarded)
}

// readRows reads columns of row groups; nil stands for all.
func readRows(ctx context.Context, reader *pqarrow.FileReader, columns, groups []int, fn func(arrow.RecordBatch) error) error {
	records, err := reader.GetRecordReader(ctx, columns, groups)
	if err != nil {
		return err
	}
	defer records.Release()
	for records.Next() {
		if err := fn(records.RecordBatch()); err != nil {
			return err
		}
	}
	return records.Err()
}

// columnsOf finds the columns by name; nil stands for all.
func columnsOf(f *file.Reader, names, optional []string) ([]int, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var columns []int
	for _, name := range names {
		at := f.MetaData().Schema.ColumnIndexByName(name)
		if at < 0 {
			return nil, fmt.Errorf("it has no column %s", name)
		}
		columns = append(columns, at)
	}
	for _, name := range optional {
		if at := f.MetaData().Schema.ColumnIndexByName(name); at >= 0 {
			columns = append(columns, at)
		}
	}
	return columns, nil
}
