package verify

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"claude-analytics/internal/warehouse"
)

// Kind of a verification in meta.runs.
const runKind = "verify"

// Outcomes in meta.runs.
const (
	OutcomeClean   = "clean"
	OutcomeDiffers = "differs"
	OutcomePartly  = "partly" // nothing differs, but a level could not be looked at
	OutcomeFailed  = "failed" // nothing could be looked at

	keptRuns = 1000
)

// Summary is a verification in short, as status shows it and meta.runs keeps it.
type Summary struct {
	Started     time.Time `json:"started"`
	Finished    time.Time `json:"finished"`
	Outcome     string    `json:"outcome"`
	Deep        bool      `json:"deep"`
	Differences int64     `json:"differences"`
	Error       string    `json:"error,omitempty"`
	// Kinds counts the differences, by "level/kind".
	Kinds map[string]int64 `json:"kinds,omitempty"`
	// Repairs are the commands, in the order in which they are to be typed.
	Repairs []string `json:"repairs,omitempty"`
}

// Summarize makes a report short; err is what Run returned.
func Summarize(r Report, err error) Summary {
	s := Summary{Started: r.Started, Finished: r.Finished, Deep: r.Deep, Differences: r.Differences, Outcome: OutcomeClean, Kinds: map[string]int64{}}
	if s.Finished.IsZero() {
		s.Finished = time.Now().UTC()
	}
	seen := map[string]bool{}
	for _, l := range r.Levels {
		for _, d := range l.Differences {
			s.Kinds[d.Level+"/"+d.Kind] += max(d.Count, 1)
			if !seen[d.Repair] {
				seen[d.Repair] = true
				s.Repairs = append(s.Repairs, d.Repair)
			}
		}
	}
	switch {
	case err != nil:
		s.Outcome, s.Error = OutcomeFailed, err.Error()
	case r.Differences > 0:
		s.Outcome = OutcomeDiffers
	case r.Incomplete:
		s.Outcome = OutcomePartly
	}
	return s
}

// Writer is what the record is written through.
type Writer interface {
	Write(ctx context.Context, name string, fn func(context.Context, *warehouse.Tx) error) error
}

// Record keeps a verification in meta.runs, the newest thousand of them.
func Record(ctx context.Context, db Writer, s Summary) error {
	detail, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("record verification: %w", err)
	}
	return db.Write(ctx, "record verification", func(ctx context.Context, tx *warehouse.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO meta.runs (kind, started_at, finished_at, status, detail) VALUES (?, ?, ?, ?, ?)`,
			runKind, s.Started.UTC(), s.Finished.UTC(), s.Outcome, string(detail)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM meta.runs WHERE kind = ? AND started_at <
			(SELECT min(started_at) FROM (SELECT started_at FROM meta.runs WHERE kind = ? ORDER BY started_at DESC LIMIT ?))`, runKind, runKind, keptRuns)
		return err
	})
}

// Last reads the newest verification; false if there was none.
func Last(ctx context.Context, db Warehouse) (s Summary, found bool, err error) {
	err = db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		var detail string
		err := tx.QueryRow(ctx, `SELECT detail::VARCHAR FROM meta.runs WHERE kind = ? ORDER BY started_at DESC LIMIT 1`, runKind).Scan(&detail)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		found = true
		return json.Unmarshal([]byte(detail), &s)
	})
	if err != nil {
		return Summary{}, false, fmt.Errorf("read the last verification: %w", err)
	}
	return s, found, nil
}

// Metrics are a service's, of its newest verification.
type Metrics struct {
	differences *prometheus.GaugeVec
	success     prometheus.Gauge
	seconds     prometheus.Gauge
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		differences: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "analytics_verify_differences", Help: "Differences that the newest verification found.",
		}, []string{"level", "kind"}),
		success: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "analytics_verify_last_success_timestamp_seconds", Help: "When a verification last looked at everything and found no difference.",
		}),
		seconds: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "analytics_verify_seconds", Help: "How long the newest verification took.",
		}),
	}
	reg.MustRegister(m.differences, m.success, m.seconds)
	return m
}

// Observe takes a verification in. One that failed leaves what is known of differences as it is.
func (m *Metrics) Observe(r Report, s Summary) {
	m.seconds.Set(s.Finished.Sub(s.Started).Seconds())
	if s.Outcome == OutcomeFailed {
		return
	}
	m.differences.Reset()
	for _, l := range r.Levels {
		for _, d := range l.Differences {
			m.differences.WithLabelValues(d.Level, d.Kind).Add(float64(max(d.Count, 1)))
		}
	}
	if s.Outcome == OutcomeClean {
		m.success.Set(float64(s.Finished.Unix()))
	}
}
