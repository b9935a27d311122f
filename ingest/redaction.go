package ingest

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.mongodb.org/mongo-driver/v2/bson"

	"claude-analytics/proto"
)

// Redactor replaces secrets in what was read. Where there is nothing to replace it returns what it was given.
type Redactor interface {
	Document(bson.Raw) (bson.Raw, []*proto.Finding)
	Text([]byte) ([]byte, []*proto.Finding)
	// Version is that of the rules, not 0.
	Version() uint32
}

// redaction is a lane's Redactor: it counts what is found, and tells of each rule once. It never tells what was found.
type redaction struct {
	Redactor
	found *prometheus.CounterVec
	log   zerolog.Logger
	told  sync.Map // by rule
}

func newRedaction(rules Redactor, f factory, log zerolog.Logger) *redaction {
	found := f.NewCounterVec(f.opts("redactions_total", "Secrets replaced in what was read, by rule; what is read twice counts twice."), []string{"rule"})
	return &redaction{Redactor: rules, found: found, log: log}
}

// Document replaces the secrets of a document.
func (r *redaction) Document(doc bson.Raw) (bson.Raw, []*proto.Finding) {
	doc, findings := r.Redactor.Document(doc)
	r.note(findings)
	return doc, findings
}

// Text replaces the secrets of a text.
func (r *redaction) Text(text []byte) ([]byte, []*proto.Finding) {
	text, findings := r.Redactor.Text(text)
	r.note(findings)
	return text, findings
}

func (r *redaction) note(findings []*proto.Finding) {
	for _, f := range findings {
		r.found.WithLabelValues(f.GetRule()).Inc()
		if _, again := r.told.LoadOrStore(f.GetRule(), true); !again {
			r.log.Info().Str("rule", f.GetRule()).Str("path", f.GetPath()).Uint32("redaction_version", r.Version()).
				Msg("a secret was replaced before it was published; further ones of this rule are counted only")
		}
	}
}
