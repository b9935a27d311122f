package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/internal/config"
	"claude-analytics/sink"
)

// gcCmd is retention, compaction and erasure.
type gcCmd struct {
	OlderThan string `help:"DELETES documents of dates older than this (400d) from lake, warehouse and marts." placeholder:"AGE"`
	Erase     bool   `help:"ERASE deleted documents, or with --session or --project all of one, physically and everywhere."`
	Session   string `help:"With --erase: this session's documents." placeholder:"ID"`
	Project   string `help:"With --erase: this project's documents (its id, as in dim_projects.project_id)." placeholder:"ID"`
	DryRun    bool   `help:"Only show what would go: counts and bytes."`
	Yes       bool   `short:"y" help:"Do not ask."`
	JSON      bool   `help:"For programs."`
}

// Help shows what each form does.
func (gcCmd) Help() string {
	return "Without flags it does what the service does hourly: the stream's retention (STREAM_MAX_AGE, STREAM_MAX_BYTES), and\n" +
		"compaction of the lake's closed dates. Nothing that readers see changes.\n\n" +
		"  claude-analytics gc                                   retention of the stream, compaction of the lake\n" +
		"  claude-analytics gc --older-than 400d --dry-run       what retention of lake and warehouse would delete\n" +
		"  claude-analytics gc --older-than 400d                 delete it\n" +
		"  claude-analytics gc --erase                           what was deleted at its source, physically\n" +
		"  claude-analytics gc --erase --session ID              one session, from stream, lake, warehouse, marts, dead letters\n" +
		"  claude-analytics gc --erase --project ID              one project\n\n" +
		"What the source still holds comes back when it is read again: delete it there first. Backups are not reached.\n" +
		"docs/retention.md tells the whole."
}

// gcRequest is the body of a request to claude-analytics.gc.
type gcRequest struct {
	OlderThan string `json:"older_than,omitempty"`
	Erase     bool   `json:"erase,omitempty"`
	Session   string `json:"session,omitempty"`
	Project   string `json:"project,omitempty"`
	DryRun    bool   `json:"dry_run,omitempty"`
	// Progress only asks where the run that goes on is.
	Progress bool `json:"progress,omitempty"`
}

func (r gcRequest) subject() sink.Subject {
	return sink.Subject{Session: r.Session, Project: r.Project}
}

// check finds what does not fit together; age is OlderThan.
func (r gcRequest) check() (age time.Duration, err error) {
	switch {
	case r.Session != "" && r.Project != "":
		return 0, usagef("%w", sink.ErrSubject)
	case r.subject().Text() != "" && !r.Erase:
		return 0, usagef("--session and --project say what --erase erases: add --erase")
	case r.Erase && r.OlderThan != "":
		return 0, usagef("--older-than and --erase are two things: run one after the other")
	case r.OlderThan == "":
		return 0, nil
	}
	if age, err = config.ParseDays(r.OlderThan); err != nil {
		return 0, usagef("--older-than: %w", err)
	}
	if age < 24*time.Hour {
		return 0, usagef("--older-than: at least a day (1d): today's date is still being written")
	}
	return age, nil
}

// destroys says that something is lost for those who read.
func (r gcRequest) destroys() bool { return (r.Erase || r.OlderThan != "") && !r.DryRun }

// Run asks the service, or works on the files.
func (c *gcCmd) Run(ctx context.Context, e *env) error {
	request := gcRequest{OlderThan: c.OlderThan, Erase: c.Erase, Session: c.Session, Project: c.Project, DryRun: c.DryRun}
	if _, err := request.check(); err != nil {
		return err
	}
	cfg, log, err := e.startOnce(nil)
	if err != nil {
		return err
	}
	if request.destroys() && !c.Yes && isTerminalReader(e.stdin) {
		preview := request
		preview.DryRun = true
		report, err := runGC(ctx, e, cfg, log, preview)
		if err != nil {
			return err
		}
		report.write(e)
		if !confirmed(e) {
			return usagef("nothing was removed")
		}
	}
	report, err := runGC(ctx, e, cfg, log, request)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(e.stdout, report)
	}
	report.write(e)
	return nil
}

func confirmed(e *env) bool {
	fmt.Fprint(e.stderr, "\nThis cannot be undone. Type yes to go on: ")
	line, _ := bufio.NewReader(e.stdin).ReadString('\n')
	return line == "yes\n" || line == "yes\r\n"
}

func runGC(ctx context.Context, e *env, cfg config.Loaded, log zerolog.Logger, request gcRequest) (report gcReport, err error) {
	service, err := live(ctx, cfg)
	switch {
	case err == nil:
		defer service.Close()
		return gcLive(ctx, e, service, request)
	case !errors.Is(err, errNoService):
		return report, err
	}
	if _, err := os.Stat(cfg.WarehousePath()); err != nil {
		return report, fmt.Errorf("%w at %s: there is nothing to remove; see --data-dir", errNoWarehouse, cfg.WarehousePath())
	}
	s := newService(cfg, roles{command: "gc", sink: true, modeler: false}, log)
	defer func() { err = errors.Join(err, s.close()) }()
	if err = s.open(ctx, serviceOptions{}); err != nil {
		return report, err
	}
	progress := newBar(e.stderr, "gc")
	defer progress.finish()
	// The sink runs meanwhile: what the stream holds and the lake does not yet would come to it afterwards.
	err = s.run(ctx, func(ctx context.Context) error {
		return watching(ctx, func() { showPhase(progress, s.gc.phase()) }, func(ctx context.Context) (err error) {
			if err = s.sink.Drain(ctx); err == nil {
				report, err = s.collect(ctx, request)
			}
			return err
		})
	})
	report.Mode = "offline"
	return report, err
}

// gcLive asks the service, and meanwhile how far it is.
func gcLive(ctx context.Context, e *env, service *client, request gcRequest) (gcReport, error) {
	progress := newBar(e.stderr, "gc")
	defer progress.finish()
	var report gcReport
	look := func() {
		asking, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if now, err := ask[gcReport](asking, service, "gc", gcRequest{Progress: true}); err == nil && now.Phase != nil {
			showPhase(progress, *now.Phase)
		}
	}
	err := watching(ctx, look, func(ctx context.Context) (err error) {
		report, err = ask[gcReport](ctx, service, "gc", request)
		return err
	})
	return report, err
}

func showPhase(progress *bar, at sink.ErasePhase) {
	if at.Total > 0 {
		progress.set(at.Done, at.Total)
	}
}

// collecting is the run that goes on, if any.
type collecting struct {
	mu    sync.Mutex
	at    sink.ErasePhase
	turns sync.Mutex
}

func (c *collecting) phase() sink.ErasePhase {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *collecting) set(at sink.ErasePhase) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}
