package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// sweepEvery is how often the service does what `gc` does without flags.
const sweepEvery = time.Hour

// sweepMetrics are those of the hourly run.
type sweepMetrics struct {
	files, rows, bytes, messages, failures prometheus.Counter
	seconds                                prometheus.Gauge
}

func newSweepMetrics(reg prometheus.Registerer) sweepMetrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "analytics_gc_" + name, Help: help})
	}
	return sweepMetrics{
		messages: counter("swept_messages_total", "Messages that retention removed from the stream."),
		files:    counter("compacted_files_total", "Files of the lake that were put together with others."),
		rows:     counter("superseded_rows_total", "Rows of the lake that a newer version had superseded, and that were left out."),
		bytes:    counter("compacted_bytes_total", "Bytes that compaction of the lake gave back."),
		failures: counter("failures_total", "Hourly runs that failed."),
		seconds:  f.NewGauge(prometheus.GaugeOpts{Name: "analytics_gc_seconds", Help: "How long the last hourly run took."}),
	}
}

// sweep enforces the stream's retention and compacts the lake, hourly.
func (s *service) sweep(ctx context.Context) error {
	metrics := newSweepMetrics(s.registry)
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		report, err := s.collect(ctx, gcRequest{})
		metrics.seconds.Set(report.Seconds)
		metrics.messages.Add(float64(report.Swept))
		if c := report.Compacted; c != nil {
			metrics.files.Add(float64(c.Files))
			metrics.rows.Add(float64(c.Rows))
			metrics.bytes.Add(max(float64(c.Bytes-c.NewBytes), 0))
		}
		if err != nil && ctx.Err() == nil {
			metrics.failures.Inc()
			s.log.Warn().Err(err).Msg("retention and compaction failed; trying again in an hour")
			continue
		}
		s.log.Info().Any("report", report).Msg("retention and compaction")
	}
}
