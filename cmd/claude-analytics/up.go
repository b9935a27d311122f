package main

import (
	"context"
	"errors"
	"path/filepath"
)

// upCmd runs everything in one process.
type upCmd struct {
	sourceFlags
	Takeover  bool   `help:"Take the lane from another writer at once."`
	UntilIdle bool   `help:"Stop with exit code 0 when every source is caught up, all is applied and the marts are fresh."`
	Demo      int    `help:"Generate this many sessions first and follow them; keeps writing new ones while it runs." placeholder:"N"`
	Seed      uint64 `help:"Seed of the generated sessions." default:"1"`
}

// Help shows the common ways to start it.
func (upCmd) Help() string {
	return "Follows ~/.claude/projects with NATS and DuckDB embedded; data is kept in ./data.\n\n" +
		"  claude-analytics up                                    your own conversations\n" +
		"  claude-analytics up --transcripts DIR --until-idle     one pass over a folder, then stop\n" +
		"  claude-analytics up --mongo-uri mongodb://db/?replicaSet=rs0   a collection, and every change to it\n" +
		"  claude-analytics up --demo 200                         generated conversations\n" +
		"  NATS_URL=nats://bus:4222 claude-analytics up           the same on an external bus"
}

// Run runs the service until it is told to stop.
func (c *upCmd) Run(ctx context.Context, e *env) error {
	cfg, log, err := e.start(c.settings())
	if err != nil {
		return err
	}
	var chosen sources
	if c.Demo == 0 {
		if chosen, err = chooseSources(cfg); err == nil && c.UntilIdle {
			err = chosen.present()
		}
		if err != nil {
			return err
		}
	} else {
		dir := filepath.Join(cfg.DataDir, "demo-transcripts", "projects")
		if err := writeDemo(ctx, e, dir, c.Demo, c.Seed); err != nil {
			return err
		}
		chosen.folders = []string{dir}
	}
	s := newService(cfg, roles{command: "up", ingest: true, sink: true, modeler: true, http: true}, log)
	return s.lifetime(ctx, serviceOptions{sources: chosen, takeover: c.Takeover}, func(ctx context.Context) error {
		progress := newBar(e.stderr, "applying")
		look := func() { s.show(progress) }
		if c.Demo == 0 && !c.UntilIdle {
			// Only looks: a service that follows must neither flush nor refresh out of turn.
			_ = watching(ctx, look, s.caughtUpOnce)
			progress.finish()
			<-ctx.Done()
			return nil
		}
		err := s.settled(ctx, look)
		progress.finish()
		if err == nil {
			err = s.printSummary(ctx, e)
		}
		if err != nil || c.UntilIdle {
			return err
		}
		e.printf("\nNew lines are written as you look. Stop with Ctrl-C.\n")
		return liveDemo(ctx, chosen.folders[0], c.Seed)
	})
}

// lifetime opens, runs and closes the service.
func (s *service) lifetime(ctx context.Context, opt serviceOptions, until func(context.Context) error) error {
	err := s.open(ctx, opt)
	if err == nil {
		err = s.run(ctx, until)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // told to stop while it was still starting
	}
	return errors.Join(err, s.close())
}

// ingestCmd runs the sources alone.
type ingestCmd struct {
	sourceFlags
	Takeover bool `help:"Take the lane from another writer at once."`
}

// Run runs the sources until told to stop.
func (c *ingestCmd) Run(ctx context.Context, e *env) error {
	cfg, log, err := e.start(c.settings())
	if err != nil {
		return err
	}
	if cfg.NATSURL == "" {
		return usagef("ingest publishes to an external NATS: set NATS_URL or --nats-url (or use `up`, which embeds one)")
	}
	chosen, err := chooseSources(cfg)
	if err != nil {
		return err
	}
	s := newService(cfg, roles{command: "ingest", ingest: true, http: true}, log)
	return s.lifetime(ctx, serviceOptions{sources: chosen, takeover: c.Takeover}, nil)
}

// warehouseCmd runs sink, modeler and dashboard.
type warehouseCmd struct{}

// Run runs the warehouse until told to stop.
func (c *warehouseCmd) Run(ctx context.Context, e *env) error {
	cfg, log, err := e.start(nil)
	if err != nil {
		return err
	}
	if cfg.NATSURL == "" {
		return usagef("warehouse reads from an external NATS: set NATS_URL or --nats-url (or use `up`, which embeds one)")
	}
	s := newService(cfg, roles{command: "warehouse", sink: true, modeler: true, http: true}, log)
	return s.lifetime(ctx, serviceOptions{}, nil)
}
