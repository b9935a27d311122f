package sink

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"claude-analytics/internal/document"
	"claude-analytics/proto"
)

// metrics of the sink. Labels come from closed sets.
type metrics struct {
	rows        *prometheus.CounterVec
	bytes       *prometheus.CounterVec
	batchRows   *prometheus.HistogramVec
	apply       *prometheus.HistogramVec
	lag         *prometheus.GaugeVec
	deadLetters *prometheus.CounterVec
	retries     *prometheus.CounterVec
	gaps        *prometheus.CounterVec
	issues      *prometheus.CounterVec
	epoch       prometheus.Gauge

	lettersRetried *prometheus.CounterVec
	lettersDropped prometheus.Counter
}

// newMetrics registers them; a nil Registerer registers nothing.
func newMetrics(reg prometheus.Registerer, s *Sink) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "analytics_sink_" + name, Help: help}, labels)
	}
	gaugeOf := func(name, help string, value func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: "analytics_sink_" + name, Help: help}, value)
	}
	m := &metrics{
		rows:  counter("rows_total", "Changes that became durable in a destination.", "consumer"),
		bytes: counter("bytes_total", "Bytes of messages that became durable in a destination.", "consumer"),
		batchRows: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "analytics_sink_batch_rows", Help: "Changes in a batch.", Buckets: prometheus.ExponentialBuckets(1, 4, 9),
		}, []string{"consumer"}),
		apply: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "analytics_sink_apply_seconds", Help: "How long it took to make a batch durable.", Buckets: prometheus.ExponentialBuckets(0.002, 2, 14),
		}, []string{"consumer"}),
		lag: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "analytics_sink_lag_messages", Help: "Messages of the stream that are not yet durable in a destination.",
		}, []string{"consumer"}),
		deadLetters: counter("dead_letters_total", "Messages that could not be converted.", "consumer", "reason"),
		retries:     counter("retries_total", "Attempts that failed and were made again.", "consumer"),
		gaps:        counter("gaps_total", "Parts of the stream that a destination never got.", "consumer"),
		issues:      counter("document_issues_total", "Documents whose row differs from what they say, by kind.", "issue"),
		epoch: f.NewGauge(prometheus.GaugeOpts{
			Name: "analytics_sink_epoch", Help: "The life of the stream that is being followed.",
		}),
	}
	m.lettersRetried = f.NewCounterVec(prometheus.CounterOpts{
		Name: "analytics_dead_letters_retried_total", Help: "Dead letters that were retried, by what became of them.",
	}, []string{"outcome"})
	m.lettersDropped = f.NewCounter(prometheus.CounterOpts{
		Name: "analytics_dead_letters_dropped_total", Help: "Dead letters that somebody dropped.",
	})
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "analytics_dead_letters", Help: "Dead letters that wait for somebody to retry or drop them.",
	}, func() float64 { return float64(s.lettersHeld.Load()) })
	for _, outcome := range Outcomes {
		m.lettersRetried.WithLabelValues(outcome)
	}
	gaugeOf("freshness_seconds", "Age of the newest change applied to the warehouse, by its extracted_at; 0 before the first.", s.freshness)
	gaugeOf("lake_files", "Parquet files that the lake's manifest names.", func() float64 { return float64(s.lake.Stats().Files) })
	gaugeOf("lake_bytes", "Size of those files.", func() float64 { return float64(s.lake.Stats().Bytes) })
	gaugeOf("lake_rows", "Rows in those files.", func() float64 { return float64(s.lake.Stats().Rows) })
	gaugeOf("lake_faults", "What is wrong with the lake's folder.", func() float64 { return float64(s.lake.Stats().Faults) })
	for _, consumer := range []string{DestinationLake, DestinationWarehouse} {
		m.rows.WithLabelValues(consumer)
		m.bytes.WithLabelValues(consumer)
		m.retries.WithLabelValues(consumer)
		m.gaps.WithLabelValues(consumer)
		for _, reason := range []string{proto.ReasonNotConvertible, proto.ReasonNotDecodable, proto.ReasonVersion, proto.ReasonOperation} {
			m.deadLetters.WithLabelValues(consumer, reason)
		}
	}
	for issue := range document.AllIssues {
		m.issues.WithLabelValues(issue.String())
	}
	return m
}

func (s *Sink) freshness() float64 {
	newest := s.warehouse.get().Newest
	if newest.IsZero() {
		return 0
	}
	return max(time.Since(newest).Seconds(), 0)
}
