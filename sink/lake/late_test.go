package lake_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"claude-analytics/sink/lake"
	"claude-analytics/sink/lake/faultfs"
)

// lateRows are rows of one date, one each.
func lateRows(date string, seqs ...int64) (late []lake.Late) {
	for _, seq := range seqs {
		late = append(late, lake.Late{Epoch: 1, Seq: uint64(seq), Date: date, Row: part(date, seq).Rows[0]})
	}
	return late
}

// gappy is a lake of two batches, 1 to 8 and 9 to 12, that landed without 1, 3 and 8, and without 9 to 12.
func gappy(t *testing.T, disk lake.FS) *lake.Lake {
	t.Helper()
	l := open(t, disk, root)
	if err := l.BeginEpoch(t.Context(), lake.EpochRecord{Epoch: 1, Stream: stream}); err != nil {
		t.Fatal(err)
	}
	first := batch(1, 1, 8)
	first.Parts = []lake.Part{part("2026-11-22", 2, 5), part("2026-11-23", 4, 6, 7)}
	second := batch(1, 9, 12)
	second.Parts = nil
	mustWrite(t, l, first)
	mustWrite(t, l, second)
	return l
}

// allLate is what gappy lacks but for 10: the date of the first batch's own file, another, and one that it has not.
func allLate() []lake.Late {
	late := lateRows("2026-11-22", 8, 1) // together they would have the name of the batch's own file
	late = append(late, lateRows("2026-11-24", 3)...)
	return append(late, lateRows("2026-11-23", 9, 11, 12)...)
}

func sortedSequences(t *testing.T, l *lake.Lake) []int64 {
	t.Helper()
	got := sequences(t, l, lake.ScanOptions{})
	slices.Sort(got)
	return got
}

var withLate = []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12}

func TestAddLate(t *testing.T) {
	disk := faultfs.NewVolatile()
	l := gappy(t, disk)
	mark, entries := l.Watermark(), len(l.Entries())
	for i, want := range []int{6, 0} {
		if added, err := l.AddLate(t.Context(), allLate()); err != nil || added != want {
			t.Fatalf("time %d: %d added, %v", i, added, err)
		}
	}
	for _, l := range []*lake.Lake{l, open(t, disk, root)} {
		if got := sortedSequences(t, l); !slices.Equal(got, withLate) {
			t.Errorf("rows %v", got)
		}
		if l.Watermark() != mark && l.Watermark().Compare(mark) != 0 || len(l.Entries()) != entries || len(l.Faults()) > 0 {
			t.Errorf("watermark %+v, %d entries, faults %v", l.Watermark(), len(l.Entries()), l.Faults())
		}
		if stats := l.Stats(); stats.Rows != int64(len(withLate)) {
			t.Errorf("stats %+v", stats)
		}
		onlyNamedFiles(t, disk, l)
	}
	// Above the watermark the batch is still to come.
	if _, err := l.AddLate(t.Context(), lateRows("2026-11-22", 13)); !errors.Is(err, lake.ErrNotLanded) {
		t.Errorf("a row above the watermark: %v", err)
	}
	// The lake goes on.
	mustWrite(t, l, batch(1, 13, 14))
	if got := sortedSequences(t, open(t, disk, root)); !slices.Equal(got, append(slices.Clone(withLate), 13, 14)) {
		t.Errorf("rows %v", got)
	}
}

// A batch that no entry holds any more gets one for the row alone.
func TestAddLateWithoutEntry(t *testing.T) {
	disk := faultfs.NewVolatile()
	gappy(t, disk)
	if err := disk.Remove(root + "/_manifest/1-000000000001-000000000008.json"); err != nil {
		t.Fatal(err)
	}
	l := open(t, disk, root)
	before := len(l.Faults())
	if added, err := l.AddLate(t.Context(), lateRows("2026-11-22", 3)); err != nil || added != 1 {
		t.Fatalf("%d added, %v", added, err)
	}
	l = open(t, disk, root)
	if got := sortedSequences(t, l); !slices.Equal(got, []int64{3}) || len(l.Faults()) != before || l.Watermark().Seq != 12 {
		t.Errorf("rows %v, faults %v", got, l.Faults())
	}
}

// An entry that cannot be read still owns the late rows of its range.
func TestLateRowsOfUnreadableEntry(t *testing.T) {
	disk := faultfs.NewVolatile()
	if _, err := gappy(t, disk).AddLate(t.Context(), allLate()); err != nil {
		t.Fatal(err)
	}
	f, err := disk.Create(root + "/_manifest/1-000000000001-000000000008.json")
	if err == nil {
		_, err = f.Write([]byte("{"))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	l := open(t, disk, root)
	if got := sortedSequences(t, l); !slices.Equal(got, withLate) || len(l.Faults()) != 1 {
		t.Errorf("rows %v, faults %v", got, l.Faults())
	}
}

// Whatever operation fails, or is the last before the process or the power ends: the rows that were there are, and the
// next attempt adds each once.
func TestLateCrashAtEveryOperation(t *testing.T) {
	count := faultfs.New(faultfs.NewVolatile(), "/")
	l := gappy(t, count)
	before := count.Operations()
	if _, err := l.AddLate(t.Context(), allLate()); err != nil {
		t.Fatal(err)
	}
	operations := count.Operations() - before
	if operations < 20 {
		t.Fatalf("only %d operations", operations)
	}
	step := 2
	if os.Getenv("LONG") != "" {
		step = 1
	}
	for k := 1; k <= operations; k += step {
		for _, how := range []string{"error", "process", "power", "power with luck"} {
			memory := faultfs.NewVolatile()
			gappy(t, memory)
			disk := faultfs.New(memory, "/")
			l := lake.New(lake.Config{Dir: root, FS: disk, Workers: 1}, zerolog.Nop())
			if err := l.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			length := -1
			if how == "error" {
				length = 2
			}
			disk.Fail(k, length, syscall.EIO)
			if _, err := l.AddLate(t.Context(), allLate()); !errors.Is(err, syscall.EIO) {
				t.Fatalf("%s at %d: %v", how, k, err)
			}
			disk.Heal()
			switch how {
			case "power":
				memory.PowerCut(nil)
			case "power with luck":
				memory.PowerCut(rand.New(rand.NewPCG(uint64(k), 9)))
			}
			if how != "error" {
				l = open(t, memory, root)
				onlyNamedFiles(t, memory, l)
			}
			if _, err := l.AddLate(t.Context(), allLate()); err != nil {
				t.Fatalf("%s at %d, again: %v", how, k, err)
			}
			for _, l := range []*lake.Lake{l, open(t, memory, root)} {
				if got := sortedSequences(t, l); !slices.Equal(got, withLate) || len(l.Faults()) > 0 {
					t.Fatalf("%s at %d: rows %v, faults %v", how, k, got, l.Faults())
				}
				onlyNamedFiles(t, memory, l)
			}
		}
	}
}
