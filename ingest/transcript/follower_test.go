package transcript

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"claude-analytics/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

func appendTo(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func config(dir string) Config {
	return Config{
		Lane: "lane", Folders: []Folder{{Name: "projects", Path: dir}},
		MaxObject: 31 << 20, MaxMessage: 32 << 20, Rescan: time.Second, Once: true,
	}
}

// run runs a follower and calls each with every slice, in order, until each returns false or there are no more.
func run(t testing.TB, f *Follower, each func(*Slice) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	for s := range f.Slices() {
		if more := each(s); !more {
			cancel()
			break
		}
		s.Done()
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// The backlog is read oldest file first, each to its end.
func TestColdStartOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for n := range 20 {
		path := filepath.Join(dir, "-p", fmt.Sprintf("%02d.jsonl", n*7%20))
		write(t, path, strings.Repeat(recordA+"\n", 3*sliceEntries))
		when := time.Now().Add(-time.Duration(n) * time.Hour)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	cfg := config(dir)
	cfg.Workers = 1
	var order []string
	run(t, New(cfg, nil, zerolog.Nop()), func(s *Slice) bool {
		order = append(order, s.path)
		return true
	})
	for i, path := range order {
		if want := fmt.Sprintf("-p/%02d.jsonl", (19-i/3)*7%20); path != want {
			t.Fatalf("slice %d is of %s, want %s; all: %v", i, path, want, order)
		}
	}
	if len(order) != 60 {
		t.Errorf("%d slices, want 60", len(order))
	}
}

func TestQueue(t *testing.T) {
	t.Parallel()
	var q queue
	take := func() string {
		f := q.next()
		if f == nil {
			return ""
		}
		q.pop(f)
		return f.path
	}
	cold := func(name string) *file { return &file{fileKey: fileKey{path: name}, cold: true} }
	live := func(name string) *file { return &file{fileKey: fileKey{path: name}} }
	huge, promoted := cold("huge"), cold("promoted")
	q.push(promoted)
	q.push(huge)
	a, b := live("a"), live("b")
	q.push(a)
	q.push(b)
	q.push(a) // is in line already
	promoted.cold = false
	q.push(promoted)
	var got []string
	for range 9 {
		name := take()
		got = append(got, name)
		switch name { // both have more to read
		case "huge":
			q.push(huge)
		case "a":
			q.push(a)
		}
	}
	if want := "[a huge b huge promoted huge a huge a]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Where the system has no more watches to give, looking often finds what is written.
func TestUnwatched(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "-p", "a.jsonl")
	write(t, path, recordA+"\n")
	cfg := config(dir)
	cfg.Once, cfg.Rescan = false, time.Hour
	var logs strings.Builder
	f := New(cfg, nil, zerolog.New(&logs))
	f.watcher.refuse = syscall.ENOSPC
	slices := 0
	run(t, f, func(s *Slice) bool {
		slices++
		if slices < 10 {
			if slices == 5 {
				path = filepath.Join(dir, "-q", "new", "b.jsonl")
				write(t, path, recordB)
			} else {
				appendTo(t, path, recordB+"\n")
			}
			return true
		}
		return false
	})
	if f.Stats().Unwatched != 3 && f.Stats().Unwatched != 4 {
		t.Errorf("%d folders are unwatched", f.Stats().Unwatched)
	}
	if n := strings.Count(logs.String(), "cannot be watched") + strings.Count(logs.String(), "can be watched"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, logs.String())
	}
}

// Events of a folder inside another belong to the inner one.
func TestNestedFolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "-p", "a.jsonl"), recordA)
	write(t, filepath.Join(dir, "inner", "-q", "b.jsonl"), recordB)
	cfg := config(dir)
	cfg.Folders = append(cfg.Folders, Folder{Name: "inner", Path: filepath.Join(dir, "inner")})
	got := map[string]string{}
	run(t, New(cfg, nil, zerolog.Nop()), func(s *Slice) bool {
		got[s.path] += s.folder
		return true
	})
	if fmt.Sprint(got) != "map[-p/a.jsonl:projects -q/b.jsonl:inner]" {
		t.Errorf("got %v", got)
	}
}

