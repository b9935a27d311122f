package ingest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"claude-analytics/proto"
)

// following is an ingest that follows a tree into a stream of its own.
type following struct {
	tree
	*running
	in *contents
}

func follow(t *testing.T, d tree) following {
	t.Helper()
	conn := openStream(t)
	return following{d, start(t, conn, Config{Folders: d.folders()}), watchStream(t, conn)}
}

// caughtUp waits until everything seen has been published.
func (f following) caughtUp() {
	f.tree.t.Helper()
	eventually(f.tree.t, "caught up", f.CaughtUp)
}

func TestAppend(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	d.write("-p/a.jsonl", lines(1, 3))
	f := follow(t, d)
	f.in.expect(numbers(1, 3)...)
	for n := 4; n <= 20; n++ {
		d.append("-p/a.jsonl", line(n))
		f.in.expect(numbers(1, n)...)
	}
	f.caughtUp()
	first := f.in.changes[0]
	for name, want := range map[string]string{"projectId": "-p", "sourceFile": d.path("-p/a.jsonl"), "sessionId": "s"} {
		if got := field(first, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if first.GetOperation() != proto.Operation_OPERATION_INSERT || first.GetNamespace() != "projects" || first.GetSource() != "laptop" {
		t.Errorf("operation %v, namespace %q, source %q", first.GetOperation(), first.GetNamespace(), first.GetSource())
	}
	for i, change := range f.in.changes[1:] {
		if change.GetSourceOffset() <= f.in.changes[i].GetSourceOffset() {
			t.Errorf("offset %d behind offset %d", change.GetSourceOffset(), f.in.changes[i].GetSourceOffset())
		}
	}
	if s := f.Status(); s.State != StateFollowing || s.Files != 1 || s.LagBytes != 0 || s.Documents != 20 || s.LastPublish == nil {
		t.Errorf("status %+v", s)
	}
}

func TestHalfLine(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	whole := line(2)
	d.write("-p/a.jsonl", line(1)+whole[:20])
	d.write("-p/b.jsonl", lines(10, 12))
	f := follow(t, d)
	f.in.expect("1", "10", "11", "12")
	f.caughtUp()
	if s := f.Status(); s.HalfLines != 1 || s.LagBytes != 0 {
		t.Errorf("%d half lines, lag %d, want 1 and 0", s.HalfLines, s.LagBytes)
	}
	d.append("-p/a.jsonl", whole[20:30])
	d.append("-p/b.jsonl", line(13))
	f.in.expect("1", "10", "11", "12", "13")
	d.append("-p/a.jsonl", strings.TrimSuffix(whole[30:], "\n")) // whole now, its line feed still missing
	f.in.expect("1", "2", "10", "11", "12", "13")
	d.append("-p/a.jsonl", "\n"+line(3))
	f.in.expect("1", "2", "3", "10", "11", "12", "13")
	f.caughtUp()
	if s := f.Status(); s.HalfLines != 0 {
		t.Errorf("%d half lines are left", s.HalfLines)
	}
	if got := letters(t, f.conn); len(got) != 0 {
		t.Errorf("dead letters %q", got)
	}
}

func TestLargeHalfLine(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	d.write("-p/a.jsonl", line(1)+`{"type":"user","pad":"`+strings.Repeat("x", 3<<20))
	f := follow(t, d)
	f.in.expect("1")
	f.caughtUp()
	for range 20 {
		d.append("-p/a.jsonl", strings.Repeat("y", 10_000))
	}
	d.append("-p/a.jsonl", `","n":"2"}`)
	f.in.expect("1", "2")
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	d.write("-p/a.jsonl", lines(1, 5))
	f := follow(t, d)
	f.in.expect(numbers(1, 5)...)
	d.write("-p/a.jsonl", lines(6, 7))
	f.in.expect(numbers(1, 7)...)
	d.append("-p/a.jsonl", lines(8, 9))
	f.in.expect(numbers(1, 9)...)
	if s := f.Status(); s.Rewritten != 1 {
		t.Errorf("%d files rewritten, want 1", s.Rewritten)
	}
	for _, p := range f.in.positions {
		if p.GetGeneration() != 1 || p.GetOffset() != int64(len(lines(6, 9))) {
			t.Errorf("position %v", p)
		}
	}
}

func TestRewriteInPlace(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	d.write("-p/a.jsonl", lines(1, 5))
	f := follow(t, d)
	f.in.expect(numbers(1, 5)...)
	d.open("-p/a.jsonl", lines(6, 9)+line(5), 0) // as long as before, and the same inode
	f.in.expect("1", "2", "3", "4", "5", "5", "6", "7", "8", "9")
}

func TestRename(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	d.write("-p/a.jsonl", lines(1, 5))
	f := follow(t, d)
	f.in.expect(numbers(1, 5)...)
	d.rename("-p/a.jsonl", "-q/b.jsonl")
	d.append("-q/b.jsonl", line(6))
	f.in.expect(numbers(1, 6)...)
	f.caughtUp()
	if s := f.Status(); s.Renamed != 1 || s.Files != 1 {
		t.Errorf("%d renamed, %d files, want 1 and 1", s.Renamed, s.Files)
	}
	if last := f.in.changes[5]; field(last, "projectId") != "-q" {
		t.Errorf("the last change is of project %q", field(last, "projectId"))
	}
}

func TestRenameFolder(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	for n := range 10 {
		d.write(fmt.Sprintf("-p/s/subagents/agent-%d.jsonl", n), line(n))
	}
	f := follow(t, d)
	f.in.expect(numbers(0, 9)...)
	d.rename("-p", "-q")
	d.append("-q/s/subagents/agent-3.jsonl", line(10))
	f.in.expect(numbers(0, 10)...)
	eventually(t, "all renamed", func() bool { return f.Status().Renamed == 10 })
	f.in.expect(numbers(0, 10)...)
}

// A file is moved away and another takes its name: both go on, whichever is seen first.
func TestRotate(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	d.write("-p/a.jsonl", lines(1, 5))
	f := follow(t, d)
	f.in.expect(numbers(1, 5)...)
	d.rename("-p/a.jsonl", "-p/a-1.jsonl")
	d.write("-p/a.jsonl", lines(6, 7))
	f.in.expect(numbers(1, 7)...)
	d.append("-p/a-1.jsonl", line(8))
	d.append("-p/a.jsonl", line(9))
	f.in.expect(numbers(1, 9)...)
	// And once more, to a name that is not looked at.
	d.rename("-p/a.jsonl", "-p/a.old")
	d.write("-p/a.jsonl", line(10))
	f.in.expect(numbers(1, 10)...)
	// And over a file that is there.
	d.rename("-p/a.jsonl", "-p/a-1.jsonl")
	d.append("-p/a-1.jsonl", line(11))
	f.in.expect(numbers(1, 11)...)
}

// Editors write a new file and rename it over the old one. What is the same at its start is not read again.
func TestReplaceByLonger(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	d.write("-p/a.jsonl", lines(1, 5))
	f := follow(t, d)
	f.in.expect(numbers(1, 5)...)
	d.write("-p/a.tmp", lines(1, 8))
	d.rename("-p/a.tmp", "-p/a.jsonl")
	f.in.expect(numbers(1, 8)...)
}

func TestDelete(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	d.write("-p/a.jsonl", lines(1, 3))
	d.write("-p/b.jsonl", lines(4, 5))
	f := follow(t, d)
	f.in.expect(numbers(1, 5)...)
	if err := os.Remove(d.path("-p/a.jsonl")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one file", func() bool { return f.Status().Files == 1 })
	f.caughtUp()
	d.write("-p/a.jsonl", lines(1, 3)+line(6)) // restored, and longer
	f.in.expect(numbers(1, 6)...)
}

func TestNewTree(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	f := follow(t, d) // the folder does not exist yet
	eventually(t, "waiting", func() bool { return f.Status().State == StateWaiting })
	if s := f.Status(); s.Folders[0].Exists || !s.CaughtUp {
		t.Errorf("status %+v", s)
	}
	want := []string{}
	for n := range 30 {
		d.append(fmt.Sprintf("-p%d/session.jsonl", n%7), line(n))
		d.write(fmt.Sprintf("-p%d/s%d/subagents/workflows/wf_1/agent-x.jsonl", n, n), line(100+n))
		d.write(fmt.Sprintf("-p%d/s%d/subagents/workflows/wf_1/journal.jsonl", n, n), line(200+n))
		d.write(fmt.Sprintf("-p%d/s%d/subagents/agent-x.meta.json", n, n), line(300+n))
		d.write(fmt.Sprintf("-p%d/s%d/tool-results/x.txt", n, n), line(400+n))
		want = append(want, fmt.Sprint(n), fmt.Sprint(100+n), fmt.Sprint(200+n))
	}
	f.in.expect(want...)
	f.caughtUp()
	if s := f.Status(); s.Files != 67 || !s.Folders[0].Exists || s.State != StateFollowing {
		t.Errorf("%d files, state %q, want 67 and %q", s.Files, s.State, StateFollowing)
	}
}

func TestNamesOfAnyBytes(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	names := []string{"-p/\xff\xfe.jsonl", "-p/two\nlines.jsonl", "-p/ü .jsonl", "-\xc3/x.jsonl", "-p/a\"b\\c*.>.jsonl", "-p/.jsonl"}
	for n, name := range names {
		d.write(name, line(n))
	}
	f := follow(t, d)
	f.in.expect(numbers(0, len(names)-1)...)
	for n, name := range names {
		d.append(name, line(n+10))
	}
	f.in.expect(append(numbers(0, len(names)-1), numbers(10, 9+len(names))...)...)
	for _, change := range f.in.changes {
		if file := field(change, "sourceFile"); !utf8.ValidString(file) || !strings.HasPrefix(file, d.dir) {
			t.Errorf("sourceFile %q", file)
		}
	}
	if len(f.in.positions) != len(names) {
		t.Errorf("%d positions for %d files", len(f.in.positions), len(names))
	}
}

func TestSymbolicLinks(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	elsewhere := newTree(t)
	elsewhere.write("-linked/a.jsonl", line(1))
	d.write("-p/b.jsonl", line(2))
	for from, to := range map[string]string{
		"-linked": elsewhere.path("-linked"), "-again": elsewhere.path("-linked"), "-p/up": d.dir, "-p/self.jsonl": "self.jsonl",
		"-p/c.jsonl": "b.jsonl", "-p/nowhere": "nothing",
	} {
		if err := os.Symlink(to, d.path(from)); err != nil {
			t.Fatal(err)
		}
	}
	f := follow(t, d)
	f.in.expect("1", "2")
	f.caughtUp()
	eventually(t, "the loop is reported", func() bool { return f.Status().Unreadable == 1 })
	elsewhere.append("-linked/a.jsonl", line(3))
	f.in.expect("1", "2", "3")
	if n := strings.Count(f.logs.String(), "cannot be looked through"); n != 1 {
		t.Errorf("the loop was reported %d times", n)
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root can read everything")
	}
	d := newTree(t)
	d.write("-p/a.jsonl", line(1))
	d.write("-p/b.jsonl", line(2))
	d.write("-q/c.jsonl", line(3))
	for _, name := range []string{"-p/a.jsonl", "-q"} {
		if err := os.Chmod(d.path(name), 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(d.path(name), 0o750) })
	}
	f := follow(t, d)
	f.in.expect("2")
	f.caughtUp()
	eventually(t, "both are reported", func() bool { return f.Status().Unreadable == 2 })
	for _, name := range []string{"-p/a.jsonl", "-q"} {
		if err := os.Chmod(d.path(name), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	f.in.expect("1", "2", "3")
	eventually(t, "both are readable", func() bool { return f.Status().Unreadable == 0 })
}

func TestThousandsOfFiles(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	want := []string{}
	for n := range 2000 {
		d.write(fmt.Sprintf("-p%d/%d.jsonl", n%40, n), line(2*n)+line(2*n+1))
		want = append(want, numbers(2*n, 2*n+1)...)
	}
	conn := openStream(t)
	identity := filepath.Join(t.TempDir(), "source.json")
	status := once(t, conn, Config{Folders: d.folders(), Identity: NewIdentity(identity)})
	in := watchStream(t, conn)
	in.expect(want...)
	if status.Files != 2000 || len(in.positions) != 2000 {
		t.Errorf("%d files, %d positions", status.Files, len(in.positions))
	}
	d.append("-p0/0.jsonl", line(9999))
	if again := once(t, conn, Config{Folders: d.folders(), Identity: NewIdentity(identity)}); again.Documents != 1 {
		t.Errorf("a second pass published %d documents, want 1", again.Documents)
	}
	in.expect(append(want, "9999")...)
}

// A file of many slices is published in its order, and what is appended elsewhere meanwhile gets its turn.
func TestManySlices(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	var b strings.Builder
	pad := strings.Repeat("x", 2000)
	for n := range 4000 {
		fmt.Fprintf(&b, `{"type":"user","sessionId":"s","n":"%d","pad":%q}`+"\n", n, pad)
	}
	d.write("-p/huge.jsonl", b.String())
	d.write("-p/small.jsonl", "")
	f := follow(t, d)
	eventually(t, "reading", func() bool { return f.Status().Documents > 0 })
	d.append("-p/small.jsonl", line(1_000_000))
	f.in.expect(append(numbers(0, 3999), "1000000")...)
	last := -1
	for _, n := range f.in.ns() {
		if n == "1000000" {
			continue
		}
		if n != fmt.Sprint(last+1) {
			t.Fatalf("%s comes behind %d", n, last)
		}
		last++
	}
	f.caughtUp()
	if lag := f.Status().LagBytes; lag != 0 {
		t.Errorf("lag %d", lag)
	}
}

func TestFreshness(t *testing.T) {
	t.Parallel()
	d := newTree(t)
	d.write("-p/a.jsonl", line(0))
	conn := openStream(t)
	r := start(t, conn, Config{Folders: d.folders(), Rescan: time.Hour})
	eventually(t, "caught up", func() bool { return r.CaughtUp() && r.Status().Documents == 1 })
	var total time.Duration
	const n = 20
	for i := 1; i <= n; i++ {
		begin := time.Now()
		d.append("-p/a.jsonl", line(i))
		eventually(t, "published", func() bool { return r.Status().Documents == int64(i+1) })
		total += time.Since(begin)
	}
	t.Logf("an appended line is in the stream after %v on average", total/n)
}
