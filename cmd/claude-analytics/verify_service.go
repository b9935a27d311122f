package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"claude-analytics/verify"
)

const (
	// verifyEvery is how often a service verifies by itself, verifyLater after how long it tries again where it is busy.
	verifyEvery = time.Hour
	verifyLater = 5 * time.Minute
	// settleWait is how long a verification waits for what is on its way before it looks at what differs once more.
	settleWait = 10 * time.Second
)

// errVerifying is of a second verification beside one that runs.
var errVerifying = errors.New("a verification is under way: see `claude-analytics status`")

// verifications are a service's: one at a time, the newest kept in short.
type verifications struct {
	metrics *verify.Metrics
	turn    sync.Mutex

	mu       sync.Mutex
	last     *verify.Summary
	progress verifyProgress
}

// verifyProgress is how far the verification under way has come.
type verifyProgress struct {
	Running bool   `json:"running"`
	What    string `json:"what,omitempty"`
	Done    int64  `json:"done,omitempty"`
	Of      int64  `json:"of,omitempty"`
}

// verifyStatus is what status says of verifications.
type verifyStatus struct {
	Last     *verify.Summary `json:"last,omitempty"`
	Progress verifyProgress  `json:"progress"`
}

func (v *verifications) status() *verifyStatus {
	v.mu.Lock()
	defer v.mu.Unlock()
	return &verifyStatus{Last: v.last, Progress: v.progress}
}

func (v *verifications) see(p verifyProgress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.progress = p
}

// printVerifyStatus is the newest verification, and the one under way, in a line each.
func printVerifyStatus(line func(name, format string, args ...any), v *verifyStatus) {
	if v == nil {
		return
	}
	if p := v.Progress; p.Running {
		line("verify", "under way: %s, %s of %s", p.What, count(p.Done), count(p.Of))
	}
	switch last := v.Last; {
	case last == nil:
		line("verify", "not yet; `claude-analytics verify` does it now, the service does it hourly")
	case last.Outcome == verify.OutcomeClean:
		line("verify", "nothing differed %s", ago(last.Finished))
	default:
		line("verify", "%s %s: %s differences %v %s", last.Outcome, ago(last.Finished), count(last.Differences), last.Kinds, last.Error)
	}
}

// recallVerification reads the newest verification of an earlier process.
func (s *service) recallVerification(ctx context.Context) {
	last, found, err := verify.Last(ctx, s.db)
	if err != nil {
		s.log.Warn().Err(err).Msg("the last verification is not known")
	}
	if found {
		s.verifications.mu.Lock()
		s.verifications.last = &last
		s.verifications.mu.Unlock()
	}
}

// verify runs one verification beside everything else, and keeps its outcome.
func (s *service) verify(ctx context.Context, request verifyRequest) (verify.Report, error) {
	v := &s.verifications
	if !v.turn.TryLock() {
		return verify.Report{}, errVerifying
	}
	defer v.turn.Unlock()
	v.see(verifyProgress{Running: true})
	defer v.see(verifyProgress{})
	verifier := s.newVerification(s.surveys, s.noSource(), "", func(what string, done, of int64) {
		v.see(verifyProgress{Running: true, What: what, Done: done, Of: of})
	})
	report, err := verifier.run(ctx, request)
	if ctx.Err() != nil {
		return report, ctx.Err()
	}
	return report, errors.Join(err, s.keepVerification(ctx, report, err))
}

// keepVerification writes down what a verification found; failure is what kept it from looking.
func (s *service) keepVerification(ctx context.Context, report verify.Report, failure error) error {
	summary := verify.Summarize(report, failure)
	s.verifications.mu.Lock()
	s.verifications.last = &summary
	s.verifications.mu.Unlock()
	if s.verifications.metrics != nil {
		s.verifications.metrics.Observe(report, summary)
	}
	if summary.Outcome != verify.OutcomeClean {
		s.log.Warn().Str("outcome", summary.Outcome).Any("kinds", summary.Kinds).Strs("repair", summary.Repairs).Str("error", summary.Error).
			Msg("the verification found something: see `claude-analytics verify`")
	}
	return verify.Record(ctx, s.db, summary)
}

// noSource says why a service has no source to compare.
func (s *service) noSource() string {
	if len(s.surveys) > 0 {
		return ""
	}
	return "the running service reads no source itself: verify where `claude-analytics ingest` runs"
}

// verifyHourly verifies in the cheap form while the service is not busy.
func (s *service) verifyHourly(ctx context.Context) error {
	wait := verifyEvery
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = verifyEvery
		if s.behind() {
			wait = verifyLater
			continue
		}
		if _, err := s.verify(ctx, verifyRequest{}); err != nil && ctx.Err() == nil && !errors.Is(err, errVerifying) {
			s.log.Warn().Err(err).Msg("could not verify; trying again in an hour")
		}
	}
}

// settle waits, not for ever, until what is there now has been published and applied.
func (s *service) settle(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	// Without a pause, a collection that was read a moment ago would count as caught up still.
	select {
	case <-waiting.Done():
	case <-time.After(time.Second):
	}
	_ = s.caughtUpOnce(waiting) // busy for longer than that: then the next look tells
	return ctx.Err()
}

// verifyLive asks the running service, and shows how far it is.
func verifyLive(ctx context.Context, e *env, service *client, request verifyRequest) (report verify.Report, err error) {
	progress := newBar(e.stderr, "verifying")
	defer progress.finish()
	err = watching(ctx, func() {
		if status, err := ask[statusReport](ctx, service, "status", struct{}{}); err == nil && status.Verify != nil {
			progress.set(status.Verify.Progress.Done, max(status.Verify.Progress.Done, status.Verify.Progress.Of))
		}
	}, func(ctx context.Context) (err error) {
		report, err = ask[verify.Report](ctx, service, "verify", request)
		return err
	})
	return report, err
}
