package ingest

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"claude-analytics/ingest/mongodb"
	"claude-analytics/ingest/transcript"
	"claude-analytics/proto"
)

// metrics are one lane's.
type metrics struct {
	changes, bytes prometheus.Counter
	letters        *prometheus.CounterVec
	batchSize      prometheus.Observer
	publishSeconds prometheus.Observer
	retries        prometheus.Counter
}

// factory makes a lane's metrics; with a nil registerer they exist but are nowhere to be seen.
type factory struct {
	promauto.Factory
	labels prometheus.Labels
}

func newFactory(reg prometheus.Registerer, lane string) factory {
	return factory{promauto.With(reg), prometheus.Labels{"lane": lane}}
}

func (f factory) opts(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Namespace: "analytics", Subsystem: "ingest", Name: name, Help: help, ConstLabels: f.labels}
}

func (f factory) gauge(name, help string, value func() float64) {
	f.NewGaugeFunc(prometheus.GaugeOpts(f.opts(name, help)), value)
}

func (f factory) counted(name, help string, value func() int64) {
	f.NewCounterFunc(f.opts(name, help), func() float64 { return float64(value()) })
}

func (f factory) histogram(name, help string, buckets []float64) prometheus.Histogram {
	return f.NewHistogram(prometheus.HistogramOpts{
		Namespace: "analytics", Subsystem: "ingest", Name: name, Help: help, ConstLabels: f.labels, Buckets: buckets,
	})
}

// newMetrics are those that every lane has.
func newMetrics(f factory, status func() Status) *metrics {
	m := &metrics{
		changes:        f.NewCounter(f.opts("changes_total", "Changes published.")),
		bytes:          f.NewCounter(f.opts("bytes_total", "Bytes of the source that were published as changes.")),
		letters:        f.NewCounterVec(f.opts("dead_letters_total", "Lines, objects and documents set aside."), []string{"reason"}),
		batchSize:      f.histogram("batch_size", "Messages in a published batch.", []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000}),
		retries:        f.NewCounter(f.opts("publish_retries_total", "Attempts to publish that failed and were made again.")),
		publishSeconds: f.histogram("publish_seconds", "Time until a batch was durable.", prometheus.ExponentialBuckets(0.0005, 2, 16)),
	}
	for _, reason := range []string{
		proto.ReasonBrokenLine, proto.ReasonNotObject, proto.ReasonTooLarge, proto.ReasonNotConvertible,
		proto.ReasonNotDecodable, proto.ReasonOperation,
	} {
		m.letters.WithLabelValues(reason)
	}
	f.gauge("caught_up", "1 if nothing that was seen is still to be published.", func() float64 { return oneIf(status().CaughtUp) })
	return m
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// addFolderMetrics are those of folders alone.
func addFolderMetrics(f factory, status func() Status, counters *transcript.Counters) {
	f.gauge("files", "Transcripts that are followed.", func() float64 { return float64(status().Files) })
	f.gauge("lag_bytes", "Bytes on disk that were seen and are not published, unfinished lines apart.", func() float64 { return float64(status().LagBytes) })
	f.gauge("half_lines", "Transcripts that end in an unfinished line.", func() float64 { return float64(status().HalfLines) })
	f.gauge("unreadable", "Files and folders that cannot be read.", func() float64 { return float64(status().Unreadable) })
	f.counted("read_failures_total", "Times that a file or folder could not be read.", counters.Failures.Load)
	f.counted("replaced_characters_total", "Characters that were not valid text and became U+FFFD.", counters.Replaced.Load)
	f.counted("rewritten_files_total", "Files that were rewritten or truncated, and read again.", counters.Rewritten.Load)
	f.counted("renamed_files_total", "Files that went on under another name.", counters.Renamed.Load)
}

// addCollectionMetrics are those of a MongoDB collection alone.
func addCollectionMetrics(f factory, status func() Status, counters *mongodb.Counters) {
	failures := f.NewCounterVec(f.opts("mongodb_errors_total", "Errors of MongoDB by the server's code (0: the network), those that the driver mends included."), []string{"code"})
	failures.WithLabelValues("0")
	counters.OnError = func(code int32) { failures.WithLabelValues(strconv.Itoa(int(code))).Inc() }
	collection := func(value func(mongodb.Stats) float64) func() float64 {
		return func() float64 { return value(*status().Collection) }
	}
	f.gauge("mongodb_retrying", "1 while MongoDB does not answer as it should.", collection(func(s mongodb.Stats) float64 { return oneIf(s.Phase == mongodb.PhaseRetrying) }))
	f.gauge("mongodb_behind_seconds", "How long ago the newest change that was read happened; 0 when there is no more to read.", collection(func(s mongodb.Stats) float64 { return s.Behind.Seconds() }))
	f.gauge("mongodb_snapshot_documents", "Documents that the snapshot under way has read.", collection(func(s mongodb.Stats) float64 { return float64(s.SnapshotDocuments) }))
	for _, c := range []struct {
		name, help string
		value      func() int64
	}{
		{"mongodb_inserts_total", "Inserts read.", counters.Inserts.Load},
		{"mongodb_updates_total", "Updates read.", counters.Updates.Load},
		{"mongodb_replaces_total", "Replaces read.", counters.Replaces.Load},
		{"mongodb_deletes_total", "Deletes read.", counters.Deletes.Load},
		{"mongodb_drops_total", "Drops and renames of the collection read.", counters.Drops.Load},
		{"mongodb_snapshot_documents_total", "Documents that snapshots read.", counters.Snapshots.Load},
		{"mongodb_updates_without_document_total", "Updates whose document was gone before it could be looked up; its delete follows.", counters.WithoutDocument.Load},
		{"mongodb_split_events_total", "Changes that came in several parts.", counters.Split.Load},
		{"mongodb_fetched_apart_total", "Changes too large for one reply, fetched apart from their document.", counters.Narrow.Load},
		{"mongodb_streams_opened_total", "Times that the change stream was opened.", counters.Reopened.Load},
		{"mongodb_retries_total", "Times that reading failed and was tried again.", counters.Retries.Load},
		{"mongodb_history_lost_total", "Gaps: times that changes could no longer be read.", counters.HistoryLost.Load},
	} {
		f.counted(c.name, c.help, c.value)
	}
}
