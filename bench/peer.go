package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peer is the batch platform, which reads the same collection.
type peer struct {
	dir    string // its program
	python string
	work   string // its Parquet and its warehouse
	coll   collection
}

// peerRun is what one run of it says of itself.
type peerRun struct {
	Fresh     float64 `json:"fresh_seconds"` // from its start until its marts are built
	Memory    float64 `json:"peak_rss_mib"`  // of its processes together
	Documents int64   `json:"documents"`
	Rows      int64   `json:"rows"` // in its warehouse
	Stages    map[string]struct {
		Seconds float64 `json:"seconds"`
		Memory  float64 `json:"peak_rss_mib"`
	} `json:"stages"`
}

// run is one run of its pipeline, as shipped: each reads all of its Parquet files.
func (p peer) run(ctx context.Context, args ...string) (peerRun, error) {
	var r peerRun
	cmd := exec.CommandContext(ctx, p.python, append([]string{"-m", "analytics.pipeline"}, args...)...)
	cmd.Dir = p.dir
	cmd.Env = append(append(os.Environ(), p.coll.env()...),
		"WORK_DIR="+p.work, "DUCKDB_THREADS=2", "LOAD_SCOPE=all", "PYTHONPYCACHEPREFIX="+filepath.Join(filepath.Dir(p.work), "peer-pycache"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return r, fmt.Errorf("batch platform %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		return r, fmt.Errorf("batch platform %s: %w: %s", strings.Join(args, " "), err, stdout.String())
	}
	return r, nil
}

// findPeer looks for the batch platform and its interpreter; "" and no error: it is not there.
func findPeer() (dir, python string, err error) {
	if dir = os.Getenv("PEER_BATCH"); dir == "" {
		dir = "../shared/peers/batch"
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "analytics", "pipeline.py")); err != nil {
		fmt.Printf("no batch platform at %s (PEER_BATCH): the comparison is skipped\n", dir)
		return "", "", nil
	}
	if python, err = filepath.Abs(filepath.Join(".tools", "peer-venv", "bin", "python")); err != nil {
		return "", "", err
	}
	if _, err := os.Stat(python); err != nil {
		return "", "", fmt.Errorf("the batch platform's requirements are not installed, run scripts/peer-venv.sh: %w", err)
	}
	return dir, python, nil
}
