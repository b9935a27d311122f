package main

import (
	"context"
	"errors"

	"github.com/rs/zerolog"

	"claude-analytics/internal/config"
	"claude-analytics/internal/stream"
)

// deployCmd makes streams and consumers what this release needs.
type deployCmd struct {
	Check bool `help:"Only compare; exit code 3 if something differs."`
	JSON  bool `help:"For programs."`
}

// Run prints what was changed, or would be.
func (c *deployCmd) Run(ctx context.Context, e *env) error {
	cfg, log, err := e.startOnce(nil)
	if err != nil {
		return err
	}
	if cfg.NATSURL == "" {
		return usagef("deploy works on an external NATS: set NATS_URL or --nats-url (the embedded one is set up by `up`)")
	}
	differences, err := deployTo(ctx, cfg, log, c.Check)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := writeJSON(e.stdout, differences); err != nil {
			return err
		}
	} else if len(differences) == 0 {
		e.println("nothing to change")
	}
	for _, d := range differences {
		if !c.JSON {
			e.println(d)
		}
	}
	if c.Check && len(differences) > 0 {
		return errCheckFailed
	}
	return nil
}

// deployTo compares the streams of the configured NATS with what they should be, and mends them unless checkOnly.
func deployTo(ctx context.Context, cfg config.Loaded, log zerolog.Logger, checkOnly bool) (differences []stream.Difference, err error) {
	conn := stream.New(stream.Config{URL: cfg.NATSURL, Creds: cfg.NATSCreds, ConnectWait: dialWait, LeaveStreams: true}, log)
	if err := conn.Open(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	return conn.Deploy(ctx, checkOnly)
}
