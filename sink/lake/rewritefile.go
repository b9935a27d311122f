package lake

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

const (
	// rewriteRead is how many rows are read at once: little, since one may be megabytes.
	rewriteRead = 512
	// A run is sorted in memory, and becomes one row group.
	runRows  = rowGroupRows
	runBytes = 48 << 20
)

// writeKept writes the rows that stay of a group's files as one file aside, synced.
func (l *Lake) writeKept(ctx context.Context, name string, entry Entry, group []string, masks [][]bool) (size int64, err error) {
	full := filepath.Join(l.cfg.Dir, filepath.FromSlash(name)) + asideSuffix
	f, err := l.disk.Create(full)
	if err != nil {
		return 0, err
	}
	out := &runWriter{out: f}
	for i, old := range group {
		path := filepath.Join(l.cfg.Dir, filepath.FromSlash(old))
		mask := masks[i]
		err = readParquet(ctx, l.disk, path, ScanOptions{BatchRows: rewriteRead}, func(record arrow.RecordBatch) error {
			if mask == nil {
				return out.add(ctx, record)
			}
			n := record.NumRows()
			kept, err := filter(ctx, record, mask[:n])
			mask = mask[n:]
			if err != nil {
				return err
			}
			defer kept.Release()
			return out.add(ctx, kept)
		})
		if err != nil {
			out.release()
			return 0, errors.Join(fmt.Errorf("%s: %w", old, err), f.Close())
		}
	}
	size, err = out.close(ctx, fileMetadata(entry))
	if err == nil {
		err = f.Sync()
	}
	return size, errors.Join(err, f.Close())
}

func filter(ctx context.Context, record arrow.RecordBatch, keep []bool) (arrow.RecordBatch, error) {
	builder := array.NewBooleanBuilder(memory.DefaultAllocator)
	defer builder.Release()
	builder.AppendValues(keep, nil)
	mask := builder.NewBooleanArray()
	defer mask.Release()
	return compute.FilterRecordBatch(ctx, record, mask, compute.DefaultFilterOptions())
}

// runWriter gathers rows to runs, sorts each by session, so that a reader can pass over those that it does not look for,
// and writes it as a row group.
type runWriter struct {
	out     io.Writer
	counter *countingWriter
	buffer  *bufio.Writer
	parquet *pqarrow.FileWriter
	schema  *arrow.Schema

	run   []arrow.RecordBatch
	rows  int64
	bytes int64
}

func (w *runWriter) add(ctx context.Context, record arrow.RecordBatch) error {
	if record.NumRows() == 0 {
		return nil
	}
	record = withoutRetired(record)
	defer record.Release()
	if w.schema == nil {
		w.schema = record.Schema()
		w.counter = &countingWriter{w: w.out}
		w.buffer = bufio.NewWriterSize(w.counter, 256<<10)
		var err error
		// The writer closes what it is given if that has a Close: it gets none.
		w.parquet, err = pqarrow.NewFileWriter(w.schema, struct{ io.Writer }{w.buffer}, writerProperties(w.schema, rewritingLevel), pqarrow.DefaultWriterProps())
		if err != nil {
			return err
		}
	}
	same, err := conform(record, w.schema)
	if err != nil {
		return err
	}
	w.run = append(w.run, same)
	w.rows += same.NumRows()
	w.bytes += recordBytes(same)
	if w.rows >= runRows || w.bytes >= runBytes {
		return w.flush(ctx)
	}
	return nil
}

// retired holds columns that files of earlier releases have, and whose content doc_raw has too.
var retired = map[string]bool{"message_raw": true}

// withoutRetired takes those columns out; the caller releases what it returns.
func withoutRetired(record arrow.RecordBatch) arrow.RecordBatch {
	var fields []arrow.Field
	var columns []arrow.Array
	for i, field := range record.Schema().Fields() {
		if !retired[field.Name] {
			fields, columns = append(fields, field), append(columns, record.Column(i))
		}
	}
	if len(columns) == int(record.NumCols()) {
		record.Retain()
		return record
	}
	metadata := record.Schema().Metadata()
	return array.NewRecordBatch(arrow.NewSchema(fields, &metadata), columns, record.NumRows())
}

