package lake_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"claude-analytics/sink/lake"
	"claude-analytics/sink/lake/faultfs"
)

// without leaves out the changes that gone says.
func without(gone func(seq int64) bool) func(string, arrow.RecordBatch) ([]bool, error) {
	return func(_ string, rows arrow.RecordBatch) ([]bool, error) {
		at := rows.Schema().FieldIndices("_seq")[0]
		var keep []bool
		for _, seq := range rows.Column(at).(*array.Int64).Int64Values() {
			keep = append(keep, !gone(seq))
		}
		return keep, nil
	}
}

// byDate makes one group of all files of each date.
func byDate(l *lake.Lake) [][]string {
	dates := map[string][]string{}
	for _, e := range l.Entries() {
		for _, f := range e.Files {
			dates[filepath.Dir(f.Path)] = append(dates[filepath.Dir(f.Path)], f.Path)
		}
	}
	var groups [][]string
	for _, files := range dates {
		groups = append(groups, files)
	}
	slices.SortFunc(groups, slices.Compare)
	return groups
}

// each makes every file a group.
func each(l *lake.Lake) [][]string {
	var groups [][]string
	for _, e := range l.Entries() {
		for _, f := range e.Files {
			groups = append(groups, []string{f.Path})
		}
	}
	return groups
}

func fifth(seq int64) bool { return seq%5 == 0 || seq == 1 || seq == 3 }

func survivors(last int64) []int64 {
	return slices.DeleteFunc(span(1, last), fifth)
}

func TestRewriteMergesAndLeavesOut(t *testing.T) {
	dir := t.TempDir()
	l := open(t, nil, dir)
	for first := uint64(1); first < 41; first += 4 {
		mustWrite(t, l, batch(1, first, first+3))
	}
	before, mark := l.Stats(), l.Watermark()
	done, err := l.Rewrite(t.Context(), lake.RewriteOptions{Groups: byDate(l), Columns: []string{"_seq"}, Keep: without(fifth), Merge: true})
	if err != nil {
		t.Fatal(err)
	}
	if done.Files != before.Files || done.NewFiles != 2 || done.Rows != 10 || done.Bytes != before.Bytes || done.NewBytes != l.Stats().Bytes {
		t.Errorf("done %+v of %+v", done, before)
	}
	for _, at := range []*lake.Lake{l, open(t, nil, dir)} {
		if got := sequences(t, at, lake.ScanOptions{}); !slices.Equal(got, survivors(40)) {
			t.Errorf("rows %v", got)
		}
		// The newest entry stays, and all before it are one.
		if at.Watermark() != mark || len(at.Entries()) != 2 || len(at.Faults()) > 0 {
			t.Errorf("watermark %+v, entries %+v, faults %v", at.Watermark(), at.Entries(), at.Faults())
		}
	}
	if f := l.Entries()[1].Files[0]; f.Path != "date=2026-11-22/1-000000000001-000000000040.parquet" {
		t.Errorf("file %+v", f)
	}
	// What is landed again is known; what follows lands.
	if _, err := l.Write(t.Context(), batch(1, 37, 40)); err != nil {
		t.Error(err)
	}
	mustWrite(t, l, batch(1, 41, 44))
	if done, err := l.Rewrite(t.Context(), lake.RewriteOptions{Groups: each(l), Columns: []string{"_seq"}, Keep: without(func(int64) bool { return true })}); err != nil || done.NewFiles != 0 {
		t.Errorf("everything left out: %+v, %v", done, err)
	}
	again := open(t, nil, dir)
	if got := sequences(t, again, lake.ScanOptions{}); len(got) > 0 || again.Watermark().Seq != 44 || len(again.Faults()) > 0 {
		t.Errorf("rows %v, watermark %+v, faults %v", got, again.Watermark(), again.Faults())
	}
}

// rewriting lands batches and rewrites them; the disk fails from the k-th operation of the rewriting on.
func rewriting(t *testing.T, disk *faultfs.Tracer, k, width int, cause error) (*lake.Lake, error) {
	t.Helper()
	l := open(t, disk, root)
	for first := uint64(1); first < 21; first += 4 {
		mustWrite(t, l, batch(1, first, first+3))
	}
	if k > 0 {
		disk.Fail(k, width, cause)
	}
	_, err := l.Rewrite(t.Context(), lake.RewriteOptions{Groups: byDate(l), Columns: []string{"_seq"}, Keep: without(fifth), Merge: true})
	return l, err
}

