package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"claude-analytics/internal/generator"
)

// usage is what a run of the program cost.
type usage struct {
	wall   time.Duration
	cpu    time.Duration
	memory int64 // peak resident bytes
	stdout []byte
}

// program runs the program to its end.
func (b *bench) program(ctx context.Context, args ...string) (usage, error) {
	return b.programWith(ctx, nil, args...)
}

// environ is the environment of a run of the program.
func (b *bench) environ(command string, env []string) []string {
	all := append(os.Environ(), "LOG_LEVEL=warn", "HTTP_ADDR=127.0.0.1:0")
	if b.profiles != "" {
		b.runs++
		all = append(all, profileVariable+"="+filepath.Join(b.profiles, fmt.Sprintf("%02d-%s", b.runs, command)))
	}
	return append(all, env...)
}

// programWith is program with further environment variables.
func (b *bench) programWith(ctx context.Context, env []string, args ...string) (usage, error) {
	cmd := exec.CommandContext(ctx, b.binary, args...)
	cmd.Dir = b.dir
	cmd.Env = b.environ(args[0], env)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return usage{}, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	u := usage{wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), stdout: stdout.Bytes()}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.memory = r.Maxrss << 10
	}
	return u, nil
}

// generate makes the corpus once.
func (b *bench) generate(ctx context.Context) error {
	b.corpus = filepath.Join(b.dir, "corpus")
	if _, err := os.Stat(filepath.Join(b.corpus, generator.TruthFile)); err != nil {
		began := time.Now()
		if _, err := b.program(ctx, "generate", "--out", b.corpus, "--bytes", fmt.Sprint(b.bytes), "--seed", "1"); err != nil {
			return err
		}
		fmt.Printf("generated in %s\n", time.Since(began).Round(time.Millisecond))
	}
	truth, err := generator.ReadTruth(b.corpus)
	if err != nil {
		return err
	}
	b.report.Bytes, b.report.Objects, b.report.Sessions = truth.Bytes, truth.Objects, truth.Sessions
	fmt.Printf("%d files, %.1f MB, %d objects, %d sessions\n\n", truth.Files, float64(truth.Bytes)/1e6, truth.Objects, truth.Sessions)
	return nil
}

// fresh is an empty DATA_DIR.
func (b *bench) fresh(name string) (string, error) {
	dir := filepath.Join(b.dir, name)
	return dir, os.RemoveAll(dir)
}

// rates adds docs/s, MB/s and memory of a run over the whole corpus; ratesOf of one over something else.
func (b *bench) rates(name string, u usage, docsGoal, memoryGoal string) {
	b.ratesOf(name, u, b.report.Objects, b.report.Bytes, docsGoal, memoryGoal)
}

func (b *bench) ratesOf(name string, u usage, documents, bytes int64, docsGoal, memoryGoal string) {
	seconds := u.wall.Seconds()
	b.add(name+": docs", float64(documents)/seconds, "docs/s", docsGoal)
	b.add(name+": bytes", float64(bytes)/1e6/seconds, "MB/s", "")
	b.add(name+": wall", seconds, "s", "")
	b.add(name+": cpu", u.cpu.Seconds(), "s", "")
	b.add(name+": peak memory", float64(u.memory)/(1<<20), "MiB", memoryGoal)
}

// number asks the program one number.
func (b *bench) number(ctx context.Context, dataDir, sql string) (float64, error) {
	u, err := b.program(ctx, "query", "--json", "--data-dir", dataDir, "SELECT ("+sql+")::DOUBLE AS n")
	if err != nil {
		return 0, err
	}
	var rows []struct{ N float64 }
	if err := json.Unmarshal(u.stdout, &rows); err != nil || len(rows) != 1 {
		return 0, fmt.Errorf("query %s: %w: %s", sql, err, u.stdout)
	}
	return rows[0].N, nil
}

// size is the bytes below a path.
func size(path string) float64 {
	var total int64
	_ = filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil
		}
		if info, err := entry.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return float64(total)
}