// conform gives a record the columns of the first file: another release may have written fewer.
func conform(record arrow.RecordBatch, schema *arrow.Schema) (arrow.RecordBatch, error) {
	if record.Schema().Equal(schema) {
		record.Retain()
		return record, nil
	}
	columns := make([]arrow.Array, schema.NumFields())
	for i, field := range schema.Fields() {
		at := record.Schema().FieldIndices(field.Name)
		switch {
		case len(at) == 1 && arrow.TypeEqual(record.Column(at[0]).DataType(), field.Type):
			columns[i] = record.Column(at[0])
		case len(at) == 0 && field.Nullable:
			columns[i] = array.MakeArrayOfNull(memory.DefaultAllocator, field.Type, int(record.NumRows()))
			defer columns[i].Release()
		default:
			return nil, fmt.Errorf("%w: column %s", errOtherColumns, field.Name)
		}
	}
	for _, field := range record.Schema().Fields() {
		if !schema.HasField(field.Name) {
			return nil, fmt.Errorf("%w: column %s", errOtherColumns, field.Name)
		}
	}
	return array.NewRecordBatch(schema, columns, record.NumRows()), nil
}

// errOtherColumns means that files do not fit into one.
var errOtherColumns = errors.New("the files have other columns than each other")

func (w *runWriter) flush(ctx context.Context) error {
	if w.rows == 0 {
		return nil
	}
	whole, err := concatenate(w.schema, w.run)
	w.release()
	if err != nil {
		return err
	}
	defer whole.Release()
	sorted, err := bySession(ctx, whole)
	if err != nil {
		return err
	}
	defer sorted.Release()
	if err := w.parquet.NewBufferedRowGroupChecked(); err != nil {
		return err
	}
	return w.parquet.WriteBuffered(sorted)
}

func (w *runWriter) release() {
	for _, record := range w.run {
		record.Release()
	}
	w.run, w.rows, w.bytes = nil, 0, 0
}

func (w *runWriter) close(ctx context.Context, meta [][2]string) (int64, error) {
	if w.parquet == nil {
		return 0, errors.New("no rows to write")
	}
	if err := w.flush(ctx); err != nil {
		return 0, err
	}
	for _, m := range meta {
		if err := w.parquet.AppendKeyValueMetadata(m[0], m[1]); err != nil {
			return 0, err
		}
	}
	if err := w.parquet.Close(); err != nil {
		return 0, err
	}
	if err := w.buffer.Flush(); err != nil {
		return 0, err
	}
	return w.counter.n, nil
}

func concatenate(schema *arrow.Schema, records []arrow.RecordBatch) (arrow.RecordBatch, error) {
	columns := make([]arrow.Array, schema.NumFields())
	defer func() {
		for _, c := range columns {
			if c != nil {
				c.Release()
			}
		}
	}()
	var rows int64
	for _, r := range records {
		rows += r.NumRows()
	}
	for i := range columns {
		parts := make([]arrow.Array, len(records))
		for k, r := range records {
			parts[k] = r.Column(i)
		}
		var err error
		if columns[i], err = array.Concatenate(parts, memory.DefaultAllocator); err != nil {
			return nil, err
		}
	}
	return array.NewRecordBatch(schema, columns, rows), nil
}

// bySession sorts rows by session, within one by order.
func bySession(ctx context.Context, record arrow.RecordBatch) (arrow.RecordBatch, error) {
	session, isText := columnOf[*array.String](record, "session_id")
	epoch, isEpoch := columnOf[*array.Int64](record, "_epoch")
	seq, isSeq := columnOf[*array.Int64](record, "_seq")
	if !isText || !isEpoch || !isSeq {
		record.Retain()
		return record, nil
	}
	order := make([]int64, record.NumRows())
	for i := range order {
		order[i] = int64(i)
	}
	name := func(i int64) string {
		if session.IsNull(int(i)) {
			return ""
		}
		return session.Value(int(i))
	}
	slices.SortStableFunc(order, func(a, b int64) int {
		return cmp.Or(cmp.Compare(name(a), name(b)), cmp.Compare(epoch.Value(int(a)), epoch.Value(int(b))), cmp.Compare(seq.Value(int(a)), seq.Value(int(b))))
	})
	builder := array.NewInt64Builder(memory.DefaultAllocator)
	defer builder.Release()
	builder.AppendValues(order, nil)
	indices := builder.NewArray()
	defer indices.Release()
	columns := make([]arrow.Array, record.NumCols())
	defer func() {
		for _, c := range columns {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i := range columns {
		taken, err := compute.TakeArray(ctx, record.Column(i), indices)
		if err != nil {
			return nil, fmt.Errorf("sort by session: %w", err)
		}
		columns[i] = taken
	}
	return array.NewRecordBatch(record.Schema(), columns, record.NumRows()), nil
}

func columnOf[A any](record arrow.RecordBatch, name string) (column A, ok bool) {
	at := record.Schema().FieldIndices(name)
	if len(at) != 1 {
		return column, false
	}
	column, ok = record.Column(at[0]).(A)
	return column, ok
}
