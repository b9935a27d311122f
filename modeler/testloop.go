package modeler

import (
	"context"
	"time"

	"claude-analytics/modeler/project"
)

const (
	// testPause is the least time between two runs of the tests that are due.
	testPause = time.Second
	// testShare is how many times as long as a run took the next one waits: tests take at most a twentieth of the time.
	testShare = 20
	// freshnessEvery is how often freshness is looked at: it turns red when nothing happens.
	freshnessEvery = 10 * time.Minute
)

// testWhenDue runs the tests that refreshes leave to be done, until ctx ends.
func (m *Modeler) testWhenDue(ctx context.Context) {
	clock := time.NewTicker(freshnessEvery)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.tests.wake:
		case <-clock.C:
		}
		began := time.Now()
		if err := m.testDue(ctx); err != nil && ctx.Err() == nil {
			m.log.Error().Err(err).Msg("the tests that are due could not be run")
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(testPause, testShare*time.Since(began))):
		}
	}
}

// testDue runs the tests that are due, and those of freshness.
func (m *Modeler) testDue(ctx context.Context) error {
	p, err := m.loadForTests(ctx)
	if err != nil {
		return err
	}
	var tests []*project.Test
	for _, t := range p.Tests {
		if t.Kind == project.KindFreshness || m.tests.isDue(t.Name) {
			tests = append(tests, t)
		}
	}
	before := m.tests.summary()
	results, err := m.runTests(ctx, p, tests, false)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Failed() && !fails(before, r.Name) {
			m.log.Error().Str("test", r.Name).Str("status", r.Status).Int64("rows", r.Failures).Msg("a test of the models fails")
		}
	}
	return nil
}

// fails is whether a test failed already.
func fails(s TestSummary, name string) bool {
	for _, r := range s.Failing {
		if r.Name == name && r.Failed() {
			return true
		}
	}
	return false
}
