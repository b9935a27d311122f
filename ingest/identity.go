package ingest

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// identityVersion is of the file's form.
const identityVersion = 1

// identity is the little that a source keeps outside the stream: who it is, and that its lanes have begun.
type identity struct {
	path string

	Version int `json:"version"`
	// Writer names this DATA_DIR's process to other writers of a lane, also after a restart.
	Writer string                   `json:"writer"`
	Lanes  map[string]*laneIdentity `json:"lanes"`
}

type laneIdentity struct {
	// Begun is when the first batch was stored; not set before that. A lane that has begun and has no position in the
	// stream has lost it.
	Begun *time.Time `json:"begun,omitempty"`
	// Folders are the paths of folders by their name in the lane.
	Folders map[string]string `json:"folders,omitempty"`
}

// loadIdentity reads the file, or makes a new identity, not yet saved. Without a path it is kept in memory.
func loadIdentity(path string) (*identity, error) {
	id := &identity{path: path, Version: identityVersion, Lanes: map[string]*laneIdentity{}}
	if path != "" {
		data, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(data, id)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read identity of the source %s: %w", path, err)
		}
		if id.Version > identityVersion {
			return nil, fmt.Errorf("read identity of the source %s: version %d is of a newer release", path, id.Version)
		}
	}
	if id.Lanes == nil {
		id.Lanes = map[string]*laneIdentity{}
	}
	if id.Writer == "" {
		var b [8]byte
		if _, err := rand.Read(b[:]); err != nil {
			return nil, fmt.Errorf("make writer id: %w", err)
		}
		id.Writer = hex.EncodeToString(b[:])
	}
	return id, nil
}

// lane is the identity of one lane.
func (id *identity) lane(name string) *laneIdentity {
	lane := id.Lanes[name]
	if lane == nil {
		lane = &laneIdentity{}
		id.Lanes[name] = lane
	}
	if lane.Folders == nil {
		lane.Folders = map[string]string{}
	}
	return lane
}

// save replaces the file, whole or not at all.
func (id *identity) save() error {
	if id.path == "" {
		return nil
	}
	if err := id.write(); err != nil {
		return fmt.Errorf("save identity of the source: %w", err)
	}
	return nil
}

func (id *identity) write() error {
	data, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(id.path)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	tmp := id.path + ".tmp"
	if err := writeSynced(tmp, append(data, '\n')); err != nil {
		return err
	}
	if err := os.Rename(tmp, id.path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
