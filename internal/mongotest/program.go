package mongotest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const programName = "secantusd-py"

// findProgram looks for SecantusDB at $SECANTUSD, where `make tools` installs it, and in the PATH.
func findProgram() (string, error) {
	if path := os.Getenv("SECANTUSD"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("find SecantusDB at $SECANTUSD: %w", err)
		}
		return filepath.Abs(path) // the process runs in another directory
	}
	installed := filepath.Join(".tools", "venv", "bin", programName)
	if root, ok := moduleRoot(); ok {
		path := filepath.Join(root, installed)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(programName)
	if err != nil {
		return "", fmt.Errorf("find SecantusDB: no %s and no $MONGODB_URI; run `make tools`: %w", installed, err)
	}
	return filepath.Abs(path)
}

// moduleRoot is the nearest directory upwards that holds go.mod: tests run in their package's directory.
func moduleRoot() (string, bool) {
	dir, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}
