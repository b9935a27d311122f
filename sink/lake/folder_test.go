package lake_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"claude-analytics/sink/lake"
)

func twoBatches(t *testing.T) (dir string) {
	dir = t.TempDir()
	l := open(t, nil, dir)
	mustWrite(t, l, batch(1, 1, 4))
	mustWrite(t, l, batch(1, 5, 8))
	return dir
}

func TestFaults(t *testing.T) {
	const (
		entry1 = "_manifest/1-000000000001-000000000004.json"
		entry2 = "_manifest/1-000000000005-000000000008.json"
		file1  = "date=2026-11-22/1-000000000001-000000000004.parquet"
	)
	cases := []struct {
		name     string
		damage   func(t *testing.T, dir string)
		path     string
		problem  string
		rows     []int64
		mark     uint64
		survives string
	}{
		{"file missing", remove(file1), file1, "missing", []int64{2, 4, 5, 6, 7, 8}, 8, ""},
		{"file cut", cut(file1), file1, "bytes", []int64{2, 4, 5, 6, 7, 8}, 8, file1},
		{"file garbage", garbage(file1), file1, "", []int64{2, 4, 5, 6, 7, 8}, 8, file1},
		{"file empty", write(file1, ""), file1, "bytes", []int64{2, 4, 5, 6, 7, 8}, 8, file1},
		{"entry broken", write(entry2, `{"version":1,`), entry2, "cannot be read", span(1, 8), 8, ""},
		{"entry of another range", write(entry2, `{"version":1,"epoch":9}`), entry2, "range", span(1, 8), 8, ""},
		{"entry gone", remove(entry1), file1, "no manifest entry", span(5, 8), 8, file1},
		{"stranger in the manifest", write("_manifest/notes.txt", "x"), "_manifest/notes.txt", "not a manifest entry", span(1, 8), 8, "_manifest/notes.txt"},
		{"stranger among the files", write("date=2026-11-22/mine.parquet", "x"), "date=2026-11-22/mine.parquet", "did not write", span(1, 8), 8, "date=2026-11-22/mine.parquet"},
		{"manifest gone", func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "_manifest")); err != nil {
				t.Fatal(err)
			}
		}, file1, "no manifest entry", nil, 0, file1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := twoBatches(t)
			c.damage(t, dir)
			l := open(t, nil, dir)
			faults := l.Faults()
			found := slices.ContainsFunc(faults, func(f lake.Fault) bool {
				return f.Path == c.path && strings.Contains(f.Problem, c.problem) && f.Remedy != ""
			})
			if c.problem != "" && !found {
				t.Errorf("faults %v", faults)
			}
			if got := sequences(t, l, lake.ScanOptions{KeepGoing: true}); !slices.Equal(got, c.rows) {
				t.Errorf("rows %v, want %v", got, c.rows)
			}
			if mark := l.Watermark(); mark.Seq != c.mark || c.mark > 0 && !mark.Stream.Equal(stream) {
				t.Errorf("watermark %+v", mark)
			}
			if c.survives != "" {
				if _, err := os.Stat(filepath.Join(dir, c.survives)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestScanNamesTheFile(t *testing.T) {
	dir := twoBatches(t)
	const name = "date=2026-11-23/1-000000000005-000000000008.parquet"
	garbage(name)(t, dir)
	var seqs []int64
	_, err := open(t, nil, dir).Scan(t.Context(), lake.ScanOptions{}, collect(&seqs))
	var fault lake.Fault
	if !errors.As(err, &fault) || fault.Path != name || fault.Remedy == "" {
		t.Fatalf("error %v", err)
	}
	stop := errors.New("stop")
	if _, err := open(t, nil, dir).Scan(t.Context(), lake.ScanOptions{KeepGoing: true}, func(lake.Chunk) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error became %v", err)
	}
}

func TestNewerManifestIsRefused(t *testing.T) {
	for _, name := range []string{"_manifest/1-000000000009-000000000010.json", "_manifest/epochs.json"} {
		dir := twoBatches(t)
		write(name, `{"version":2}`)(t, dir)
		err := lake.New(lake.Config{Dir: dir}, zerolog.Nop()).Open(t.Context())
		if !errors.Is(err, lake.ErrVersion) || !strings.Contains(err.Error(), filepath.Base(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnfinishedWritesAreRemoved(t *testing.T) {
	dir := twoBatches(t)
	left := []string{
		"date=2026-11-23/1-000000000009-000000000012.parquet",
		"date=2026-11-22/1-000000000009-000000000012.parquet.tmp",
		"_manifest/1-000000000009-000000000012.json.tmp",
	}
	for _, name := range left {
		write(name, "x")(t, dir)
	}
	l := open(t, nil, dir)
	for _, name := range left {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := l.Stats(); s.Removed != 3 || s.Faults != 0 {
		t.Errorf("stats %+v", s)
	}
}

func remove(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func write(name, text string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func cut(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.Truncate(filepath.Join(dir, name), 100); err != nil {
			t.Fatal(err)
		}
	}
}

// garbage keeps the size and the magic numbers, and overwrites the rest.
func garbage(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for i := 4; i < len(data)-8; i++ {
			data[i] = byte(i * 31)
		}
		write(name, string(data))(t, dir)
	}
}
