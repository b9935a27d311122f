package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/internal/config"
	"claude-analytics/sink"
	"claude-analytics/sink/bronze"
)

// loadCmd brings lake and warehouse up to the stream.
type loadCmd struct {
	Glob        string `arg:"" optional:"" help:"Only these Parquet files of a lake, into the warehouse."`
	FullRefresh bool   `help:"Empty bronze and rebuild it from the lake, then go on from the stream."`
	RepairLake  bool   `help:"Make the lake whole again: manifest from files, files from the stream, else from the warehouse (STORE_RAW)."`
	AcceptLoss  bool   `help:"With --repair-lake: record what nobody holds any more as a gap, so that it is no longer told."`
	LeaveOut    bool   `help:"With --full-refresh: replace the warehouse even if files of the lake cannot be read; their rows will be missing."`
	Stats       bool   `help:"Only show rows, date range, by type and project."`
	InitOnly    bool   `help:"Only create the warehouse's tables."`
	JSON        bool   `help:"For programs."`
}

// loadAnswer is what a load did.
type loadAnswer struct {
	Mode string      `json:"mode"` // live or offline
	Sink sink.Status `json:"sink"`
	// Repair is what --repair-lake did.
	Repair *sink.LakeRepair  `json:"repair,omitempty"`
	Stats  bronze.TableStats `json:"stats"`
}

// Run loads.
func (c *loadCmd) Run(ctx context.Context, e *env) error {
	if c.AcceptLoss && !c.RepairLake {
		return usagef("--accept-loss goes with --repair-lake, which finds out what is lost")
	}
	cfg, log, err := e.startOnce(nil)
	if err != nil {
		return err
	}
	answer, err := c.load(ctx, e, cfg, log)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(e.stdout, answer)
	}
	printRepair(e, answer.Repair)
	printStats(e, answer.Stats)
	return nil
}

func (c *loadCmd) load(ctx context.Context, e *env, cfg config.Loaded, log zerolog.Logger) (answer loadAnswer, err error) {
	service, err := live(ctx, cfg)
	switch {
	case err == nil:
		defer service.Close()
		if c.FullRefresh || c.RepairLake || c.Glob != "" {
			return answer, usagef("the running service (pid %d) owns the warehouse: stop it, then run this again", service.info.PID)
		}
		return c.loadLive(ctx, service)
	case !errors.Is(err, errNoService):
		return answer, err
	}
	needStream := !c.Stats && !c.InitOnly && c.Glob == ""
	if needStream && cfg.NATSURL == "" {
		if _, err := os.Stat(cfg.StreamDir()); err != nil && !c.FullRefresh {
			return answer, usagef("there is no stream in %s: run `claude-analytics extract` or `up` first, or set NATS_URL", cfg.DataDir)
		}
	}
	s := newService(cfg, roles{command: "load", sink: true}, log)
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx, serviceOptions{}); err != nil {
		return answer, err
	}
	progress := newBar(e.stderr, "loading")
	defer progress.finish()
	answer.Mode = "offline"
	show := func(p sink.RebuildProgress) { progress.set(p.Rows, p.Total) }
	if c.RepairLake {
		repaired, err := s.sink.RepairLake(ctx, c.AcceptLoss, func(done, of int) { progress.set(int64(done), int64(of)) })
		if err != nil {
			return answer, err
		}
		answer.Repair = &repaired
	}
	if c.FullRefresh {
		if !c.LeaveOut {
			if err := s.sink.LakeWhole(ctx); err != nil {
				return answer, partialRefused(err)
			}
		}
		if err := s.sink.Rebuild(ctx, show); err != nil {
			if ctx.Err() != nil {
				fmt.Fprintln(e.stderr, "the rebuild was interrupted: `claude-analytics load` goes on with it")
			} else if files := s.sink.Status().LeftOut; files > 0 {
				err = fmt.Errorf("%w\n%s: %s", err, leftOutText(files), leftOutRemedy)
			}
			return answer, err
		}
	}
	if c.Glob != "" {
		files, err := filepath.Abs(c.Glob)
		if err != nil {
			return answer, usagef("find %s: %w", c.Glob, err)
		}
		if _, err := s.sink.LoadFiles(ctx, files, show); err != nil {
			return answer, err
		}
	}
	if needStream {
		if err := s.drain(ctx, progress); err != nil {
			return answer, err
		}
	}
	answer.Sink = s.sink.Status()
	answer.Stats, err = s.sink.Bronze().Stats(ctx)
	return answer, err
}