// A position that is not of our making (or of a file that changed beyond it) never stops a file from being read.
func TestForeignPositions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "-p", "a.jsonl")
	write(t, path, recordA+"\n"+recordB+"\n")
	for _, p := range []*proto.FilePosition{
		{},
		{Folder: "elsewhere", Path: []byte("-p/a.jsonl"), Offset: 5},
		{Folder: "projects", Path: []byte("-p/a.jsonl"), Offset: 5, HeadLength: 1 << 30},
		{Folder: "projects", Path: []byte("-p/a.jsonl"), Offset: 5, TailLength: 1000},
		{Folder: "projects", Path: []byte("-p/a.jsonl"), Offset: 1 << 40},
		{Folder: "projects", Path: []byte("-p/a.jsonl"), Offset: -7},
	} {
		entries := 0
		run(t, New(config(dir), []*proto.FilePosition{p}, zerolog.Nop()), func(s *Slice) bool {
			entries += len(s.Entries)
			return true
		})
		if entries != 2 {
			t.Errorf("%v: %d entries, want 2", p, entries)
		}
	}
}

// Positions taken at any entry lead on exactly behind it, also after the file was renamed while nobody looked.
func TestPositionOfEachEntry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var text strings.Builder
	for n := range 50 {
		text.WriteString([]string{recordA + "\n", recordB, "\r\n\x00", `{"cut` + recordA + "\n", "12\n", strings.Repeat("x", 700) + "\n"}[n%6])
	}
	path := filepath.Join(dir, "-p", "a.jsonl")
	write(t, path, text.String())
	var all []Entry
	var positions []*proto.FilePosition
	run(t, New(config(dir), nil, zerolog.Nop()), func(s *Slice) bool {
		for i := range s.Entries {
			all = append(all, s.Entries[i])
			positions = append(positions, s.Position(i))
		}
		return true
	})
	for i, p := range positions {
		if i == len(positions)/2 {
			if err := os.Rename(path, filepath.Join(dir, "-p", "b.jsonl")); err != nil {
				t.Fatal(err)
			}
		}
		f := New(config(dir), []*proto.FilePosition{p}, zerolog.Nop())
		rest := all[i+1:]
		run(t, f, func(s *Slice) bool {
			for _, entry := range s.Entries {
				if entry.Data == nil && entry.Letter == nil {
					continue
				}
				if len(rest) == 0 || entry.mark.offset != rest[0].mark.offset || (entry.Letter == nil) != (rest[0].Letter == nil) {
					t.Fatalf("from position %d: unexpected entry up to %d", i, entry.mark.offset)
				}
				rest = rest[1:]
			}
			return true
		})
		if len(rest) != 0 {
			t.Fatalf("from position %d: %d entries are missing", i, len(rest))
		}
		if n := f.cfg.Counters.Rewritten.Load(); n != 0 {
			t.Fatalf("from position %d: taken for rewritten", i)
		}
	}
}

func TestRowKey(t *testing.T) {
	t.Parallel()
	key := func(lane, folder, path string, offset int64, generation uint32) string {
		k := newKeyMaker(lane, folder, path, generation)
		k.at(offset + 1)
		return keyText(k.at(offset))
	}
	// These never change: every row of every warehouse is known by such a key.
	for want, got := range map[string]string{
		"00997c50760b52aeeea8bc2d": key("laptop", "projects", "-home-me/s.jsonl", 0, 0),
		"edad6f653e72ad575eccb366": key("laptop", "projects", "-home-me/s.jsonl", 4711, 0),
		"c6207019e9d9e4e833d90cad": key("laptop", "projects", "-home-me/s.jsonl", 4711, 1),
		"374ba829e8379b011f7e4ffd": key("laptop", "projects", "-home-me/\xff.jsonl", 1<<40, 70000),
	} {
		if got != want {
			t.Errorf("key %s, want %s", got, want)
		}
	}
	if got := fmt.Sprintf("%016x", fileHash("projects", "-home-me/s.jsonl")); got != "4797cd9f6a455ca0" {
		t.Errorf("file hash %s", got)
	}
	seen := map[string]bool{}
	for _, k := range []string{
		key("a", "b", "c", 0, 0), key("ab", "", "c", 0, 0), key("a", "bc", "", 0, 0), key("", "ab", "c", 0, 0),
		key("a", "b", "c", 1, 0), key("a", "b", "c", 0, 1), key("a", "b", "c", 256, 0),
	} {
		if seen[k] {
			t.Errorf("key %s is made twice", k)
		}
		seen[k] = true
	}
}

