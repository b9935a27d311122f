package modeler

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/rs/zerolog"
)

const (
	firstBackoff = time.Second
	maxBackoff   = 30 * time.Second
)

// schedule decides when to refresh. It knows nothing of models, so that its timing can be tested alone.
type schedule struct {
	debounce, maxWait, behindWait, interval time.Duration
	behind                                  func() bool
	cron                                    cron.Schedule // nil: none
	zone                                    *time.Location

	// refresh is told whether everything is to be rebuilt; more says that a part of the backlog is left.
	refresh func(ctx context.Context, reason Reason, full bool) (more bool, err error)
	// note is told of what is pending and of the next rebuild, for the status.
	note func(pending bool, nextFull time.Time)
}

// Run refreshes until ctx ends: once at the start, then after each value on applied, on the timer and on the cron. A
// refresh that fails is tried again, for ever. Many values on applied in a row count as one.
func (m *Modeler) Run(ctx context.Context, applied <-chan struct{}) error {
	zone, err := time.LoadLocation(m.cfg.ReportTZ)
	if err != nil {
		return fmt.Errorf("REPORT_TZ: %w", err)
	}
	s := schedule{
		debounce: m.cfg.Debounce, maxWait: m.cfg.MaxWait, behindWait: m.cfg.BehindWait, interval: m.cfg.Interval,
		behind: m.cfg.Behind, zone: zone, refresh: m.scheduled, note: m.note,
	}
	if m.cfg.FullRefreshCron != "" {
		if s.cron, err = cron.ParseStandard(m.cfg.FullRefreshCron); err != nil {
			return fmt.Errorf("FULL_REFRESH_CRON: %w", err)
		}
	}
	m.log.Info().Dur("debounce", s.debounce).Dur("interval", s.interval).Str("full_refresh", m.cfg.FullRefreshCron).Msg("started")
	var tester sync.WaitGroup
	tester.Go(func() { m.testWhenDue(ctx) })
	s.run(ctx, applied)
	tester.Wait()
	m.log.Info().Msg("stopped")
	return nil
}

// scheduled is a refresh that nobody waits for: here its error is consumed.
func (m *Modeler) scheduled(ctx context.Context, reason Reason, full bool) (bool, error) {
	result, err := m.refreshOnce(ctx, Options{Reason: reason, Full: full})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		m.log.Error().Err(err).Str("reason", string(reason)).Msg("refresh failed, the marts stay as they were")
	case !result.Nothing():
		level := zerolog.DebugLevel
		if result.Kind == KindFull {
			level = zerolog.InfoLevel
		}
		m.log.WithLevel(level).Int64("id", result.ID).Str("kind", result.Kind).Str("reason", string(reason)).Float64("seconds", result.Seconds).
			Int64("changed_sessions", result.ChangedSessions).Int64("sessions", result.Sessions).Msg("models refreshed")
		for _, rule := range result.Rules {
			if rule.From > 0 {
				m.log.Info().Str("rule", rule.Rule).Int("from", rule.From).Int("to", rule.To).Msg("a rule changed; what follows it was rebuilt")
			}
		}
	}
	return result.More, err
}

func (m *Modeler) note(pending bool, nextFull time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.Pending, m.status.NextFull = pending, nextFull
}

// A change that comes after five times the quiet time comes alone: what a program writes at once has been published together.
// So it is waited for more for a fifth of that time only.
const (
	aloneAfter = 5
	alonePart  = 5
)

// restFactor keeps refreshes below a fifth of the time while there is a backlog: the sink waits for each, and the more
// changes one takes up, the less each change costs.
const restFactor = 4

// restPart keeps the modeler from taking more than four fifths of the time when nothing is behind.
const restPart = 4

