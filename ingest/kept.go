package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"claude-analytics/internal/durable"
	"claude-analytics/internal/stream"
)

// positionFolder keeps lanes' positions from one run to the next, a file for each lane.
type positionFolder string

// Take reads a lane's file and removes it: what is in it holds only for as long as nobody goes on.
func (f positionFolder) Take(lane string) (*stream.KeptPositions, error) {
	data, err := os.ReadFile(f.path(lane))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if err := os.Remove(f.path(lane)); err != nil {
		return nil, err
	}
	var kept stream.KeptPositions
	if err := json.Unmarshal(data, &kept); err != nil {
		return nil, fmt.Errorf("read %s: %w", f.path(lane), err)
	}
	return &kept, nil
}

// Keep writes a lane's file, whole or not at all.
func (f positionFolder) Keep(lane string, positions stream.KeptPositions) error {
	data, err := json.Marshal(positions)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(f), 0o750); err != nil {
		return err
	}
	return durable.WriteFile(f.path(lane), data, 0o640, nil)
}

func (f positionFolder) path(lane string) string { return filepath.Join(string(f), lane+".json") }

// positionKeeper is the folder, if there is one.
func positionKeeper(dir string) stream.PositionKeeper {
	if dir == "" {
		return nil
	}
	return positionFolder(dir)
}
