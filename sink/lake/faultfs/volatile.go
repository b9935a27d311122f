package faultfs

import (
	"bytes"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"claude-analytics/sink/lake"
)

// Volatile is a disk in memory that remembers what is durable: bytes that were synced, and names in directories that
// were. PowerCut takes it back to that.
type Volatile struct {
	mu   sync.Mutex
	root *node
}

var _ lake.FS = (*Volatile)(nil)

type node struct {
	dir     bool
	data    []byte
	synced  []byte
	names   map[string]*node
	durable map[string]*node
}

func newDir() *node {
	return &node{dir: true, names: map[string]*node{}, durable: map[string]*node{}}
}

// NewVolatile is an empty disk.
func NewVolatile() *Volatile { return &Volatile{root: newDir()} }

// PowerCut forgets what is not durable. With luck, some of it survives all the same, as it may on a real disk: each
// unsynced name or content survives with a chance of one half (of a file that was renamed, one of its names does);
// without (nil), nothing does.
func (v *Volatile) PowerCut(luck *rand.Rand) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.root.cut(luck)
}

func (n *node) cut(luck *rand.Rand) {
	lucky := func() bool { return luck != nil && luck.IntN(2) == 0 }
	if !n.dir {
		if !bytes.Equal(n.data, n.synced) && lucky() {
			n.synced = slices.Clone(n.data[:luck.IntN(len(n.data)+1)])
		}
		n.data = slices.Clone(n.synced)
		return
	}
	after := map[string]*node{}
	for name, child := range n.durable {
		// A name that was given to another file keeps the one or the other.
		if n.names[name] != nil || n.nameOf(child) != "" || !lucky() {
			after[name] = child
		}
	}
	for name, child := range n.names {
		if n.durable[name] == child || !lucky() {
			continue
		}
		after[name] = child
		// A file that was renamed has the old name or the new one: that is what a journal is for.
		for before, same := range n.durable {
			if same == child && n.names[before] != child && after[before] == child {
				delete(after, before)
			}
		}
	}
	n.names, n.durable = after, map[string]*node{}
	for name, child := range after {
		n.durable[name] = child
		child.cut(luck)
	}
}

// nameOf is what a file is called now; empty if it was removed.
func (n *node) nameOf(child *node) string {
	for name, other := range n.names {
		if other == child {
			return name
		}
	}
	return ""
}

func (v *Volatile) find(name string) (*node, error) {
	at := v.root
	for _, part := range strings.FieldsFunc(filepath.ToSlash(name), func(r rune) bool { return r == '/' }) {
		if !at.dir || at.names[part] == nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		at = at.names[part]
	}
	return at, nil
}

func (v *Volatile) parent(name string) (*node, string, error) {
	dir, err := v.find(filepath.Dir(name))
	return dir, filepath.Base(name), err
}

// Mkdir implements lake.FS.
func (v *Volatile) Mkdir(dir string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	parent, base, err := v.parent(dir)
	if err != nil {
		return err
	}
	if base == "." || base == "/" || parent.names[base] != nil {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: fs.ErrExist}
	}
	parent.names[base] = newDir()
	return nil
}

// Create implements lake.FS.
func (v *Volatile) Create(name string) (lake.File, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	parent, base, err := v.parent(name)
	if err != nil {
		return nil, err
	}
	file := parent.names[base]
	if file == nil {
		file = &node{}
		parent.names[base] = file
	}
	file.data = nil
	return &volatileFile{v: v, n: file}, nil
}

// Rename implements lake.FS.
func (v *Volatile) Rename(oldName, newName string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	from, oldBase, err := v.parent(oldName)
	if err != nil {
		return err
	}
	to, newBase, err := v.parent(newName)
	if err != nil {
		return err
	}
	file := from.names[oldBase]
	if file == nil {
		return &fs.PathError{Op: "rename", Path: oldName, Err: fs.ErrNotExist}
	}
	delete(from.names, oldBase)
	to.names[newBase] = file
	return nil
}

// Remove implements lake.FS.
func (v *Volatile) Remove(name string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	parent, base, err := v.parent(name)
	if err != nil {
		return err
	}
	if parent.names[base] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(parent.names, base)
	return nil
}

// SyncDir implements lake.FS.
func (v *Volatile) SyncDir(dir string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	n, err := v.find(dir)
	if err != nil {
		return err
	}
	n.durable = map[string]*node{}
	for name, child := range n.names {
		n.durable[name] = child
	}
	return nil
}

// ReadDir implements lake.FS.
func (v *Volatile) ReadDir(dir string) ([]fs.DirEntry, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n, err := v.find(dir)
	if err != nil {
		return nil, err
	}
	var list []fs.DirEntry
	for name, child := range n.names {
		list = append(list, fs.FileInfoToDirEntry(info{name: name, dir: child.dir, size: int64(len(child.data))}))
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

// ReadFile implements lake.FS.
func (v *Volatile) ReadFile(name string) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n, err := v.find(name)
	if err != nil {
		return nil, err
	}
	return slices.Clone(n.data), nil
}

// Open implements lake.FS.
func (v *Volatile) Open(name string) (lake.ReadFile, error) {
	data, err := v.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return readFile{bytes.NewReader(data)}, nil
}

type volatileFile struct {
	v *Volatile
	n *node
}

func (f *volatileFile) Write(p []byte) (int, error) {
	f.v.mu.Lock()
	defer f.v.mu.Unlock()
	f.n.data = append(f.n.data, p...)
	return len(p), nil
}

func (f *volatileFile) Sync() error {
	f.v.mu.Lock()
	defer f.v.mu.Unlock()
	f.n.synced = slices.Clone(f.n.data)
	return nil
}

func (f *volatileFile) Close() error { return nil }

type readFile struct{ *bytes.Reader }

func (readFile) Close() error { return nil }

var _ io.Closer = readFile{}

type info struct {
	name string
	dir  bool
	size int64
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.dir }
func (i info) Sys() any           { return nil }

func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
