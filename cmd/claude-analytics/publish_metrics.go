package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"claude-analytics/internal/warehouse"
)

// registerPublishing shows how the published copy stands.
func registerPublishing(registry prometheus.Registerer, status func() warehouse.PublisherStatus) {
	f := promauto.With(registry)
	gauge := func(name, help string, value func(warehouse.PublisherStatus) float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: "analytics_publish_" + name, Help: help}, func() float64 { return value(status()) })
	}
	counter := func(name, help string, value func(warehouse.PublisherStatus) float64) {
		f.NewCounterFunc(prometheus.CounterOpts{Name: "analytics_publish_" + name, Help: help}, func() float64 { return value(status()) })
	}
	gauge("seconds", "How long the newest copy took.", func(s warehouse.PublisherStatus) float64 { return s.Seconds })
	gauge("bytes", "Size of the published copy.", func(s warehouse.PublisherStatus) float64 { return float64(s.Bytes) })
	gauge("behind_seconds", "Age of the published copy while the marts have changed since; 0 when it shows them.", func(s warehouse.PublisherStatus) float64 {
		if !s.Pending || s.PublishedAt.IsZero() {
			return 0
		}
		return time.Since(s.PublishedAt).Seconds()
	})
	counter("copies_total", "Copies made.", func(s warehouse.PublisherStatus) float64 { return float64(s.Copies) })
	counter("whole_total", "Copies made of everything, not of what had changed.", func(s warehouse.PublisherStatus) float64 { return float64(s.Whole) })
	counter("failures_total", "Copies that failed and were tried again.", func(s warehouse.PublisherStatus) float64 { return float64(s.Failures) })
}
