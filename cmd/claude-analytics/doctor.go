package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"claude-analytics/internal/config"
	"claude-analytics/internal/lockfile"
)

// finding is one thing that doctor looked at.
type finding struct {
	// ID is stable: docs/operations.md lists them.
	ID string `json:"id"`
	// Check is the ID as people read it.
	Check string `json:"check"`
	// Severity is ok, warning (works, and should be seen to) or error (exit code 3); OK is false for an error alone.
	Severity string `json:"severity"`
	OK       bool   `json:"ok"`
	Detail   string `json:"detail"`
	Remedy   string `json:"remedy,omitempty"`
}

const (
	severityOK      = "ok"
	severityWarning = "warning"
	severityError   = "error"
)

func good(id, detail string) finding { return finding{ID: id, OK: true, Detail: detail} }

func warn(id, detail, remedy string) finding {
	return finding{ID: id, OK: true, Severity: severityWarning, Detail: detail, Remedy: remedy}
}

func bad(id, detail, remedy string) finding { return finding{ID: id, Detail: detail, Remedy: remedy} }

// complete fills in what follows from the rest.
func (f finding) complete() finding {
	if f.ID == "" {
		f.ID = strings.ReplaceAll(f.Check, " ", "-")
	}
	if f.Check == "" {
		f.Check = strings.ReplaceAll(f.ID, "-", " ")
	}
	switch {
	case !f.OK:
		f.Severity = severityError
	case f.Severity == "":
		f.Severity = severityOK
	}
	return f
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
			mark := map[string]string{severityOK: "ok  ", severityWarning: "WARN", severityError: "BAD "}[f.Severity]
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
	_, running, _ := lockfile.Read(cfg.LockPath())
	findings := []finding{checkVersions(), checkFolder("data folder", cfg.DataDir)}
	findings = append(findings, checkDisks(cfg)...)
	findings = append(findings, checkRenames(cfg)...)
	findings = append(findings, checkLeftovers(cfg, running)...)
	findings = append(findings, checkMemory(cfg, cgroupFiles), checkOpenFiles(), checkWatches(), checkTimeZone(cfg))
	for _, dir := range cfg.TranscriptsDir {
		findings = append(findings, checkTranscripts(cfg, dir))
	}
	if cfg.Prices != "" {
		findings = append(findings, checkPrices(cfg.Prices))
	}
	findings = append(findings, checkRedaction(cfg))
	findings = append(findings, s.checkMongo(ctx)...)
	findings = append(findings, checkHistory(cfg)...)
	findings = append(findings, s.checkGaps(ctx)...)
	findings = append(findings, checkSettings(cfg)...)
	findings = append(findings, checkEnvFile(".env")...)
	findings = append(findings, s.checkNATS(ctx)...)
	findings = append(findings, checkLakeFormat(cfg))
	findings = append(findings, s.checkLakeFaults()...)
	findings = append(findings, s.checkStorage(ctx))
	findings = append(findings, s.checkLeftOut(ctx)...)
	findings = append(findings, s.checkLetters(ctx)...)
	findings = append(findings, checkService(cfg), checkPort(cfg))
	for i := range findings {
		findings[i] = findings[i].complete()
	}
	return findings
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
		detail := err.Error()
		if _, text, serr := net.SplitHostPort(cfg.HTTPAddr); serr == nil {
			if port, perr := strconv.Atoi(text); perr == nil && port > 0 && holderOf(port) != "" {
				detail += ": " + holderOf(port) + " has it"
			}
		}
		return finding{Check: "http port", Detail: detail, Remedy: "stop what has the port, or set HTTP_ADDR (port 0: any)"}
	}
	_ = listener.Close()
	return finding{Check: "http port", OK: true, Detail: cfg.HTTPAddr + " is free"}
}

// disabledLogger is for parts whose findings are told otherwise.
var disabledLogger = zerolog.Nop()
