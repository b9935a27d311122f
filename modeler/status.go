package modeler

import (
	"context"
	"errors"
	"time"
)

// Status is how the modeler stands, for a status page.
type Status struct {
	Running     bool        `json:"running"`
	Since       time.Time   `json:"since,omitzero"` // when the running refresh began
	Last        *Result     `json:"last,omitempty"` // newest refresh that changed something
	Refreshes   int64       `json:"refreshes"`      // since the start of the process
	Failures    int64       `json:"failures"`       // in a row
	LastError   string      `json:"last_error,omitempty"`
	LastErrorAt time.Time   `json:"last_error_at,omitzero"`
	Newest      time.Time   `json:"newest,omitzero"`    // extracted_at of the newest document that the marts hold
	NextFull    time.Time   `json:"next_full,omitzero"` // by FullRefreshCron
	Pending     bool        `json:"pending"`            // a change was heard of that no refresh has taken up yet
	Tests       TestSummary `json:"tests"`
}

// Status can be asked at any time, also while a refresh runs.
func (m *Modeler) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	status := m.status
	status.Tests = m.tests.summary()
	return status
}

func (m *Modeler) began(opts Options) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.Running, m.status.Since = true, opts.started
}

// ended keeps the books of a refresh: status, metrics, and a failure's row in meta.refreshes.
func (m *Modeler) ended(ctx context.Context, opts Options, result Result, err error) {
	now := time.Now()
	m.mu.Lock()
	m.status.Running, m.status.Since = false, time.Time{}
	switch {
	case err == nil:
		m.status.Failures, m.status.LastError = 0, ""
		if !result.Nothing() {
			m.status.Refreshes++
			m.status.Last = &result
		}
		if !result.newest.IsZero() {
			m.status.Newest = result.newest
		}
	case !errors.Is(err, context.Canceled):
		m.status.Failures++
		m.status.LastError, m.status.LastErrorAt = err.Error(), now
	}
	m.mu.Unlock()
	m.metrics.observe(opts, result, err)
	if err != nil && ctx.Err() == nil {
		if failed := m.recordFailure(ctx, opts, err); failed != nil {
			m.log.Error().Err(failed).Msg("cannot record a failed refresh")
		}
	}
}
