package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"claude-analytics/internal/config"
	"claude-analytics/internal/lockfile"
)

// finding is one thing that doctor looked at.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

// doctorCmd looks for misconfigurations.
type doctorCmd struct {
	JSON bool `help:"For programs."`
}

// Limits below which doctor warns.
const (
	leastFreeDisk    = 2 << 30 // bytes
	leastOpenFiles   = 1024
	leastWatches     = 8192
	dialWait         = 5 * time.Second
	watchesLimitFile = "/proc/sys/fs/inotify/max_user_watches"
)

// Run prints the findings; exit code 3 if one is bad, 2 if the settings themselves are.
func (c *doctorCmd) Run(ctx context.Context, e *env) error {
	cfg, _, err := e.startOnce(nil)
	if err != nil {
		return err
	}
	s := newService(cfg, roles{command: "doctor"}, disabledLogger)
	findings := s.examine(ctx)
	if c.JSON {
		err = writeJSON(e.stdout, findings)
	} else {
		for _, f := range findings {
			mark := "ok  "
			if !f.OK {
				mark = "BAD "
			}
			e.printf("%s %-14s %s\n", mark, f.Check, f.Detail)
			if f.Remedy != "" {
				e.printf("     %-14s → %s\n", "", f.Remedy)
			}
		}
	}
	for _, f := range findings {
		if !f.OK {
			err = errors.Join(err, errCheckFailed)
			break
		}
	}
	return err
}

// examine makes every check that can be made from here.
func (s *service) examine(ctx context.Context) []finding {
	cfg := s.cfg
	findings := []finding{checkFolder("data folder", cfg.DataDir), checkDisk(cfg.DataDir), checkOpenFiles(), checkWatches()}
	for _, dir := range cfg.TranscriptsDir {
		findings = append(findings, checkTranscripts(cfg, dir))
	}
	if cfg.Prices != "" {
		findings = append(findings, checkPrices(cfg.Prices))
	}
	findings = append(findings, checkMongo(ctx, cfg)...)
	findings = append(findings, checkHistory(cfg)...)
	findings = append(findings, s.checkGaps(ctx)...)
	findings = append(findings, checkRedaction(cfg))
	for _, warning := range cfg.Warnings {
		findings = append(findings, finding{Check: "settings", Detail: warning, Remedy: "correct the variable's name, or remove it"})
	}
	return append(findings, checkNATS(ctx, cfg), checkService(cfg), checkPort(cfg))
}

func checkFolder(name, dir string) finding {
	f := finding{Check: name, OK: true, Detail: dir}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return finding{Check: name, Detail: err.Error(), Remedy: "choose another DATA_DIR, or give this user the right to make it"}
	}
	probe, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return finding{Check: name, Detail: err.Error(), Remedy: "give this user the right to write there, or choose another DATA_DIR"}
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	return f
}

func checkDisk(dir string) finding {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return finding{Check: "disk", OK: true, Detail: "free space is not known: " + err.Error()}
	}
	free := int64(stat.Bavail) * int64(stat.Bsize)
	f := finding{Check: "disk", OK: free >= leastFreeDisk, Detail: fmt.Sprintf("%.1f GiB free", float64(free)/(1<<30))}
	if !f.OK {
		f.Remedy = "free some space, lower STREAM_MAX_BYTES or STREAM_MAX_AGE, or move DATA_DIR"
	}
	return f
}

func checkOpenFiles() finding {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return finding{Check: "open files", OK: true, Detail: "limit is not known: " + err.Error()}
	}
	f := finding{Check: "open files", OK: limit.Cur >= leastOpenFiles, Detail: fmt.Sprintf("limit %d", limit.Cur)}
	if !f.OK {
		f.Remedy = "raise it: ulimit -n 65536, or LimitNOFILE= in the unit file"
	}
	return f
}

func checkWatches() finding {
	var watches int
	text, err := os.ReadFile(watchesLimitFile)
	if err == nil {
		_, err = fmt.Sscan(string(text), &watches)
	}
	if err != nil {
		return finding{Check: "file watches", OK: true, Detail: "no such limit on this system"}
	}
	f := finding{Check: "file watches", OK: watches >= leastWatches, Detail: fmt.Sprintf("limit %d", watches)}
	if !f.OK {
		f.Remedy = "sysctl fs.inotify.max_user_watches=65536 (without watches new lines are seen by the slow rescan only)"
	}
	return f
}

func checkTranscripts(cfg config.Loaded, dir string) finding {
	const name = "transcripts"
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !cfg.Set("TRANSCRIPTS_DIR"):
		return finding{Check: name, OK: true, Detail: dir + " does not exist; nothing is followed by default"}
	case err != nil:
		return finding{Check: name, Detail: err.Error(), Remedy: "correct TRANSCRIPTS_DIR, or give this user the right to read it"}
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if _, err := os.ReadDir(filepath.Join(dir, entry.Name())); err != nil {
				return finding{Check: name, Detail: err.Error(), Remedy: "give this user the right to read it"}
			}
		}
	}
	return finding{Check: name, OK: true, Detail: fmt.Sprintf("%s, %d projects", dir, len(entries))}
}

func checkNATS(ctx context.Context, cfg config.Loaded) finding {
	const name = "nats"
	if cfg.NATSURL == "" {
		return finding{Check: name, OK: true, Detail: "embedded, in " + cfg.StreamDir()}
	}
	differences, err := deployTo(ctx, cfg, disabledLogger, true)
	if err != nil {
		return finding{Check: name, Detail: err.Error(), Remedy: "start nats-server 2.15.2 or newer with JetStream (deploy/nats.conf), correct NATS_URL, or unset it"}
	}
	if len(differences) > 0 {
		return finding{Check: name, Detail: fmt.Sprintf("%d stream settings differ: %s", len(differences), differences[0]), Remedy: "claude-analytics deploy"}
	}
	return finding{Check: name, OK: true, Detail: "reachable, streams as they should be"}
}

func checkService(cfg config.Loaded) finding {
	info, held, err := lockfile.Read(cfg.LockPath())
	switch {
	case err != nil:
		return finding{Check: "service", Detail: err.Error(), Remedy: "look at the rights of " + cfg.LockPath()}
	case held:
		return finding{Check: "service", OK: true, Detail: fmt.Sprintf("%s is running (pid %d, http %s)", info.Command, info.PID, info.HTTPAddr)}
	}
	return finding{Check: "service", OK: true, Detail: "none runs on this DATA_DIR"}
}

func checkPort(cfg config.Loaded) finding {
	if info, held, _ := lockfile.Read(cfg.LockPath()); held && info.HTTPAddr != "" {
		return finding{Check: "http port", OK: true, Detail: info.HTTPAddr + " is ours"}
	}
	listener, err := net.Listen("tcp", cfg.HTTPAddr)
	if err != nil {
		return finding{Check: "http port", Detail: err.Error(), Remedy: "stop what has the port, or set HTTP_ADDR (port 0: any)"}
	}
	_ = listener.Close()
	return finding{Check: "http port", OK: true, Detail: cfg.HTTPAddr + " is free"}
}

// disabledLogger is for parts whose findings are told otherwise.
var disabledLogger = zerolog.Nop()