// partialRefused says what to do before a rebuild that would lose rows.
func partialRefused(err error) error {
	if !errors.Is(err, sink.ErrLakePartial) {
		return err
	}
	return fmt.Errorf("%w: the warehouse is left as it is. Make the lake whole first, `claude-analytics load --repair-lake`, then run this again; "+
		"or let the rows be missing, with --leave-out", err)
}

// leftOutRemedy is what brings back rows that a rebuild could not read.
const leftOutRemedy = "claude-analytics load --repair-lake --full-refresh, then claude-analytics transform"

// leftOutText tells of rows that the last rebuild could not read.
func leftOutText(files int64) string {
	return fmt.Sprintf("the last rebuild of the warehouse left out %s files of the lake that it could not read: their rows are missing", count(files))
}

// printRepair says what was repaired, and what cannot be.
func printRepair(e *env, repaired *sink.LakeRepair) {
	if repaired == nil {
		return
	}
	e.printf("%s\n", repaired)
	for _, lost := range repaired.Lost {
		e.printf("lost: %s rows of %s, messages %d to %d of epoch %d: neither stream nor warehouse holds them\n",
			count(lost.Rows), lost.File, lost.First, lost.Last, lost.Epoch)
	}
	switch {
	case repaired.Accepted:
		e.printf("recorded as gaps; what the source still holds comes back with `claude-analytics extract --full-backfill`\n")
	case len(repaired.Lost) > 0:
		e.printf("restore the files from a backup, or let the source publish again what it holds (`claude-analytics extract --full-backfill`),\n" +
			"then record the loss with `claude-analytics load --repair-lake --accept-loss`\n")
	}
}

// drain runs the sink until both destinations hold what the stream holds.
func (s *service) drain(ctx context.Context, progress *bar) error {
	return s.run(ctx, func(ctx context.Context) error {
		return watching(ctx, func() {
			status := s.sink.Status()
			progress.set(int64(status.Warehouse.Seen), int64(status.Warehouse.Seen)+max(status.Warehouse.Lag, 0))
		}, s.sink.Drain)
	})
}

// loadLive waits until the running service has applied what its stream holds, and asks what it has then; with --stats it does not
// wait.
func (c *loadCmd) loadLive(ctx context.Context, service *client) (answer loadAnswer, err error) {
	answer.Mode = "live"
	err = poll(ctx, 200*time.Millisecond, func(ctx context.Context) (bool, error) {
		status, err := ask[statusReport](ctx, service, "status", struct{}{})
		if err != nil || status.Sink == nil {
			return false, err
		}
		answer.Sink = *status.Sink
		return c.Stats || status.Sink.Warehouse.Lag == 0, nil
	})
	if err == nil {
		answer.Stats, err = ask[bronze.TableStats](ctx, service, "stats", struct{}{})
	}
	return answer, err
}

func printStats(e *env, stats bronze.TableStats) {
	e.printf("raw.conversations: %s rows", count(stats.Rows))
	if stats.Rows > 0 {
		e.printf(", %s to %s", stats.First.Format(time.DateOnly), stats.Last.Format(time.DateOnly))
	}
	e.println()
	for _, group := range []struct {
		title string
		parts []bronze.Count
	}{{"by type", stats.ByType}, {"by project", stats.ByProject}} {
		if len(group.parts) == 0 {
			continue
		}
		t := table{head: []string{group.title, "rows"}, right: map[int]bool{1: true}}
		for _, part := range group.parts {
			t.add(part.Name, count(part.Rows))
		}
		e.println()
		t.write(e.stdout)
	}
}
