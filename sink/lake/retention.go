package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// retentionFile records up to where documents were removed on purpose, for whoever compares the lake with what it came from.
const retentionFile = "retention.json"

type retention struct {
	Version int `json:"version"`
	// Before is the first date that stayed, YYYY-MM-DD.
	Before string `json:"before"`
}

// Retained is the first date that every retention so far has left; empty if there was none.
func (l *Lake) Retained(context.Context) (string, error) {
	text, err := l.disk.ReadFile(filepath.Join(l.cfg.Dir, manifestDir, retentionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	var r retention
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return "", fmt.Errorf("read %s of the lake: %w; remedy: delete it, and run `claude-analytics gc --older-than` as before", retentionFile, err)
	}
	return r.Before, nil
}

// RecordRetention writes down that documents of dates before one are removed; it is durable when this returns.
func (l *Lake) RecordRetention(ctx context.Context, before string) error {
	if known, err := l.Retained(ctx); err == nil && known >= before {
		return nil
	}
	err := writeJSON(l.disk, filepath.Join(l.cfg.Dir, manifestDir, retentionFile), retention{Version: Version, Before: before})
	if err != nil {
		return fmt.Errorf("record retention: %w", err)
	}
	return nil
}
