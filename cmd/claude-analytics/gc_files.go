package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"claude-analytics/internal/config"
)

// removedFiles is what was made from the warehouse or the stream and is made again: it may hold what was erased.
type removedFiles struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// removeCopies removes the published copy of the marts, the reports and kept positions: their makers make them anew.
func removeCopies(cfg config.Config) (done removedFiles, err error) {
	copies, err := filepath.Glob(filepath.Join(cfg.DataDir, "marts.duckdb*"))
	if err != nil {
		return done, fmt.Errorf("find the published copy: %w", err)
	}
	for _, path := range append(copies, filepath.Join(cfg.DataDir, "docs"), cfg.PositionsPath()) {
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || entry.IsDir() {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			if err := os.Remove(name); err != nil {
				return err
			}
			done.Files++
			done.Bytes += info.Size()
			return nil
		})
		if err != nil {
			return done, fmt.Errorf("remove %s: %w", path, err)
		}
	}
	return done, nil
}