// run is the loop. The state is the times of the changes not yet taken up, and when the next refresh may start at all.
func (s *schedule) run(ctx context.Context, applied <-chan struct{}) {
	now := time.Now()
	waiting := changes{first: now, last: now} // what changed while the process was down counts
	reason, full := ReasonStart, false
	var notBefore pause
	var nextTimer, nextCron time.Time
	var backoff time.Duration
	pending := true
	if s.cron != nil {
		nextCron = s.cron.Next(now.In(s.zone))
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		s.note(pending, nextCron)
		timer.Reset(time.Until(s.next(pending, waiting, notBefore, nextTimer, nextCron)))
		select {
		case <-ctx.Done():
			return
		case _, ok := <-applied:
			if !ok {
				applied = nil
				continue
			}
			now = time.Now()
			if pending {
				waiting.last, waiting.alone = now, false
				continue
			}
			waiting = changes{first: now, last: now, alone: now.Sub(waiting.last) >= aloneAfter*s.debounce}
			pending, reason = true, ReasonChange
			continue
		case <-timer.C:
		}
		now = time.Now()
		if !nextCron.IsZero() && !now.Before(nextCron) {
			pending, waiting, full, reason = true, s.longAgo(now), true, ReasonCron
			nextCron = s.cron.Next(now.In(s.zone))
		}
		if !pending && !nextTimer.IsZero() && !now.Before(nextTimer) {
			pending, waiting, reason = true, s.longAgo(now), ReasonTimer
		}
		if !pending || now.Before(s.due(waiting, notBefore)) {
			continue
		}
		began := now
		more, err := s.refresh(ctx, reason, full)
		if ctx.Err() != nil {
			return
		}
		now = time.Now()
		if s.interval > 0 {
			nextTimer = now.Add(s.interval)
		}
		if err != nil {
			backoff = min(max(2*backoff, firstBackoff), maxBackoff)
			notBefore = pause{now.Add(backoff), now.Add(backoff)}
			continue // still pending
		}
		backoff, full = 0, false
		notBefore = pause{}
		if took := now.Sub(began); took > s.maxWait {
			notBefore = pause{now.Add(took / restPart), now.Add(restFactor * took)}
		}
		if pending = more; more {
			waiting = changes{first: now, last: now}
			notBefore.until = now // nothing but the models is behind: there is nothing to wait for
		}
	}
}

// changes are those that no refresh has taken up yet.
type changes struct {
	first, last time.Time
	alone       bool // it is one, after a pause
}

// longAgo is what needs not be waited for any longer.
func (s *schedule) longAgo(now time.Time) changes {
	return changes{first: now.Add(-s.behindWait), last: now.Add(-s.debounce)}
}

// pause is when the next refresh may start at all: at once, or while there is a backlog.
type pause struct{ until, behind time.Time }

// due is when the pending changes are taken up: after a quiet moment, which is short for one that comes alone, but not later
// than maxWait after the first.
func (s *schedule) due(waiting changes, notBefore pause) time.Time {
	quiet := s.debounce
	if waiting.alone {
		quiet /= alonePart
	}
	due, earliest := waiting.last.Add(quiet), notBefore.until
	if latest := waiting.first.Add(s.maxWait); due.After(latest) {
		due = latest
	}
	if s.behind != nil && s.behind() {
		due, earliest = waiting.first.Add(s.behindWait), notBefore.behind
	}
	if due.Before(earliest) {
		due = earliest
	}
	return due
}

// next is when there is something to look at.
func (s *schedule) next(pending bool, waiting changes, notBefore pause, nextTimer, nextCron time.Time) time.Time {
	next := time.Now().Add(24 * time.Hour)
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	sooner(nextCron)
	if pending {
		due := s.due(waiting, notBefore)
		// While there is a backlog the answer of behind may change at any time, and nobody tells.
		if s.behind != nil && s.behind() {
			soon := time.Now().Add(s.debounce)
			if soon.Before(notBefore.until) {
				soon = notBefore.until
			}
			if soon.Before(due) {
				due = soon
			}
		}
		sooner(due)
	} else {
		sooner(nextTimer)
	}
	return next
}
