package modeler

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	seconds  *prometheus.HistogramVec
	total    *prometheus.CounterVec
	sessions prometheus.Histogram
	model    *prometheus.HistogramVec
}

// newMetrics makes the metrics, and registers them if there is where.
func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "analytics_modeler_refresh_seconds", Help: "Duration of a refresh that changed something.",
			Buckets: []float64{.025, .05, .1, .2, .4, .8, 1.6, 3, 6, 12, 30, 60, 120, 300},
		}, []string{"kind"}),
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "analytics_modeler_refreshes_total", Help: "Refreshes by kind and outcome (done, nothing, failed).",
		}, []string{"kind", "outcome"}),
		sessions: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "analytics_modeler_changed_sessions", Help: "Sessions whose documents changed, per refresh.",
			Buckets: []float64{1, 3, 10, 30, 100, 300, 1000, 3000, 10000},
		}),
		model: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "analytics_modeler_model_seconds", Help: "Duration of one model within a refresh.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10, 30},
		}, []string{"model"}),
	}
	if reg != nil {
		reg.MustRegister(m.seconds, m.total, m.sessions, m.model)
	}
	return m
}

func (m metrics) observe(opts Options, result Result, err error) {
	kind := result.Kind
	if kind == "" {
		kind = KindIncremental
		if opts.Full {
			kind = KindFull
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
	case err != nil:
		m.total.WithLabelValues(kind, "failed").Inc()
	case result.Nothing():
		m.total.WithLabelValues(kind, "nothing").Inc()
	default:
		m.total.WithLabelValues(kind, "done").Inc()
		m.seconds.WithLabelValues(kind).Observe(result.Seconds)
		m.sessions.Observe(float64(result.ChangedSessions))
		for _, model := range result.Models {
			m.model.WithLabelValues(model.Name).Observe(model.Seconds)
		}
	}
}
