// Package faultfs is a disk for tests of the lake: it writes down every operation that durability depends on, fails
// the k-th, and can lose what was never synced, as a power cut does.
package faultfs

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"claude-analytics/sink/lake"
)

// Tracer passes operations on to a disk, writes them down, and fails those that it is told to.
type Tracer struct {
	disk lake.FS
	root string

	mu     sync.Mutex
	trace  []string
	count  int
	failAt int
	until  int
	cause  error
}

var _ lake.FS = (*Tracer)(nil)

// New traces a disk; names in the trace are relative to root.
func New(disk lake.FS, root string) *Tracer { return &Tracer{disk: disk, root: root} }

// Fail lets the k-th operation from now on (1 is the next) and the n-1 after it fail with cause; n < 0: all after it.
func (t *Tracer) Fail(k, n int, cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failAt, t.until, t.cause = t.count+k, t.count+k+n, cause
	if n < 0 {
		t.until = int(^uint(0) >> 1)
	}
}

// Heal ends what Fail began.
func (t *Tracer) Heal() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failAt, t.until, t.cause = 0, 0, nil
}

// Note writes a line of the test's own into the trace.
func (t *Tracer) Note(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trace = append(t.trace, line)
}

// Take returns the trace since the last call, one operation a line: "write x", "sync x", "rename x y", "syncdir x",
// "mkdir x", "create x", "remove x"; a failed one ends in " !". Consecutive writes to one file are one line.
func (t *Tracer) Take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	trace := t.trace
	t.trace = nil
	return trace
}

// Operations is how many operations there were so far.
func (t *Tracer) Operations() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count
}

func (t *Tracer) do(op string, names []string, run func() error) error {
	for i, name := range names {
		if rel, err := filepath.Rel(t.root, name); err == nil {
			names[i] = filepath.ToSlash(rel)
		}
	}
	line := op + " " + strings.Join(names, " ")
	t.mu.Lock()
	t.count++
	if t.failAt != 0 && t.count >= t.failAt && t.count < t.until {
		err := fmt.Errorf("%s: %w", line, t.cause)
		t.trace = append(t.trace, line+" !")
		t.mu.Unlock()
		return err
	}
	if n := len(t.trace); op != "write" || n == 0 || t.trace[n-1] != line {
		t.trace = append(t.trace, line)
	}
	t.mu.Unlock()
	return run()
}

// Mkdir implements lake.FS.
func (t *Tracer) Mkdir(dir string) error {
	return t.do("mkdir", []string{dir}, func() error { return t.disk.Mkdir(dir) })
}

// Create implements lake.FS.
func (t *Tracer) Create(name string) (lake.File, error) {
	var f lake.File
	err := t.do("create", []string{name}, func() (err error) {
		f, err = t.disk.Create(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &tracedFile{File: f, t: t, name: name}, nil
}

// Rename implements lake.FS.
func (t *Tracer) Rename(oldName, newName string) error {
	return t.do("rename", []string{oldName, newName}, func() error { return t.disk.Rename(oldName, newName) })
}

// Remove implements lake.FS.
func (t *Tracer) Remove(name string) error {
	return t.do("remove", []string{name}, func() error { return t.disk.Remove(name) })
}

// SyncDir implements lake.FS.
func (t *Tracer) SyncDir(dir string) error {
	return t.do("syncdir", []string{dir}, func() error { return t.disk.SyncDir(dir) })
}

// ReadDir implements lake.FS.
func (t *Tracer) ReadDir(dir string) ([]fs.DirEntry, error) { return t.disk.ReadDir(dir) }

// ReadFile implements lake.FS.
func (t *Tracer) ReadFile(name string) ([]byte, error) { return t.disk.ReadFile(name) }

// Open implements lake.FS.
func (t *Tracer) Open(name string) (lake.ReadFile, error) { return t.disk.Open(name) }

type tracedFile struct {
	lake.File
	t    *Tracer
	name string
}

func (f *tracedFile) Write(p []byte) (n int, err error) {
	err = f.t.do("write", []string{f.name}, func() (err error) {
		n, err = f.File.Write(p)
		return err
	})
	return n, err
}

func (f *tracedFile) Sync() error {
	return f.t.do("sync", []string{f.name}, f.File.Sync)
}
