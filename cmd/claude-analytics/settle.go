package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"claude-analytics/internal/mask"
	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
)

// settled waits until everything that was on disk has been published, applied, landed and modelled. look is called now
// and then meanwhile.
func (s *service) settled(ctx context.Context, look func()) error {
	return watching(ctx, look, func(ctx context.Context) error {
		return poll(ctx, 50*time.Millisecond, func(ctx context.Context) (bool, error) {
			done, err := s.isSettled(ctx)
			if err != nil && ctx.Err() == nil {
				// A part that fails retries by itself; here it only means: not yet.
				s.log.Debug().Err(err).Msg("not settled yet")
			}
			return done && err == nil, nil
		})
	})
}

// isSettled follows the data path; sources are asked again at the end, since they may have gone on meanwhile.
func (s *service) isSettled(ctx context.Context) (bool, error) {
	if !s.lanes.caughtUp() {
		return false, nil
	}
	if err := s.sink.Drain(ctx); err != nil {
		return false, err
	}
	before := s.sink.Status().Warehouse.Seen
	if _, err := s.modeler.Refresh(ctx, modeler.Options{}); err != nil {
		return false, err
	}
	return s.lanes.caughtUp() && s.sink.Status().Warehouse.Seen == before, nil
}

// caughtUpOnce waits until what was there at the start has been published and applied. It changes nothing.
func (s *service) caughtUpOnce(ctx context.Context) error {
	return poll(ctx, 100*time.Millisecond, func(context.Context) (bool, error) {
		return s.lanes.caughtUp() && s.sink.Status().Warehouse.Lag == 0, nil
	})
}

// watching calls look now and then until work has returned.
func watching(ctx context.Context, look func(), work func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		_ = poll(ctx, 100*time.Millisecond, func(context.Context) (bool, error) {
			look()
			return false, nil
		})
	})
	defer watcher.Wait()
	defer stop()
	return work(ctx)
}

// show moves a bar by what has been applied, of what is known to be there.
func (s *service) show(progress *bar) {
	source := sum(s.lanes.status())
	if source.Documents > 0 {
		progress.set(int64(s.sink.Status().Warehouse.Rows), source.Documents+source.Left)
	}
}

const summarySQL = `SELECT
	(SELECT count(*) FROM marts.dim_sessions)::BIGINT,
	(SELECT count(*) FROM marts.dim_projects)::BIGINT,
	(SELECT count(*) FROM marts.fct_messages)::BIGINT,
	(SELECT count(*) FROM marts.fct_tool_calls)::BIGINT,
	(SELECT coalesce(sum(input_tokens + output_tokens + cache_creation_tokens + cache_read_tokens), 0) FROM marts.fct_api_requests)::BIGINT,
	(SELECT coalesce(sum(cost_usd), 0)::VARCHAR FROM marts.fct_api_requests),
	(SELECT count(*) FROM raw.conversations)::BIGINT`

// printSummary shows what is in the marts, and how fast it came there.
func (s *service) printSummary(ctx context.Context, e *env) error {
	var sessions, projects, messages, calls, tokens, documents int64
	var cost string
	err := s.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		return tx.QueryRow(ctx, summarySQL).Scan(&sessions, &projects, &messages, &calls, &tokens, &cost, &documents)
	})
	if err != nil {
		return fmt.Errorf("sum up: %w", err)
	}
	held, err := s.conn.State(ctx)
	if err != nil {
		return fmt.Errorf("sum up: %w", err)
	}
	sunk, models := s.sink.Status(), s.modeler.Status()
	t := table{head: []string{"", ""}, right: map[int]bool{1: true}}
	t.add("sessions", count(sessions))
	t.add("projects", count(projects))
	t.add("messages", count(messages))
	t.add("tool calls", count(calls))
	t.add("tokens", count(tokens))
	t.add("API-equivalent cost, US$", dollars(cost))
	t.add("documents", count(documents))
	t.add("dead letters", count(held.DeadLetters))
	if took := s.took(); took > 0 && sunk.Warehouse.Rows > 0 {
		t.add("documents/s, source to marts", count(int64(float64(sunk.Warehouse.Rows)/took.Seconds())))
	}
	if last := models.Last; last != nil && !models.Newest.IsZero() {
		t.add("freshness of the last refresh", last.Finished.Sub(models.Newest).Round(time.Millisecond).String())
	}
	e.println()
	t.write(e.stdout)
	e.printf("\n  health  %s/api/health\n  nats    %s\n  query   claude-analytics query --data-dir %s \"FROM marts.dim_tools\"\n", s.http.URL(), mask.URLs(s.conn.URL()), s.cfg.DataDir)
	return nil
}

// took is how long it took from the start to the newest refresh.
func (s *service) took() time.Duration {
	if last := s.modeler.Status().Last; last != nil {
		return last.Finished.Sub(s.started)
	}
	return 0
}
