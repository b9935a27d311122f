package lake

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"claude-analytics/internal/durable"
)

// FS is the disk as the lake uses it. Every operation that durability depends on goes through it, so that a test can
// see their order and let any of them fail. Names are paths as the operating system writes them.
type FS interface {
	// Mkdir makes one directory below an existing one; fs.ErrExist if it is there.
	Mkdir(dir string) error
	// Create makes a file, or empties it.
	Create(name string) (File, error)
	// Rename replaces newName.
	Rename(oldName, newName string) error
	Remove(name string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// ReadDir lists a directory in the order of its names.
	ReadDir(dir string) ([]fs.DirEntry, error)
	ReadFile(name string) ([]byte, error)
	Open(name string) (ReadFile, error)
}

// File is a file being written.
type File interface {
	io.Writer
	// Sync makes what was written durable.
	Sync() error
	Close() error
}

// ReadFile is a file being read.
type ReadFile interface {
	io.Reader
	io.ReaderAt
	io.Seeker
	io.Closer
}

// OS is the real disk.
type OS struct{}

var _ FS = OS{}

// Mkdir implements FS.
func (OS) Mkdir(dir string) error { return os.Mkdir(dir, 0o755) }

// Create implements FS.
func (OS) Create(name string) (File, error) { return os.Create(name) }

// Rename implements FS.
func (OS) Rename(oldName, newName string) error { return os.Rename(oldName, newName) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// SyncDir implements FS.
func (OS) SyncDir(dir string) error { return durable.Sync(dir) }

// ReadDir implements FS.
func (OS) ReadDir(dir string) ([]fs.DirEntry, error) { return os.ReadDir(dir) }

// ReadFile implements FS.
func (OS) ReadFile(name string) ([]byte, error) { return os.ReadFile(name) }

// Open implements FS.
func (OS) Open(name string) (ReadFile, error) { return os.Open(name) }

const temporary = ".tmp"

// writeJSON lets a file of indented JSON appear whole or not at all.
func writeJSON(disk FS, name string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return writeWhole(disk, name, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

// writeWhole lets a file appear whole or not at all: temporary name, sync, rename, sync of the directory.
func writeWhole(disk FS, name string, fill func(io.Writer) error) error {
	if err := writeAside(disk, name, fill); err != nil {
		return err
	}
	if err := disk.Rename(name+temporary, name); err != nil {
		return err
	}
	return disk.SyncDir(filepath.Dir(name))
}

// writeAside writes a file under its temporary name and syncs it.
func writeAside(disk FS, name string, fill func(io.Writer) error) error {
	f, err := disk.Create(name + temporary)
	if err != nil {
		return err
	}
	if err := fill(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// mkdir makes a directory, its missing parents and their names durable; it is no error if it is there.
func mkdir(disk FS, dir string) error {
	err := disk.Mkdir(dir)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		if err := mkdir(disk, filepath.Dir(dir)); err != nil {
			return err
		}
		err = disk.Mkdir(dir)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return disk.SyncDir(filepath.Dir(dir))
}
