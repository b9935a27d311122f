package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/dashboard"
	"claude-analytics/ingest"
	"claude-analytics/internal/config"
	"claude-analytics/internal/mask"
	"claude-analytics/internal/stream"
	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
	"claude-analytics/sink"
)

// statusReport is how the service is: what `status`, /api/v1/status and the endpoint claude-analytics.status show.
type statusReport struct {
	Version string    `json:"version"`
	Command string    `json:"command"`
	Mode    string    `json:"mode"` // live or offline
	Started time.Time `json:"started"`
	NATSURL string    `json:"nats_url"`
	HTTPURL string    `json:"http_url,omitempty"`
	DataDir string    `json:"data_dir"`
	// ReportTZ is the zone of days and hours.
	ReportTZ string          `json:"report_tz"`
	Sources  []ingest.Status `json:"sources,omitempty"`
	// Redaction is how secrets are dealt with; nil where nothing is read.
	Redaction *redactionStatus `json:"redaction,omitempty"`
	Stream    *stream.State    `json:"stream,omitempty"`
	Sink      *sink.Status     `json:"sink,omitempty"`
	Models    *modeler.Status  `json:"models,omitempty"`
	Verify    *verifyStatus    `json:"verify,omitempty"`
	// Published is how the published copy stands.
	Published *warehouse.PublisherStatus `json:"published,omitempty"`
	Faults    []string                   `json:"faults,omitempty"`
}

// status asks every part. A part that cannot answer is a fault in the report, not an error.
func (s *service) status(ctx context.Context) (statusReport, error) {
	report := statusReport{Version: version, Command: s.roles.command, Mode: "live", Started: s.started, DataDir: s.cfg.DataDir, ReportTZ: s.cfg.ReportTZ}
	if s.http != nil {
		report.HTTPURL = s.http.URL()
	}
	if s.ready.Load() {
		report.NATSURL = mask.URLs(s.conn.URL())
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if state, err := s.conn.State(ctx); err != nil {
			report.Faults = append(report.Faults, "stream: "+err.Error())
		} else {
			report.Stream = &state
		}
		report.Sources, report.Redaction = s.lanes.status(), s.redaction()
		if s.sink != nil {
			status := s.sink.Status()
			report.Sink = &status
			if status.LeftOut > 0 {
				report.Faults = append(report.Faults, leftOutText(status.LeftOut)+": "+leftOutRemedy)
			}
		}
		if s.modeler != nil {
			status := s.modeler.Status()
			report.Models = &status
			report.Verify = s.verifications.status()
		}
		if s.copies != nil {
			status := s.copies.Status()
			report.Published = &status
		}
	}
	return report, nil
}

// statusOf asks the running service, or looks at what lies in DATA_DIR.
func statusOf(ctx context.Context, cfg config.Loaded, log zerolog.Logger) (report statusReport, err error) {
	report, err = liveStatus(ctx, cfg)
	if !errors.Is(err, errNoService) {
		return report, err
	}
	return offlineStatus(ctx, cfg, log.Level(zerolog.WarnLevel))
}

// liveStatus asks the running service.
func liveStatus(ctx context.Context, cfg config.Loaded) (report statusReport, err error) {
	service, err := live(ctx, cfg)
	if err != nil {
		return report, err
	}
	defer service.Close()
	return ask[statusReport](ctx, service, "status", struct{}{})
}

// parts are what /api/health asks.
func (s *service) parts() []dashboard.Part {
	starting := dashboard.Health{OK: true, State: "starting"}
	part := func(name string, has bool, health func() dashboard.Health) []dashboard.Part {
		if !has {
			return nil
		}
		return []dashboard.Part{{Name: name, Health: func(context.Context) dashboard.Health {
			if !s.ready.Load() {
				return starting
			}
			return health()
		}}}
	}
	parts := part("stream", true, func() dashboard.Health {
		if err := s.conn.Connected(); err != nil {
			return dashboard.Health{State: "disconnected", Detail: err.Error()}
		}
		return dashboard.Health{OK: true, State: "connected"}
	})
	parts = append(parts, part("ingest", s.roles.ingest, func() dashboard.Health {
		return health(s.lanes.status())
	})...)
	parts = append(parts, part("sink", s.roles.sink, func() dashboard.Health {
		status := s.sink.Status()
		detail := cmp.Or(status.Error, status.Warehouse.Error, status.Lake.Error)
		return dashboard.Health{OK: detail == "", State: okState(detail, status.State), Detail: detail}
	})...)
	return append(parts, part("modeler", s.roles.modeler, func() dashboard.Health {
		status := s.modeler.Status()
		return dashboard.Health{OK: status.LastError == "", State: okState(status.LastError, "following"), Detail: status.LastError}
	})...)
}

// health of the sources is that of the one that is worst off.
func health(all []ingest.Status) dashboard.Health {
	worst := dashboard.Health{OK: true, State: ingest.StateStarting}
	for i, status := range all {
		ok := status.State != ingest.StateFailed && status.State != ingest.StateRetrying
		if i == 0 || worst.OK && !ok {
			worst = dashboard.Health{OK: ok, State: status.State, Detail: status.Detail}
		}
	}
	return worst
}

func okState(fault, well string) string {
	if fault != "" {
		return "retrying"
	}
	return well
}

// statusCmd shows the status.
type statusCmd struct {
	Watch bool `help:"Again every second until stopped."`
	JSON  bool `help:"For programs."`
}

// Run asks the service; where none runs it says what lies in DATA_DIR.
func (c *statusCmd) Run(ctx context.Context, e *env) error {
	cfg, log, err := e.startOnce(nil)
	if err != nil {
		return err
	}
	if c.Watch {
		return c.watch(ctx, e, cfg)
	}
	report, err := statusOf(ctx, cfg, log)
	if err != nil {
		return err
	}
	return c.print(e, report)
}

