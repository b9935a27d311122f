package ingest

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"claude-analytics/internal/durable"
)

// Identity is what a DATA_DIR's process keeps of itself and its lanes outside the stream. Its lanes share it.
type Identity struct {
	path string

	mu sync.Mutex
	id *identity // nil until it is first used
}

// NewIdentity is kept in a file, as DATA_DIR/source.json; without a path in memory. It does no I/O.
func NewIdentity(path string) *Identity { return &Identity{path: path} }

// change gives the writer's id, and lets change (nil: nothing) see and change what is kept of a lane, which is then
// saved, unless it is as it was.
func (i *Identity) change(name string, change func(*laneIdentity) error) (writer string, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.id == nil {
		if i.id, err = loadIdentity(i.path); err != nil {
			return "", err
		}
	}
	if change == nil {
		return i.id.Writer, nil
	}
	before, _ := json.Marshal(i.id)
	if err := change(i.id.lane(name)); err != nil {
		return "", err
	}
	if after, err := json.Marshal(i.id); err == nil && bytes.Equal(before, after) {
		return i.id.Writer, nil
	}
	return i.id.Writer, i.id.save()
}

// Lost are the lanes that ended since the history of their source is lost, by name, with what was said of it. It reads
// the file, and no file is no lane.
func (i *Identity) Lost() (map[string]string, error) {
	id, err := loadIdentity(i.path)
	if err != nil {
		return nil, err
	}
	lost := map[string]string{}
	for name, lane := range id.Lanes {
		if lane != nil && lane.Lost != "" {
			lost[name] = lane.Lost
		}
	}
	return lost, nil
}

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
	// Lost says that the lane ended since the history of its source is lost; empty while all is well.
	Lost string `json:"lost,omitempty"`
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
	return durable.WriteFile(id.path, append(data, '\n'), 0o640, nil)
}

// folders are a lane's folders by name, read only.
func (i *Identity) folders(lane string) (map[string]string, error) {
	if i == nil {
		return nil, nil
	}
	id, err := loadIdentity(i.path)
	if err != nil {
		return nil, err
	}
	return id.lane(lane).Folders, nil
}
