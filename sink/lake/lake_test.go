package lake_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"claude-analytics/sink/lake"
	"claude-analytics/sink/lake/faultfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	stream = lake.Stream{Name: "CONVERSATIONS", Created: time.Date(2026, 11, 23, 8, 0, 0, 123456789, time.UTC)}
	schema = arrow.NewSchema([]arrow.Field{
		{Name: "_id", Type: arrow.BinaryTypes.String},
		{Name: "date", Type: arrow.FixedWidthTypes.Date32},
		{Name: "_seq", Type: arrow.PrimitiveTypes.Int64},
		{Name: "doc_raw", Type: arrow.BinaryTypes.Binary, Nullable: true},
	}, nil)
)

// part makes one row for each sequence.
func part(date string, seqs ...int64) lake.Part {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		panic(err)
	}
	for _, seq := range seqs {
		b.Field(0).(*array.StringBuilder).Append(fmt.Sprintf("id-%d", seq))
		b.Field(1).(*array.Date32Builder).Append(arrow.Date32FromTime(day))
		b.Field(2).(*array.Int64Builder).Append(seq)
		b.Field(3).(*array.BinaryBuilder).Append([]byte(strings.Repeat("x", int(seq%7)*10)))
	}
	return lake.Part{Date: date, Rows: []arrow.RecordBatch{b.NewRecordBatch()}}
}

// batch is the changes first to last of an epoch, in two dates.
func batch(epoch, first, last uint64) lake.Batch {
	b := lake.Batch{
		First: first,
		Mark: lake.Mark{
			Stream: stream, Epoch: epoch, Seq: last, Seen: last + 1,
			Time: time.Date(2026, 11, 23, 9, 0, int(last), 0, time.UTC),
		},
	}
	var odd, even []int64
	for seq := first; seq <= last; seq++ {
		if seq%2 == 0 {
			even = append(even, int64(seq))
		} else {
			odd = append(odd, int64(seq))
		}
	}
	for date, seqs := range map[string][]int64{"2026-11-22": odd, "2026-11-23": even} {
		if len(seqs) > 0 {
			b.Parts = append(b.Parts, part(date, seqs...))
		}
	}
	return b
}

