package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"claude-analytics/internal/config"
)

// upCmd runs everything in one process.
type upCmd struct {
	Transcripts []string `help:"Transcript folder to follow (TRANSCRIPTS_DIR); repeatable, NAME=DIR names it in the lane." placeholder:"DIR"`
	MongoURI    string   `name:"mongo-uri" help:"MongoDB replica set to follow (MONGO_URI)." placeholder:"URI"`
	Source      string   `help:"Name of the lane (default: the host's name)." placeholder:"NAME"`
	Takeover    bool     `help:"Take the lane from another writer at once."`
	UntilIdle   bool     `help:"Stop with exit code 0 when every source is caught up, all is applied and the marts are fresh."`
	Demo        int      `help:"Generate this many sessions first and follow them; keeps writing new ones while it runs." placeholder:"N"`
	Seed        uint64   `help:"Seed of the generated sessions." default:"1"`
}

// Help shows the common ways to start it.
func (upCmd) Help() string {
	return "Follows ~/.claude/projects with NATS and DuckDB embedded; data is kept in ./data.\n\n" +
		"  claude-analytics up                                    your own conversations\n" +
		"  claude-analytics up --transcripts DIR --until-idle     one pass over a folder, then stop\n" +
		"  claude-analytics up --demo 200                         generated conversations\n" +
		"  NATS_URL=nats://bus:4222 claude-analytics up           the same on an external bus"
}

// Run runs the service until it is told to stop.
func (c *upCmd) Run(ctx context.Context, e *env) error {
	cfg, log, err := e.start(map[string]string{
		"TRANSCRIPTS_DIR": transcriptFlags(c.Transcripts), "MONGO_URI": c.MongoURI, "SOURCE_NAME": c.Source,
	})
	if err != nil {
		return err
	}
	folders, err := sourceFolders(cfg, c.Demo > 0)
	if err != nil {
		return err
	}
	if c.Demo > 0 {
		dir := filepath.Join(cfg.DataDir, "demo-transcripts", "projects")
		if err := writeDemo(ctx, e, dir, c.Demo, c.Seed); err != nil {
			return err
		}
		folders = []string{dir}
	}
	s := newService(cfg, roles{command: "up", ingest: true, sink: true, modeler: true, http: true}, log)
	return s.lifetime(ctx, serviceOptions{folders: folders, takeover: c.Takeover}, func(ctx context.Context) error {
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
		return liveDemo(ctx, folders[0], c.Seed)
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

// sourceFolders decides what is followed: what was set explicitly, else the transcript folder if it exists.
func sourceFolders(cfg config.Loaded, demo bool) ([]string, error) {
	if demo {
		return nil, nil
	}
	if cfg.Set("TRANSCRIPTS_DIR") {
		return cfg.TranscriptsDir, nil
	}
	if cfg.Set("MONGO_URI") {
		return nil, usagef("MONGO_URI is set, but this release follows transcript folders only; unset it or set TRANSCRIPTS_DIR")
	}
	for _, dir := range cfg.TranscriptsDir {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return cfg.TranscriptsDir, nil
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("look at the transcript folder: %w", err)
		}
	}
	return nil, usagef("there is nothing to follow: %s does not exist. Name a folder with --transcripts DIR (or TRANSCRIPTS_DIR), or try `claude-analytics up --demo 200`",
		cfg.TranscriptsDir[0])
}

// ingestCmd runs the sources alone.
type ingestCmd struct {
	Transcripts []string `help:"Transcript folder to follow (TRANSCRIPTS_DIR); repeatable." placeholder:"DIR"`
	Source      string   `help:"Name of the lane (default: the host's name)." placeholder:"NAME"`
	Takeover    bool     `help:"Take the lane from another writer at once."`
}

// Run runs the sources until told to stop.
func (c *ingestCmd) Run(ctx context.Context, e *env) error {
	cfg, log, err := e.start(map[string]string{"TRANSCRIPTS_DIR": transcriptFlags(c.Transcripts), "SOURCE_NAME": c.Source})
	if err != nil {
		return err
	}
	if cfg.NATSURL == "" {
		return usagef("ingest publishes to an external NATS: set NATS_URL or --nats-url (or use `up`, which embeds one)")
	}
	folders, err := sourceFolders(cfg, false)
	if err != nil {
		return err
	}
	s := newService(cfg, roles{command: "ingest", ingest: true, http: true}, log)
	return s.lifetime(ctx, serviceOptions{folders: folders, takeover: c.Takeover}, nil)
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