func TestProject(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ folder, path, want string }{
		{"/home/me/.claude/projects", "-home-me-app/s.jsonl", "-home-me-app"},
		{"/home/me/.claude/projects", "-home-me-app/s/subagents/agent-1.jsonl", "-home-me-app"},
		{"/home/me/.claude/projects", "s.jsonl", "projects"},
		{"/home/me/.claude", "projects/-home-me-app/s.jsonl", "-home-me-app"},
		{"/home/me/.claude", "projects/-home-me-app/s/subagents/agent-1.jsonl", "-home-me-app"},
		{"/home/me", ".claude/projects/-home-me-app/s.jsonl", "-home-me-app"},
		{"/backup", "projects/s.jsonl", "projects"},
		{"/backup", "projects/s/subagents/agent-1.jsonl", "projects"},
		{"/home/me/.claude/projects/-home-me-app", "s.jsonl", "-home-me-app"},
		{"/home/me/.claude/projects/-home-me-app", "s/subagents/agent-1.jsonl", "-home-me-app"},
	} {
		if got := projectOf(Folder{Path: tt.folder}, tt.path); got != tt.want {
			t.Errorf("%s of %s: project %q, want %q", tt.path, tt.folder, got, tt.want)
		}
	}
}

// A fault of the disk in the middle of a file does not keep back what comes before it.
func TestReadFault(t *testing.T) {
	t.Parallel()
	fault := errors.New("input/output error")
	r := NewReader(1000)
	r.Reset(0)
	src := faulty{text: recordA + "\n" + recordB, fault: fault}
	if _, err := r.Fill(src); !errors.Is(err, fault) {
		t.Fatalf("error %v", err)
	}
	if item, ok := r.Next(); !ok || string(item.Data) != recordA {
		t.Errorf("item %v %v", item, ok)
	}
}

type faulty struct {
	text  string
	fault error
}

func (f faulty) ReadAt(b []byte, at int64) (int, error) { return copy(b, f.text[at:]), f.fault }

// BenchmarkFollower reads and converts what a folder holds: TRANSCRIPTS, or generated records.
func BenchmarkFollower(b *testing.B) {
	dir := os.Getenv("TRANSCRIPTS")
	if dir == "" {
		dir = b.TempDir()
		rng := rand.New(rand.NewPCG(1, 2))
		for n := range 64 {
			var text strings.Builder
			for text.Len() < 1<<20 {
				words := strings.Repeat(`Some words, \"quoted\" and a line.\n`, 1+int(rng.ExpFloat64()*30))
				fmt.Fprintf(&text, `{"parentUuid":"%x","isSidechain":false,"userType":"external","cwd":"/home/me/app","sessionId":"%d","version":"2.1.39",`+
					`"type":"assistant","message":{"id":"msg_%x","role":"assistant","content":[{"type":"text","text":"%s"}],"usage":{"input_tokens":%d,"output_tokens":12}},`+
					`"uuid":"%x","timestamp":"2026-01-02T03:04:05.678Z"}`+"\n", rng.Uint64(), n, rng.Uint64(), words, rng.IntN(1e5), rng.Uint64())
			}
			write(b, filepath.Join(dir, "-p", fmt.Sprintf("%d.jsonl", n)), text.String())
		}
	}
	var size, entries int64
	for b.Loop() {
		size, entries = 0, 0
		run(b, New(config(dir), nil, zerolog.Nop()), func(s *Slice) bool {
			size += s.bytes()
			entries += int64(len(s.Entries))
			return true
		})
	}
	b.SetBytes(size)
	b.ReportMetric(float64(entries*int64(b.N))/b.Elapsed().Seconds(), "docs/s")
}