func open(t testing.TB, disk lake.FS, dir string) *lake.Lake {
	t.Helper()
	l := lake.New(lake.Config{Dir: dir, FS: disk, Workers: 1}, zerolog.Nop())
	if err := l.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func mustWrite(t testing.TB, l *lake.Lake, b lake.Batch) lake.Entry {
	t.Helper()
	if len(l.Epochs()) == 0 {
		if err := l.BeginEpoch(t.Context(), lake.EpochRecord{Epoch: b.Mark.Epoch, Stream: stream}); err != nil {
			t.Fatal(err)
		}
	}
	entry, err := l.Write(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

// sequences is what a scan finds, sorted.
func sequences(t testing.TB, l *lake.Lake, opts lake.ScanOptions) []int64 {
	t.Helper()
	var seqs []int64
	faults, err := l.Scan(t.Context(), opts, collect(&seqs))
	if err != nil || len(faults) > 0 && !opts.KeepGoing {
		t.Fatalf("scan: %v, %v", err, faults)
	}
	slices.Sort(seqs)
	return seqs
}

func collect(seqs *[]int64) func(lake.Chunk) error {
	return func(c lake.Chunk) error {
		at := c.Rows.Schema().FieldIndices("_seq")[0]
		*seqs = append(*seqs, c.Rows.Column(at).(*array.Int64).Int64Values()...)
		return nil
	}
}

func span(first, last int64) []int64 {
	var all []int64
	for n := first; n <= last; n++ {
		all = append(all, n)
	}
	return all
}

func TestWriteAndReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "raw")
	l := open(t, nil, dir)
	if !l.Watermark().IsZero() {
		t.Fatalf("a new lake has the watermark %+v", l.Watermark())
	}
	mustWrite(t, l, batch(1, 3, 9))
	entry := mustWrite(t, l, batch(1, 12, 20))
	wantFiles := []string{"date=2026-11-22/1-000000000012-000000000020.parquet", "date=2026-11-23/1-000000000012-000000000020.parquet"}
	for i, f := range entry.Files {
		if f.Path != wantFiles[i] || f.Bytes == 0 || f.Rows == 0 {
			t.Errorf("file %d: %+v", i, f)
		}
	}
	again := open(t, nil, dir)
	mark := again.Watermark()
	if !mark.Stream.Equal(stream) || mark.Epoch != 1 || mark.Seq != 20 || mark.Seen != 21 ||
		!lake.SameTime(mark.Time, batch(1, 12, 20).Mark.Time) {
		t.Errorf("watermark %+v", mark)
	}
	if got, want := sequences(t, again, lake.ScanOptions{BatchRows: 2}), append(span(3, 9), span(12, 20)...); !slices.Equal(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
	if got := sequences(t, again, lake.ScanOptions{After: lake.Mark{Epoch: 1, Seq: 9}}); !slices.Equal(got, span(12, 20)) {
		t.Errorf("rows after 9: %v", got)
	}
	if a, b := l.Stats(), again.Stats(); a != b || a.Files != 4 || a.Rows != 16 || len(again.Faults()) != 0 {
		t.Errorf("stats %+v, reopened %+v, faults %v", a, b, again.Faults())
	}
}

func TestWriteRefusesWhatItHas(t *testing.T) {
	l := open(t, nil, t.TempDir())
	first := mustWrite(t, l, batch(2, 10, 20))
	if entry, err := l.Write(t.Context(), batch(2, 10, 20)); err != nil || entry.Last != first.Last || l.Stats().Batches != 1 {
		t.Errorf("the same batch again: %+v, %v", entry, err)
	}
	for _, b := range []lake.Batch{batch(2, 20, 25), batch(2, 5, 30), batch(1, 100, 110)} {
		if _, err := l.Write(t.Context(), b); !errors.Is(err, lake.ErrOverlap) {
			t.Errorf("%d-%d-%d: %v", b.Mark.Epoch, b.First, b.Mark.Seq, err)
		}
	}
	mustWrite(t, l, batch(3, 1, 5))
	empty := batch(3, 6, 6)
	empty.Parts = nil
	mustWrite(t, l, empty)
	if mark := l.Watermark(); mark.Epoch != 3 || mark.Seq != 6 {
		t.Errorf("watermark %+v", mark)
	}
	if _, err := lake.New(lake.Config{Dir: t.TempDir()}, zerolog.Nop()).Write(t.Context(), empty); !errors.Is(err, lake.ErrNotOpen) {
		t.Errorf("write before open: %v", err)
	}
}

// What SIGKILL cannot show: the order in which things become durable.
func TestTrace(t *testing.T) {
	dir := t.TempDir()
	disk := faultfs.New(lake.OS{}, dir)
	l := open(t, disk, filepath.Join(dir, "raw"))
	if err := l.BeginEpoch(t.Context(), lake.EpochRecord{Epoch: 1, Stream: stream}); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, l, batch(1, 1, 2))
	disk.Note("ack")
	want := `
		mkdir raw/_manifest
		mkdir raw
		syncdir .
		mkdir raw/_manifest
		syncdir raw
		syncdir raw/_manifest
		syncdir raw
		create raw/_manifest/epochs.json.tmp
		write raw/_manifest/epochs.json.tmp
		sync raw/_manifest/epochs.json.tmp
		rename raw/_manifest/epochs.json.tmp raw/_manifest/epochs.json
		syncdir raw/_manifest
		mkdir raw/date=2026-11-22
		syncdir raw
		create raw/date=2026-11-22/1-000000000001-000000000002.parquet.tmp
		write raw/date=2026-11-22/1-000000000001-000000000002.parquet.tmp
		sync raw/date=2026-11-22/1-000000000001-000000000002.parquet.tmp
		rename raw/date=2026-11-22/1-000000000001-000000000002.parquet.tmp raw/date=2026-11-22/1-000000000001-000000000002.parquet
		syncdir raw/date=2026-11-22
		mkdir raw/date=2026-11-23
		syncdir raw
		create raw/date=2026-11-23/1-000000000001-000000000002.parquet.tmp
		write raw/date=2026-11-23/1-000000000001-000000000002.parquet.tmp
		sync raw/date=2026-11-23/1-000000000001-000000000002.parquet.tmp
		rename raw/date=2026-11-23/1-000000000001-000000000002.parquet.tmp raw/date=2026-11-23/1-000000000001-000000000002.parquet
		syncdir raw/date=2026-11-23
		create raw/_manifest/1-000000000001-000000000002.json.tmp
		write raw/_manifest/1-000000000001-000000000002.json.tmp
		sync raw/_manifest/1-000000000001-000000000002.json.tmp
		rename raw/_manifest/1-000000000001-000000000002.json.tmp raw/_manifest/1-000000000001-000000000002.json
		syncdir raw/_manifest
		ack`
	got := strings.Join(disk.Take(), "\n")
	if want := strings.TrimSpace(strings.ReplaceAll(want, "\t", "")); got != want {
		t.Errorf("trace:\n%s\nwant:\n%s", got, want)
	}
}

func TestEpochs(t *testing.T) {
	dir := t.TempDir()
	l := open(t, nil, dir)
	ctx := context.Background()
	other := lake.Stream{Name: stream.Name, Created: stream.Created.Add(time.Hour)}
	for _, r := range []lake.EpochRecord{{Epoch: 1, Stream: stream, Reason: "first"}, {Epoch: 1, Stream: stream}, {Epoch: 4, Stream: other}} {
		if err := l.BeginEpoch(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.BeginEpoch(ctx, lake.EpochRecord{Epoch: 4, Stream: stream}); err == nil {
		t.Error("an epoch was given to two streams")
	}
	epochs := open(t, nil, dir).Epochs()
	if len(epochs) != 2 || epochs[0].Reason != "first" || !epochs[1].Stream.Equal(other) || epochs[1].Epoch != 4 {
		t.Errorf("epochs %+v", epochs)
	}
	if err := os.WriteFile(filepath.Join(dir, "_manifest", "epochs.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	broken := open(t, nil, dir)
	if len(broken.Epochs()) != 0 || len(broken.Faults()) != 1 {
		t.Errorf("epochs %v, faults %v", broken.Epochs(), broken.Faults())
	}
}