// rewritten asserts that the lake is as before the rewriting or as after it, and nothing between, and goes on.
func rewritten(t *testing.T, disk lake.FS, done bool) {
	t.Helper()
	l := open(t, disk, root)
	got := sequences(t, l, lake.ScanOptions{})
	if !slices.Equal(got, survivors(20)) && (done || !slices.Equal(got, span(1, 20))) {
		t.Fatalf("rows %v", got)
	}
	if l.Watermark().Seq != 20 || len(l.Faults()) > 0 {
		t.Fatalf("watermark %+v, faults %v", l.Watermark(), l.Faults())
	}
	onlyNamedFiles(t, disk, l)
	mustWrite(t, l, batch(1, 21, 24))
	if _, err := l.Rewrite(t.Context(), lake.RewriteOptions{Groups: byDate(l), Columns: []string{"_seq"}, Keep: without(fifth)}); err != nil {
		t.Fatal(err)
	}
	if got := sequences(t, open(t, disk, root), lake.ScanOptions{}); !slices.Equal(got, survivors(24)) {
		t.Fatalf("rows at the end %v", got)
	}
	onlyNamedFiles(t, disk, l)
}

func rewriteOperations(t *testing.T) int {
	disk := faultfs.New(faultfs.NewVolatile(), "/")
	before := 0
	l := open(t, disk, root)
	for first := uint64(1); first < 21; first += 4 {
		mustWrite(t, l, batch(1, first, first+3))
	}
	before = disk.Operations()
	if _, err := l.Rewrite(t.Context(), lake.RewriteOptions{Groups: byDate(l), Columns: []string{"_seq"}, Keep: without(fifth), Merge: true}); err != nil {
		t.Fatal(err)
	}
	return disk.Operations() - before
}

func TestRewriteCrashAtEveryOperation(t *testing.T) {
	errDead := errors.New("dead")
	for k := 1; k <= rewriteOperations(t)+1; k++ {
		for _, how := range []string{"process", "power", "power with luck"} {
			memory := faultfs.NewVolatile()
			disk := faultfs.New(memory, "/")
			_, err := rewriting(t, disk, k, -1, errDead)
			switch how {
			case "power":
				memory.PowerCut(nil)
			case "power with luck":
				memory.PowerCut(rand.New(rand.NewPCG(uint64(k), 7)))
			}
			t.Run(fmt.Sprintf("%s at %d", how, k), func(t *testing.T) { rewritten(t, memory, err == nil) })
		}
	}
}

// The disk fails for a while, and the service goes on: landing, scanning, and rewriting again.
func TestRewriteErrorAtEveryOperation(t *testing.T) {
	for _, width := range []int{1, 4} {
		for k := 1; k <= rewriteOperations(t); k++ {
			disk := faultfs.New(faultfs.NewVolatile(), "/")
			l, err := rewriting(t, disk, k, width, syscall.ENOSPC)
			if err != nil && !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("at %d it is told as: %v", k, err)
			}
			disk.Heal()
			t.Run(fmt.Sprintf("%d at %d", width, k), func(t *testing.T) {
				if _, err := l.Write(t.Context(), batch(1, 21, 24)); err != nil {
					t.Fatal(err)
				}
				got := sequences(t, l, lake.ScanOptions{})
				if want := survivors(24); !slices.Equal(got, want) && !slices.Equal(got, span(1, 24)) && !slices.Equal(got, append(survivors(20), span(21, 24)...)) {
					t.Fatalf("rows %v", got)
				}
				if _, err := l.Rewrite(t.Context(), lake.RewriteOptions{Groups: byDate(l), Columns: []string{"_seq"}, Keep: without(fifth)}); err != nil {
					t.Fatal(err)
				}
				if got := sequences(t, open(t, disk, root), lake.ScanOptions{}); !slices.Equal(got, survivors(24)) {
					t.Fatalf("rows at the end %v", got)
				}
				onlyNamedFiles(t, disk, l)
			})
		}
	}
}

