package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/ingest"
	"claude-analytics/internal/config"
)

// extractCmd is one pass over the sources.
type extractCmd struct {
	sourceFlags
	FullBackfill bool   `help:"Read everything again, whatever the positions say; what is there already stays as it is."`
	Since        string `help:"Read what happened since then again, by the document's own time." placeholder:"DATE"`
	Until        string `help:"Read what happened up to then again: the whole day of a date." placeholder:"DATE"`
	Project      string `help:"Read only this project again, by its id." placeholder:"ID"`
	JSON         bool   `help:"For programs."`
}

// Help says what reading again does.
func (extractCmd) Help() string {
	return "Publishes what is new in the sources and stops.\n\n" +
		"  claude-analytics extract                                        what is new\n" +
		"  claude-analytics extract --full-backfill                        everything; MongoDB: what is gone there goes here too\n" +
		"  claude-analytics extract --since 2026-11-01 --until 2026-11-07  these days again, and what is new\n" +
		"  claude-analytics extract --project -home-me-app                 one project again, and what is new\n\n" +
		"The sources are only read. DATE is a date (UTC) or a moment such as 2026-11-01T12:00:00Z."
}

// Run reads the sources once.
func (c *extractCmd) Run(ctx context.Context, e *env) error {
	cfg, log, err := e.startOnce(c.settings())
	if err != nil {
		return err
	}
	part, err := c.reread()
	if err != nil {
		return err
	}
	status, err := extract(ctx, e, cfg, log, serviceOptions{backfill: c.FullBackfill, reread: part})
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(e.stdout, status)
	}
	for _, lane := range status {
		e.printf("%s\n", sourceLine(lane))
	}
	all := sum(status)
	e.printf("%s objects published (%s bytes); %s dead letters\n", count(all.Documents), count(all.Bytes), count(all.DeadLetters))
	return nil
}

// reread is the part that the flags name; nil if they name none.
func (c *extractCmd) reread() (*ingest.Reread, error) {
	if c.Since == "" && c.Until == "" && c.Project == "" {
		return nil, nil
	}
	if c.FullBackfill {
		return nil, usagef("--full-backfill reads everything again: leave out --since, --until and --project")
	}
	part := &ingest.Reread{Project: c.Project}
	var err error
	if part.Since, err = parseMoment("--since", c.Since, 0); err != nil {
		return nil, err
	}
	if part.Until, err = parseMoment("--until", c.Until, 24*time.Hour); err != nil {
		return nil, err
	}
	if !part.Until.IsZero() && !part.Since.Before(part.Until) {
		return nil, usagef("--since %s is not before --until %s", c.Since, c.Until)
	}
	return part, nil
}

// parseMoment reads a date, to which day is added, or a moment.
func parseMoment(flag, text string, day time.Duration) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return at.Add(day), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, usagef("%s %q is neither a date such as 2026-11-01 nor a moment such as 2026-11-01T12:00:00Z", flag, text)
	}
	return at, nil
}

// extract makes one pass. A running service follows its sources anyway: then the pass is to wait until it is caught up.
func extract(ctx context.Context, e *env, cfg config.Loaded, log zerolog.Logger, opt serviceOptions) ([]ingest.Status, error) {
	service, err := live(ctx, cfg)
	if err == nil {
		defer service.Close()
		if service.info.PID != 0 { // it runs on this DATA_DIR, so its sources are ours
			if opt.backfill || opt.reread != nil {
				return nil, usagef("a service runs on this DATA_DIR and holds its lane: stop it to read anything again")
			}
			return awaitSources(ctx, e, service)
		}
	} else if !errors.Is(err, errNoService) {
		return nil, err
	}
	if opt.sources, err = chooseSources(cfg); err == nil {
		err = opt.sources.present()
	}
	if err != nil {
		return nil, err
	}
	opt.once = true
	s := newService(cfg, roles{command: "extract", ingest: true}, log)
	progress := newBar(e.stderr, "extracting")
	defer progress.finish()
	err = s.lifetime(ctx, opt, func(ctx context.Context) error {
		return poll(ctx, 50*time.Millisecond, func(context.Context) (bool, error) {
			status := s.lanes.status()
			all := sum(status)
			progress.set(all.Documents, all.Documents+all.Left)
			for _, lane := range status {
				if lane.State != ingest.StateDone {
					return false, nil
				}
			}
			return true, nil
		})
	})
	if err != nil {
		return nil, err
	}
	return s.lanes.status(), nil
}

// awaitSources waits until the running service has published what its sources held.
func awaitSources(ctx context.Context, e *env, service *client) ([]ingest.Status, error) {
	var last []ingest.Status
	began := time.Now()
	err := poll(ctx, 200*time.Millisecond, func(ctx context.Context) (bool, error) {
		status, err := ask[statusReport](ctx, service, "status", struct{}{})
		if err != nil {
			return false, err
		}
		if len(status.Sources) == 0 {
			return false, usagef("the running service (%s) has no sources", status.Command)
		}
		last = status.Sources
		for _, lane := range last {
			if lane.State == ingest.StateRetrying {
				return false, fmt.Errorf("lane %s: %s", lane.Lane, lane.Detail)
			}
			// A collection's lane says of which moment it is true.
			if !lane.CaughtUp || lane.Collection != nil && lane.Collection.CaughtUpAt.Before(began) {
				return false, nil
			}
		}
		return true, nil
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
