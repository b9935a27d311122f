package main

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/ingest"
	"claude-analytics/internal/config"
)

// extractCmd is one pass over the sources.
type extractCmd struct {
	Transcripts  []string `help:"Transcript folder (TRANSCRIPTS_DIR); repeatable." placeholder:"DIR"`
	Source       string   `help:"Name of the lane (default: the host's name)." placeholder:"NAME"`
	FullBackfill bool     `help:"Read everything again, whatever the positions say; what is there already stays as it is."`
	JSON         bool     `help:"For programs."`
}

// Run reads the sources once.
func (c *extractCmd) Run(ctx context.Context, e *env) error {
	cfg, log, err := e.startOnce(map[string]string{"TRANSCRIPTS_DIR": transcriptFlags(c.Transcripts), "SOURCE_NAME": c.Source})
	if err != nil {
		return err
	}
	status, err := extract(ctx, e, cfg, log, c.FullBackfill)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(e.stdout, status)
	}
	e.printf("%s objects published (%s bytes) from %s files; %s dead letters\n",
		count(status.Documents), count(status.Bytes), count(status.Files), count(status.DeadLetters))
	return nil
}

// extract makes one pass. A running service follows its sources anyway: then the pass is to wait until it is caught up.
func extract(ctx context.Context, e *env, cfg config.Loaded, log zerolog.Logger, backfill bool) (ingest.Status, error) {
	service, err := live(ctx, cfg)
	if err == nil {
		defer service.Close()
		if service.info.PID != 0 { // it runs on this DATA_DIR, so its sources are ours
			if backfill {
				return ingest.Status{}, usagef("a service runs on this DATA_DIR and holds its lane: stop it to read everything again")
			}
			return awaitSources(ctx, e, service)
		}
	} else if !errors.Is(err, errNoService) {
		return ingest.Status{}, err
	}
	folders, err := sourceFolders(cfg, false)
	if err != nil {
		return ingest.Status{}, err
	}
	s := newService(cfg, roles{command: "extract", ingest: true}, log)
	progress := newBar(e.stderr, "extracting")
	defer progress.finish()
	err = s.lifetime(ctx, serviceOptions{folders: folders, once: true, backfill: backfill}, func(ctx context.Context) error {
		return poll(ctx, 100*time.Millisecond, func(context.Context) (bool, error) {
			status := s.ingest.Status()
			progress.set(status.Bytes, status.Bytes+status.LagBytes)
			return status.State == ingest.StateDone, nil
		})
	})
	if err != nil {
		return ingest.Status{}, err
	}
	return s.ingest.Status(), nil
}

// awaitSources waits until the running service has published what its sources held.
func awaitSources(ctx context.Context, e *env, service *client) (ingest.Status, error) {
	var last ingest.Status
	err := poll(ctx, 200*time.Millisecond, func(ctx context.Context) (bool, error) {
		status, err := ask[statusReport](ctx, service, "status", struct{}{})
		if err != nil {
			return false, err
		}
		if status.Source == nil {
			return false, usagef("the running service (%s) has no sources", status.Command)
		}
		last = *status.Source
		return last.CaughtUp, nil
	})
	return last, err
}

// poll looks again and again until done, an error, or the end of ctx.
func poll(ctx context.Context, every time.Duration, done func(context.Context) (bool, error)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		ok, err := done(ctx)
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
