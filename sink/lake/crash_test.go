package lake_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"claude-analytics/sink/lake"
	"claude-analytics/sink/lake/faultfs"
)

const root = "/raw"

// history lands three batches and returns the last change that was acknowledged, and all errors.
func history(t *testing.T, l *lake.Lake, attempts int) (acked int64, failures []error) {
	t.Helper()
	try := func(do func() error) bool {
		for range attempts {
			err := do()
			if err == nil {
				return true
			}
			failures = append(failures, err)
		}
		return false
	}
	if !try(func() error { return l.Open(t.Context()) }) ||
		!try(func() error { return l.BeginEpoch(t.Context(), lake.EpochRecord{Epoch: 1, Stream: stream}) }) {
		return 0, failures
	}
	for first := int64(1); first < 13; first += 4 {
		b := batch(1, uint64(first), uint64(first+3))
		if !try(func() error { _, err := l.Write(t.Context(), b); return err }) {
			return acked, failures
		}
		acked = first + 3
	}
	return acked, failures
}

// check asserts what holds after any crash: all that was acknowledged is there, none twice, in whole batches, no file
// too many, and the rest can land.
func check(t *testing.T, disk lake.FS, acked int64) {
	t.Helper()
	l := open(t, disk, root)
	mark := int64(l.Watermark().Seq)
	if mark < acked || mark%4 != 0 {
		t.Fatalf("watermark %d, acknowledged %d", mark, acked)
	}
	if got := sequences(t, l, lake.ScanOptions{}); !slices.Equal(got, span(1, mark)) {
		t.Fatalf("rows %v, watermark %d", got, mark)
	}
	if faults := l.Faults(); len(faults) > 0 {
		t.Fatalf("faults %v", faults)
	}
	onlyNamedFiles(t, disk, l)
	for first := mark + 1; first < 13; first += 4 {
		mustWrite(t, l, batch(1, uint64(first), uint64(first+3)))
	}
	if got := sequences(t, open(t, disk, root), lake.ScanOptions{}); !slices.Equal(got, span(1, 12)) {
		t.Fatalf("rows at the end %v", got)
	}
	onlyNamedFiles(t, disk, l)
}

func onlyNamedFiles(t *testing.T, disk lake.FS, l *lake.Lake) {
	t.Helper()
	named := map[string]bool{"_manifest/epochs.json": true}
	for _, e := range l.Entries() {
		named[fmt.Sprintf("_manifest/%d-%012d-%012d.json", e.Epoch, e.First, e.Last)] = true
		for _, f := range e.Files {
			named[f.Path] = true
		}
	}
	dirs, err := disk.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		files, err := disk.ReadDir(filepath.Join(root, dir.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if name := dir.Name() + "/" + f.Name(); !named[name] {
				t.Errorf("orphan %s", name)
			}
		}
	}
}

func operations(t *testing.T) int {
	disk := faultfs.New(faultfs.NewVolatile(), "/")
	if acked, failures := history(t, lake.New(lake.Config{Dir: root, FS: disk, Workers: 1}, zerolog.Nop()), 1); acked != 12 {
		t.Fatal(failures)
	}
	return disk.Operations()
}

// The process dies, or the power fails, right before the k-th operation.
func TestCrashAtEveryOperation(t *testing.T) {
	errDead := errors.New("dead")
	for k := 1; k <= operations(t)+1; k++ {
		for _, how := range []string{"process", "power", "power with luck"} {
			memory := faultfs.NewVolatile()
			disk := faultfs.New(memory, "/")
			disk.Fail(k, -1, errDead)
			acked, _ := history(t, lake.New(lake.Config{Dir: root, FS: disk, Workers: 1}, zerolog.Nop()), 1)
			switch how {
			case "power":
				memory.PowerCut(nil)
			case "power with luck":
				memory.PowerCut(rand.New(rand.NewPCG(uint64(k), 7)))
			}
			t.Run(fmt.Sprintf("%s at %d", how, k), func(t *testing.T) { check(t, memory, acked) })
		}
	}
}

// The k-th operation fails, once or for a while, and the caller tries again.
func TestErrorAtEveryOperation(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		for _, width := range []int{1, 3, 8} {
			for k := 1; k <= operations(t); k++ {
				disk := faultfs.New(faultfs.NewVolatile(), "/")
				disk.Fail(k, width, cause)
				l := lake.New(lake.Config{Dir: root, FS: disk, Workers: 1}, zerolog.Nop())
				acked, failures := history(t, l, width+1)
				if acked != 12 {
					t.Fatalf("%v at %d: acknowledged %d after %v", cause, k, acked, failures)
				}
				for _, err := range failures {
					if !errors.Is(err, cause) {
						t.Fatalf("%v at %d is told as: %v", cause, k, err)
					}
				}
				t.Run(fmt.Sprintf("%v %d at %d", cause, width, k), func(t *testing.T) { check(t, disk, acked) })
			}
		}
	}
}

// A full disk does not stay full of what could not land.
func TestFullDiskIsCleared(t *testing.T) {
	disk := faultfs.New(faultfs.NewVolatile(), "/")
	l := open(t, disk, root)
	mustWrite(t, l, batch(1, 1, 4))
	disk.Take()
	disk.Fail(7, 1, syscall.ENOSPC)
	if _, err := l.Write(t.Context(), batch(1, 5, 8)); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	onlyNamedFiles(t, disk, l)
	if removed := l.Stats().Removed; removed == 0 || !strings.Contains(strings.Join(disk.Take(), "\n"), "remove raw/date=") {
		t.Errorf("removed %d", removed)
	}
}
