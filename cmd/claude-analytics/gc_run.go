package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"claude-analytics/ingest"
	"claude-analytics/internal/stream"
	"claude-analytics/modeler"
	"claude-analytics/sink"
)

// answerGC answers a request to claude-analytics.gc.
func (s *service) answerGC(ctx context.Context, request gcRequest) (gcReport, error) {
	if request.Progress {
		at := s.gc.phase()
		return gcReport{Phase: &at}, nil
	}
	if _, err := request.check(); err != nil {
		return gcReport{}, err
	}
	report, err := s.collect(ctx, request)
	report.Mode = "live"
	return report, err
}

// collect does what was asked for, one request at a time.
func (s *service) collect(ctx context.Context, request gcRequest) (report gcReport, err error) {
	s.gc.turns.Lock()
	defer s.gc.turns.Unlock()
	defer s.gc.set(sink.ErasePhase{})
	began := time.Now()
	report.DryRun = request.DryRun
	switch {
	case request.Erase:
		err = s.erase(ctx, request, &report)
	case request.OlderThan != "":
		err = s.retain(ctx, request, &report)
	default:
		err = s.tidy(ctx, request.DryRun, &report)
	}
	report.Seconds = time.Since(began).Seconds()
	return report, err
}

// tidy is what the service does hourly: the stream's retention, then compaction of the lake.
func (s *service) tidy(ctx context.Context, dry bool, report *gcReport) error {
	if dry {
		report.note("a dry run shows nothing here: what is swept is in the lake, and a compaction changes nothing that readers see")
		return nil
	}
	purged, err := s.conn.Sweep(ctx, stream.SweepConfig{
		MaxAge: time.Duration(s.cfg.StreamMaxAge), MaxBytes: uint64(s.cfg.StreamMaxBytes), DurableBelow: s.sink.DurableBelow(),
	})
	if err != nil {
		return err
	}
	report.Swept = purged
	state, err := s.conn.State(ctx)
	if err != nil {
		return err
	}
	done, err := s.sink.Compact(ctx, sink.CompactOptions{
		Today: time.Now(), Floor: max(state.PurgeFloor, state.FirstSeq), Progress: s.gc.set,
	})
	report.Compacted = &done
	if done.More {
		report.note("more dates are left: the next run goes on")
	}
	return err
}

// retain removes the dates older than the age from lake, warehouse and marts.
func (s *service) retain(ctx context.Context, request gcRequest, report *gcReport) error {
	age, err := request.check()
	if err != nil {
		return err
	}
	done, err := s.sink.Retain(ctx, time.Now().Add(-age), request.DryRun, s.gc.set)
	report.Retained = &done
	if err != nil || request.DryRun {
		return err
	}
	if _, err := s.modeler.Forget(ctx, nil); err != nil {
		return err
	}
	report.note("the warehouse's file keeps its size; new rows fill what became free")
	return nil
}

// erase removes a subject for good. Its order is from the front of the data path to its back, and the record of it is
// complete only at the end: interrupted anywhere, the same command does the rest.
func (s *service) erase(ctx context.Context, request gcRequest, report *gcReport) error {
	subject := request.subject()
	gone, err := ingest.NewIdentity(s.cfg.IdentityPath()).FileGone()
	if err != nil {
		return err
	}
	done, err := s.sink.Erase(ctx, subject, sink.EraseOptions{FileGone: gone, Progress: s.gc.set, DryRun: request.DryRun})
	report.Erased = &done
	if err != nil {
		return err
	}
	if done.KeptPositions > 0 {
		report.note(fmt.Sprintf("%d positions in the stream name files of it that are still at the source, or on another machine: "+
			"delete the files there, then run this again", done.KeptPositions))
	}
	report.note("what the source still holds comes back when it is read again; lines that are still written arrive as new documents")
	if request.DryRun {
		return nil
	}
	var names []string
	if subject.Text() != "" {
		names = []string{subject.Text()}
	}
	s.gc.set(sink.ErasePhase{Name: "marts"})
	if _, err := s.modeler.Refresh(ctx, modeler.Options{}); err != nil {
		return err
	}
	if report.Forgotten, err = s.modeler.Forget(ctx, names); err != nil {
		return err
	}
	s.gc.set(sink.ErasePhase{Name: "warehouse: rewriting the file"})
	rewritten, err := s.db.Rewrite(ctx)
	if err != nil {
		return err
	}
	report.Warehouse = &rewritten
	if report.Files, err = removeCopies(s.cfg.Config); err != nil {
		return err
	}
	if s.copies != nil {
		s.copies.Anew()
	}
	if done.Record == nil {
		return errors.New("the erasure has no record")
	}
	return s.sink.FinishErasure(ctx, *done.Record)
}
