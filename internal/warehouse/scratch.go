package warehouse

import (
	"errors"
	"fmt"
	"io/fs"
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

// SpillFolders are the folders beside the file at path into which whoever writes it spills, or did before it was killed.
func SpillFolders(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("look for what was spilled: %w", err)
	}
	found := []string{path + ".tmp"} // earlier releases spilled there
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), filepath.Base(path)+spilled) {
			found = append(found, filepath.Join(filepath.Dir(path), entry.Name()))
		}
	}
	return found, nil
}

// removeScratch removes a folder if it is there: on a file system that is read-only, removing what is not there fails too.
func removeScratch(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return os.RemoveAll(path)
}

// removeLeft removes what a killed process spilled, or had not finished rewriting. Whoever calls it holds the file's
// lock, so that it is nobody's.
func removeLeft(cfg Config, scratch string) error {
	left, err := SpillFolders(cfg.Path)
	if err != nil {
		return err
	}
	for _, path := range append(left, asideFolder(cfg)) {
		if filepath.Clean(path) == filepath.Clean(scratch) {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove %s: %w", path, err)
		}
	}
	return nil
}
