// Package lockfile keeps a DATA_DIR to one service at a time and tells other commands where that service is.
//
// The file's content says who and where; an advisory lock on the file says whether that is still true, so a file left
// behind by a crash is recognised as stale.
package lockfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Info is what the LOCK file says of the running service.
type Info struct {
	PID      int       `json:"pid"`
	Command  string    `json:"command"`
	NATSURL  string    `json:"nats_url"`
	HTTPAddr string    `json:"http_addr"`
	Started  time.Time `json:"started"`
}

// HeldError is returned by Acquire when a running service has the lock.
type HeldError struct {
	Path string
	Info Info
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is in use by `claude-analytics %s` (pid %d, http %s): stop it first, or use another DATA_DIR",
		filepath.Dir(e.Path), e.Info.Command, e.Info.PID, e.Info.HTTPAddr)
}

// Lock is a held lock. Release it to let another service start.
type Lock struct{ file *os.File }

// Acquire takes the lock at path and writes info into it, making the folder if needed. It never waits.
func Acquire(path string, info Info) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer file.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		held := &HeldError{Path: path}
		held.Info, _ = read(file)
		return nil, held
	}
	lock := &Lock{file: file}
	if err := lock.Update(info); err != nil {
		lock.Release()
		return nil, err
	}
	return lock, nil
}

// Update replaces the information, for instance once the addresses are known.
func (l *Lock) Update(info Info) error {
	text, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("encode lock: %w", err)
	}
	if err := l.file.Truncate(0); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	if _, err := l.file.WriteAt(append(text, '\n'), 0); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	return nil
}

// Release empties the file and gives the lock up. The file stays: removing it would race with the next Acquire.
func (l *Lock) Release() {
	_ = l.file.Truncate(0)
	_ = l.file.Close()
}

// Read tells whether a service holds the lock at path, and what it says of itself. The information may still be
// without addresses while the service starts.
func Read(path string) (Info, bool, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, false, nil
	}
	if err != nil {
		return Info{}, false, fmt.Errorf("open lock file: %w", err)
	}
	defer file.Close()
	err = unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if err == nil {
		return Info{}, false, nil // nobody holds it
	}
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return Info{}, false, fmt.Errorf("look at lock %s: %w", path, err)
	}
	info, err := read(file)
	return info, true, err
}

func read(file *os.File) (Info, error) {
	text, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<16))
	if err != nil {
		return Info{}, fmt.Errorf("read lock file: %w", err)
	}
	var info Info
	if len(text) == 0 {
		return info, nil
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return Info{}, fmt.Errorf("read lock file %s: %w", file.Name(), err)
	}
	return info, nil
}
