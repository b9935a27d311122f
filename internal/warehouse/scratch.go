package warehouse

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// scratchFolder is where DuckDB spills: another folder each time that the file is opened. Readers in several processes
// must not share one; and a log larger than the memory spills while the file is attached, before what a killed process
// left may be removed.
func scratchFolder(cfg Config) string {
	if cfg.scratch != "" {
		return cfg.scratch
	}
	if cfg.ReadOnly {
		return fmt.Sprintf("%s.tmp-%d", cfg.Path, os.Getpid())
	}
	return cfg.Path + spilled + strconv.FormatInt(time.Now().UnixNano(), 36)
}

// spilled stands between a file's name and a number in the names of its writers' scratch folders.
const spilled = ".spill-"

// removeLeft removes what a killed process spilled, or had not finished rewriting. Whoever calls it holds the file's
// lock, so that it is nobody's.
func removeLeft(cfg Config, scratch string) error {
	left := []string{asideFolder(cfg), cfg.Path + ".tmp"} // earlier releases spilled into the latter
	entries, err := os.ReadDir(filepath.Dir(cfg.Path))
	if err != nil {
		return fmt.Errorf("look for what was spilled: %w", err)
	}
	for _, entry := range entries {
		path := filepath.Join(filepath.Dir(cfg.Path), entry.Name())
		if strings.HasPrefix(entry.Name(), filepath.Base(cfg.Path)+spilled) && path != filepath.Clean(scratch) {
			left = append(left, path)
		}
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove %s: %w", path, err)
		}
	}
	return nil
}