// Landing and scanning go on while files are rewritten: nobody sees half of it.
func TestRewriteWhileInUse(t *testing.T) {
	l := open(t, nil, t.TempDir())
	mustWrite(t, l, batch(1, 1, 4))
	var busy sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	var last uint64 = 4
	busy.Go(func() {
		for ctx.Err() == nil && last < 400 {
			if _, err := l.Write(ctx, batch(1, last+1, last+4)); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			last += 4
		}
	})
	busy.Go(func() {
		for ctx.Err() == nil {
			mark := int64(l.Watermark().Seq)
			var got []int64
			if _, err := l.Scan(ctx, lake.ScanOptions{}, collect(&got)); err != nil {
				if ctx.Err() == nil {
					t.Error(err)
				}
				return
			}
			slices.Sort(got)
			if n, _ := slices.BinarySearch(got, mark+1); !slices.Equal(got[:n], span(1, mark)) {
				t.Errorf("rows %v up to %d", got, mark)
				return
			}
		}
	})
	for range 12 {
		if _, err := l.Rewrite(t.Context(), lake.RewriteOptions{Groups: byDate(l), Merge: true}); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	busy.Wait()
}

func TestErasureRecords(t *testing.T) {
	dir := t.TempDir()
	l := open(t, nil, dir)
	for n := 1; n <= 2; n++ {
		e := lake.Erasure{Number: n, Kind: "session", SubjectHash: strings.Repeat("a", n), Keys: map[string][]string{"host": {"k"}}}
		if err := l.RecordErasure(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	all, err := open(t, nil, dir).Erasures(t.Context())
	if err != nil || len(all) != 2 || all[1].SubjectHash != "aa" || all[0].Keys["host"][0] != "k" {
		t.Errorf("%+v, %v", all, err)
	}
	if faults := open(t, nil, dir).Faults(); len(faults) > 0 {
		t.Errorf("faults %v", faults)
	}
}

// Any history of landing and rewriting holds what landed and was not left out, however its entries were merged.
func TestRewriteAnyHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		memory := faultfs.NewVolatile()
		l := lake.New(lake.Config{Dir: root, FS: memory, Workers: 1}, zerolog.Nop())
		if err := l.Open(t.Context()); err != nil {
			rt.Fatal(err)
		}
		if err := l.BeginEpoch(t.Context(), lake.EpochRecord{Epoch: 1, Stream: stream}); err != nil {
			rt.Fatal(err)
		}
		var want []int64
		next, epoch := uint64(1), uint64(1)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0, 1:
				n := rapid.Uint64Range(1, 6).Draw(rt, "rows")
				if _, err := l.Write(t.Context(), batch(epoch, next, next+n-1)); err != nil {
					rt.Fatal(err)
				}
				want = append(want, span(int64(next), int64(next+n-1))...)
				next += n
			case 2:
				epoch++
			case 3:
				gone := rapid.Int64Range(2, 9).Draw(rt, "gone")
				drop := func(seq int64) bool { return seq%gone == 0 }
				groups := each(l)
				if _, err := l.Rewrite(t.Context(), lake.RewriteOptions{Groups: groups, Columns: []string{"_seq"}, Keep: without(drop), Merge: rapid.Bool().Draw(rt, "merge")}); err != nil {
					rt.Fatal(err)
				}
				want = slices.DeleteFunc(want, drop)
			case 4:
				memory.PowerCut(nil)
				l = lake.New(lake.Config{Dir: root, FS: memory, Workers: 1}, zerolog.Nop())
				if err := l.Open(t.Context()); err != nil {
					rt.Fatal(err)
				}
			}
			var got []int64
			if _, err := l.Scan(t.Context(), lake.ScanOptions{}, collect(&got)); err != nil {
				rt.Fatal(err)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) || len(l.Faults()) > 0 {
				rt.Fatalf("rows %v, want %v, faults %v", got, want, l.Faults())
			}
		}
	})
}

// Files of earlier releases repeat the message in a column of its own; merged with others, they lose it, whichever is first.
func TestRewriteLeavesOutRetiredColumns(t *testing.T) {
	for _, old := range []uint64{1, 5} {
		l := open(t, nil, t.TempDir())
		for first := uint64(1); first < 9; first += 4 {
			b := batch(1, first, first+3)
			if first == old {
				for i := range b.Parts {
					b.Parts[i].Rows[0] = withMessage(b.Parts[i].Rows[0])
				}
			}
			mustWrite(t, l, b)
		}
		if _, err := l.Rewrite(t.Context(), lake.RewriteOptions{Groups: byDate(l), Columns: []string{"_seq"}, Keep: without(fifth), Merge: true}); err != nil {
			t.Fatal(err)
		}
		if got := sequences(t, l, lake.ScanOptions{}); !slices.Equal(got, survivors(8)) {
			t.Errorf("rows %v", got)
		}
		faults, err := l.Scan(t.Context(), lake.ScanOptions{}, func(c lake.Chunk) error {
			if c.Rows.Schema().HasField("message_raw") {
				t.Errorf("%s still has the column", c.Path)
			}
			return nil
		})
		if err != nil || len(faults) > 0 {
			t.Fatal(faults, err)
		}
	}
}

func withMessage(record arrow.RecordBatch) arrow.RecordBatch {
	builder := array.NewStringBuilder(memory.DefaultAllocator)
	defer builder.Release()
	for range record.NumRows() {
		builder.Append(`{"role":"user"}`)
	}
	fields := append(record.Schema().Fields(), arrow.Field{Name: "message_raw", Type: arrow.BinaryTypes.String, Nullable: true})
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), append(record.Columns(), builder.NewArray()), record.NumRows())
}
