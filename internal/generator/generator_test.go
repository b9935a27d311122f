package generator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"claude-analytics/internal/mongotest"
)

func TestMain(m *testing.M) {
	// A check generates and reads some megabytes; -rapid.checks still decides where it is given.
	if err := flag.Set("rapid.checks", "30"); err != nil {
		panic(err)
	}
	mongotest.Main(m)
}

// digest is a hash over the names and bytes of everything below dir.
func digest(t testing.TB, dir string) string {
	t.Helper()
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%q %d\n", strings.TrimPrefix(path, dir), len(text))
		sum.Write(text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

func TestSameSeedSameBytes(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, cfg := range []Config{{Sessions: 20, Seed: 3}, {Sessions: 9, Seed: 4, Hard: true}, {Bytes: 6_000_000, Seed: 5, Hard: true}} {
		var digests []string
		for _, procs := range []int{1, 4, 2} {
			runtime.GOMAXPROCS(procs)
			dir := t.TempDir()
			generate(t, dir, cfg)
			digests = append(digests, digest(t, dir))
		}
		if digests[0] != digests[1] || digests[1] != digests[2] {
			t.Errorf("%+v: different bytes", cfg)
		}
		dir := t.TempDir()
		cfg.Seed++
		generate(t, dir, cfg)
		if digest(t, dir) == digests[0] {
			t.Errorf("%+v: another seed gives the same bytes", cfg)
		}
	}
}

func TestBytesIsATarget(t *testing.T) {
	const want = 8_000_000
	var done, total int64
	g, err := New(Config{Bytes: want, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	truth, err := g.WriteFiles(context.Background(), t.TempDir(), func(d, n int64) { done, total = d, n })
	if err != nil {
		t.Fatal(err)
	}
	if truth.Bytes < want || truth.Bytes > 4*want {
		t.Errorf("%d bytes, want a little over %d", truth.Bytes, want)
	}
	if done != want || total != want {
		t.Errorf("progress ends at %d of %d", done, total)
	}
}

func TestTimesStayInTheWindow(t *testing.T) {
	start := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	end := start.AddDate(0, 0, 10)
	truth := generate(t, t.TempDir(), Config{Sessions: 60, Seed: 2, Start: start, End: end})
	for _, s := range truth.PerSession {
		if s.Start < isoTime(start.UnixMilli()) || s.End > isoTime(end.Add(time.Minute).UnixMilli()) {
			t.Errorf("session from %s to %s", s.Start, s.End)
		}
	}
}

func TestBadConfigs(t *testing.T) {
	now := time.Now()
	for _, cfg := range []Config{{Sessions: -1}, {Bytes: -1}, {Projects: -1}, {Rate: -1}, {Start: now, End: now}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v: no error", cfg)
		}
	}
}

func TestStopsWithItsContext(t *testing.T) {
	g, err := New(Config{Sessions: 500, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err = g.WriteFiles(ctx, t.TempDir(), func(done, _ int64) {
		if done > 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err = g.WriteFiles(context.Background(), filepath.Join(t.TempDir(), "\x00"), nil); err == nil {
		t.Error("no error for a folder that cannot be made")
	}
}

func TestBigLine(t *testing.T) {
	dir := t.TempDir()
	truth := generate(t, dir, Config{Sessions: 2, Seed: 1, Hard: true, BigLines: true})
	longest := 0
	for _, f := range truth.PerFile {
		text, err := os.ReadFile(filepath.Join(dir, f.File))
		if err != nil {
			continue // a name that is not written as it is
		}
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			longest = max(longest, len(line))
		}
	}
	if longest < 16<<20 {
		t.Errorf("longest line %d bytes", longest)
	}
}

func TestLiveAppendsWholeLines(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Sessions: 6, Seed: 9}
	before := generate(t, dir, cfg)
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const lines = 3000
	var seen, resumed atomic.Int64
	began := time.Now().UnixMilli()
	known := map[string]bool{}
	for _, f := range before.PerFile {
		known[f.File] = true
	}
	n, err := g.Live(ctx, dir, 0, func(a Appended) {
		if known[a.Path] {
			resumed.Add(1)
		}
		if seen.Add(1) == lines {
			cancel()
		}
	})
	if err != nil || n != lines {
		t.Fatalf("wrote %d lines, error %v", n, err)
	}
	if resumed.Load() == 0 {
		t.Error("no session that existed was gone on with")
	}
	var objects int64
	fresh := 0
	for _, f := range scan(t, dir) {
		objects += int64(len(f.objects))
		if len(f.broken) > 0 || f.half != nil {
			t.Errorf("%s: broken %v, half %v", f.path, f.broken, f.half)
		}
		for _, o := range f.objects {
			if at := parseTime(o["timestamp"]); at >= began {
				fresh++
			}
		}
	}
	if objects != before.Objects+lines {
		t.Errorf("%d objects, want %d and %d", objects, before.Objects, lines)
	}
	if fresh < lines/2 {
		t.Errorf("only %d of %d lines have the time of writing", fresh, lines)
	}
}

func TestLiveKeepsItsRate(t *testing.T) {
	g, err := New(Config{Seed: 1, Rate: 400})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	n, err := g.Live(ctx, t.TempDir(), 0, nil)
	if most := int64(time.Since(began).Seconds()*400) + 2; err != nil || n > most { // slower is the machine's affair
		t.Errorf("%d lines at 400 a second, expected at most %d, error %v", n, most, err)
	}
}

func TestPathText(t *testing.T) {
	for in, want := range map[string]string{
		"a/b.jsonl": "a/b.jsonl", "100%": "100%25", "x\xffy": "x%FFy", "🚀 ü": "🚀 ü", "\uFFFD": "\uFFFD",
	} {
		if got := PathText(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func BenchmarkWriteFiles(b *testing.B) {
	for b.Loop() {
		truth := generate(b, b.TempDir(), Config{Bytes: 100_000_000, Seed: 1})
		b.SetBytes(truth.Bytes)
	}
}
