package ingest

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"claude-analytics/ingest/transcript"
	"claude-analytics/proto"
)

// metrics are one lane's.
type metrics struct {
	changes, bytes prometheus.Counter
	letters        *prometheus.CounterVec
	batchSize      prometheus.Observer
	publishSeconds prometheus.Observer
}

// newMetrics registers a lane's metrics; with a nil reg they exist but are nowhere to be seen.
func newMetrics(reg prometheus.Registerer, lane string, status func() Status, counters *transcript.Counters) *metrics {
	labels := prometheus.Labels{"lane": lane}
	factory := promauto.With(reg)
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "analytics", Subsystem: "ingest", Name: name, Help: help, ConstLabels: labels}
	}
	gauge := func(name, help string, value func(Status) float64) {
		factory.NewGaugeFunc(prometheus.GaugeOpts(counter(name, help)), func() float64 { return value(status()) })
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return factory.NewHistogram(prometheus.HistogramOpts{
			Namespace: "analytics", Subsystem: "ingest", Name: name, Help: help, ConstLabels: labels, Buckets: buckets,
		})
	}
	counted := func(name, help string, value func() int64) {
		factory.NewCounterFunc(counter(name, help), func() float64 { return float64(value()) })
	}
	m := &metrics{
		changes:        factory.NewCounter(counter("changes_total", "Changes published.")),
		bytes:          factory.NewCounter(counter("bytes_total", "Bytes of transcripts that were published as changes.")),
		letters:        factory.NewCounterVec(counter("dead_letters_total", "Lines and objects set aside."), []string{"reason"}),
		batchSize:      histogram("batch_size", "Messages in a published batch.", []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000}),
		publishSeconds: histogram("publish_seconds", "Time until a batch was durable.", prometheus.ExponentialBuckets(0.0005, 2, 16)),
	}
	for _, reason := range []string{proto.ReasonBrokenLine, proto.ReasonNotObject, proto.ReasonTooLarge, proto.ReasonNotConvertible} {
		m.letters.WithLabelValues(reason)
	}
	gauge("files", "Transcripts that are followed.", func(s Status) float64 { return float64(s.Files) })
	gauge("lag_bytes", "Bytes on disk that were seen and are not published, unfinished lines apart.", func(s Status) float64 { return float64(s.LagBytes) })
	gauge("half_lines", "Transcripts that end in an unfinished line.", func(s Status) float64 { return float64(s.HalfLines) })
	gauge("unreadable", "Files and folders that cannot be read.", func(s Status) float64 { return float64(s.Unreadable) })
	gauge("caught_up", "1 if nothing that was seen is still to be published.", func(s Status) float64 {
		if s.CaughtUp {
			return 1
		}
		return 0
	})
	counted("read_failures_total", "Times that a file or folder could not be read.", counters.Failures.Load)
	counted("replaced_characters_total", "Characters that were not valid text and became U+FFFD.", counters.Replaced.Load)
	counted("rewritten_files_total", "Files that were rewritten or truncated, and read again.", counters.Rewritten.Load)
	counted("renamed_files_total", "Files that went on under another name.", counters.Renamed.Load)
	return m
}