func (c *statusCmd) print(e *env, report statusReport) error {
	if c.JSON {
		return writeJSON(e.stdout, report)
	}
	printStatus(e, report)
	return nil
}

// watch asks the service every second until ctx ends, whether it runs, stops, or starts. The files are left alone: whoever looked into
// them each second would be in the way of a service that starts.
func (c *statusCmd) watch(ctx context.Context, e *env, cfg config.Loaded) error {
	said := ""
	for {
		report, err := liveStatus(ctx, cfg)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if said != err.Error() {
				said = err.Error()
				fmt.Fprintf(e.stderr, "%s claude-analytics: %s; looking again every second\n", time.Now().Format(time.TimeOnly), said)
			}
		default:
			said = ""
			if isTerminal(e.stdout) {
				e.printf("\x1b[H\x1b[2J")
			}
			if err := c.print(e, report); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

func printStatus(e *env, r statusReport) {
	line := func(name, format string, args ...any) { e.printf("%-11s %s\n", name, fmt.Sprintf(format, args...)) }
	offline := r.Mode == "offline"
	if offline {
		line("service", "none runs on this DATA_DIR; what follows is read from it (%s)", r.Version)
	} else {
		line("service", "%s %s, %s, since %s", r.Command, r.Version, r.Mode, r.Started.Local().Format(time.DateTime))
	}
	if r.HTTPURL != "" {
		line("http", "%s/api/health", r.HTTPURL)
	}
	if r.NATSURL != "" {
		line("nats", "%s", r.NATSURL)
	}
	line("data", "%s", r.DataDir)
	for _, s := range r.Sources {
		line("source", "%s", sourceLine(s))
	}
	if r.Redaction != nil {
		line("redaction", "%s", r.Redaction)
	}
	if s := r.Stream; s != nil {
		line("stream", "%s messages, %s bytes, sequence %s to %s, %s dead letters", count(s.Msgs), count(s.Bytes),
			count(s.FirstSeq), count(s.LastSeq), count(s.DeadLetters))
	}
	if s := r.Sink; s != nil {
		for _, d := range []struct {
			name string
			sink.DestinationStatus
		}{{"lake", s.Lake}, {"warehouse", s.Warehouse}} {
			if offline && d.Epoch == 0 {
				continue // not read
			}
			line(d.name, "%s", destinationLine(d.DestinationStatus, offline))
		}
		for _, gap := range s.Gaps {
			line("gap", "%s: messages %s to %s of epoch %d are missing (%s), found %s",
				gap.Destination, count(gap.From), count(gap.To), gap.Epoch, gap.Reason, ago(gap.Found))
		}
		for _, gap := range s.SourceGaps {
			line("gap", "lane %s: %s, found %s, %s", gap.Source, gap.Reason, ago(gap.Found), gap.Action)
		}
	}
	if m := r.Models; m != nil {
		if last := m.Last; last != nil {
			line("models", "last refresh %s, %s, %s s, %s changed sessions", ago(last.Finished), last.Kind, seconds(last.Seconds), count(last.ChangedSessions))
		}
		if m.LastError != "" {
			line("models", "the last refresh failed (%d in a row): %s", m.Failures, m.LastError)
		}
		for _, text := range testLines(m.Tests) {
			line("tests", "%s", text)
		}
		if !m.Newest.IsZero() {
			line("freshness", "newest document in the marts was published %s", ago(m.Newest))
		}
	}
	printVerifyStatus(line, r.Verify)
	if p := r.Published; p != nil && p.Error != "" {
		line("published", "the last copy failed: %s", p.Error)
	} else if p != nil {
		line("published", "%s, refresh %s, made %s", p.Path, count(p.Refresh), ago(p.PublishedAt))
	}
	for _, fault := range r.Faults {
		line("fault", "%s", fault)
	}
}

// sourceLine is one lane in one line.
func sourceLine(s ingest.Status) string {
	text := fmt.Sprintf("lane %s: %s, ", s.Lane, s.State)
	if c := s.Collection; c != nil {
		text += c.Namespace + ", "
		if c.SnapshotTotal > 0 {
			text += fmt.Sprintf("%s of about %s read, ", count(c.SnapshotDocuments), count(c.SnapshotTotal))
		}
		if !c.Published.IsZero() {
			text += fmt.Sprintf("changes up to %s ago, ", time.Since(c.Published).Round(time.Second))
		}
	} else {
		text += fmt.Sprintf("%s files, %s bytes behind, ", count(s.Files), count(s.LagBytes))
	}
	text += fmt.Sprintf("%s objects published, %s dead letters", count(s.Documents), count(s.DeadLetters))
	if s.Detail != "" {
		text += ": " + s.Detail
	}
	return text
}

// destinationLine is one destination in one line. Offline it is not known which messages behind are positions, which nobody waits for.
func destinationLine(d sink.DestinationStatus, offline bool) string {
	text := fmt.Sprintf("epoch %d, sequence %s", d.Epoch, count(d.Seq))
	switch {
	case d.Lag > 0 && offline:
		text += fmt.Sprintf(", at most %s messages behind", count(d.Lag))
	case d.Lag >= 0:
		text += fmt.Sprintf(", %s messages behind", count(d.Lag))
	}
	if d.Rows > 0 {
		text += fmt.Sprintf(", %s rows this run", count(d.Rows))
	}
	if !d.LastAt.IsZero() {
		text += ", the last batch " + ago(d.LastAt)
	}
	if d.Error != "" {
		text += ": " + d.Error
	}
	return text
}

func ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return time.Since(t).Round(100*time.Millisecond).String() + " ago"
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', 2, 64) }
