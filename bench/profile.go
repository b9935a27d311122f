package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// profileVariable tells the program, built with the profiler, where its profiles go.
const profileVariable = "CPUPROFILE"

// profiler is a file that is added to the program's main package for the build alone: what users run has no profiler.
//
//go:embed profiler.go.txt
var profiler []byte

// buildProfiled builds the program with a profiler and measures that from here on. Each run leaves several files, one
// for each second, which `go tool pprof` takes together.
func (b *bench) buildProfiled(ctx context.Context, folder string) error {
	var err error
	if b.profiles, err = filepath.Abs(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(b.profiles, 0o755); err != nil {
		return err
	}
	added, err := filepath.Abs(filepath.Join("cmd", "claude-analytics", "profiler.go"))
	if err != nil {
		return err
	}
	source, overlay := filepath.Join(b.dir, "profiler.go"), filepath.Join(b.dir, "overlay.json")
	files, err := json.Marshal(map[string]any{"Replace": map[string]string{added: source}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(source, profiler, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(overlay, files, 0o644); err != nil {
		return err
	}
	b.binary = filepath.Join(b.profiles, "claude-analytics")
	cmd := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-o", b.binary, "./cmd/claude-analytics")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build with a profiler: %w\n%s", err, out)
	}
	fmt.Printf("profiles: go tool pprof -top %s %s/*.pprof\n", b.binary, b.profiles)
	return nil
}
