package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"claude-analytics/dashboard"
	"claude-analytics/ingest"
	"claude-analytics/internal/stream"
	"claude-analytics/modeler"
	"claude-analytics/sink"
)

// statusReport is how the service is: what `status`, /api/v1/status and the endpoint claude-analytics.status show.
type statusReport struct {
	Version string          `json:"version"`
	Command string          `json:"command"`
	Mode    string          `json:"mode"` // live or offline
	Started time.Time       `json:"started"`
	NATSURL string          `json:"nats_url"`
	HTTPURL string          `json:"http_url,omitempty"`
	DataDir string          `json:"data_dir"`
	Source  *ingest.Status  `json:"source,omitempty"`
	Stream  *stream.State   `json:"stream,omitempty"`
	Sink    *sink.Status    `json:"sink,omitempty"`
	Models  *modeler.Status `json:"models,omitempty"`
	Faults  []string        `json:"faults,omitempty"`
}

// status asks every part. A part that cannot answer is a fault in the report, not an error.
func (s *service) status(ctx context.Context) (statusReport, error) {
	report := statusReport{Version: version, Command: s.roles.command, Mode: "live", Started: s.started, DataDir: s.cfg.DataDir}
	if s.http != nil {
		report.HTTPURL = s.http.URL()
	}
	if s.ready.Load() {
		report.NATSURL = s.conn.URL()
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if state, err := s.conn.State(ctx); err != nil {
			report.Faults = append(report.Faults, "stream: "+err.Error())
		} else {
			report.Stream = &state
		}
		if s.ingest != nil {
			status := s.ingest.Status()
			report.Source = &status
		}
		if s.sink != nil {
			status := s.sink.Status()
			report.Sink = &status
		}
		if s.modeler != nil {
			status := s.modeler.Status()
			report.Models = &status
		}
	}
	return report, nil
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
		status := s.ingest.Status()
		return dashboard.Health{OK: status.Error == "", State: status.State, Detail: status.Error}
	})...)
	parts = append(parts, part("sink", s.roles.sink, func() dashboard.Health {
		status := s.sink.Status()
		detail := status.Warehouse.LastError
		if detail == "" {
			detail = status.Lake.LastError
		}
		return dashboard.Health{OK: detail == "", State: okState(detail, "following"), Detail: detail}
	})...)
	return append(parts, part("modeler", s.roles.modeler, func() dashboard.Health {
		status := s.modeler.Status()
		return dashboard.Health{OK: status.LastError == "", State: okState(status.LastError, "following"), Detail: status.LastError}
	})...)
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
	cfg, log, err := e.start(nil)
	if err != nil {
		return err
	}
	for {
		report, err := statusOf(ctx, cfg, log)
		if err != nil {
			return err
		}
		if c.Watch && isTerminal(e.stdout) {
			e.printf("\x1b[H\x1b[2J")
		}
		if c.JSON {
			err = writeJSON(e.stdout, report)
		} else {
			printStatus(e, report)
		}
		if err != nil || !c.Watch {
			return err
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
	line("service", "%s %s, %s, since %s", r.Command, r.Version, r.Mode, r.Started.Local().Format(time.DateTime))
	if r.HTTPURL != "" {
		line("http", "%s/api/health", r.HTTPURL)
	}
	line("nats", "%s", r.NATSURL)
	line("data", "%s", r.DataDir)
	if s := r.Source; s != nil {
		line("source", "lane %s: %s, %s files, %s objects published, %s bytes behind, %s dead letters", s.Lane, s.State,
			count(s.Files), count(s.Changes), count(max(s.Size-s.Offset, 0)), count(s.DeadLetters))
	}
	if s := r.Stream; s != nil {
		line("stream", "%s messages, %s bytes, sequence %s to %s, %s dead letters", count(s.Msgs), count(s.Bytes),
			count(s.FirstSeq), count(s.LastSeq), count(s.DeadLetters))
	}
	if s := r.Sink; s != nil {
		for name, d := range map[string]sink.DestinationStatus{"lake": s.Lake, "warehouse": s.Warehouse} {
			line(name, "epoch %d, sequence %s, %s messages behind, %s rows this run %s", d.Epoch, count(d.Seq), count(d.Lag), count(d.Rows), d.LastError)
		}
	}
	if m := r.Models; m != nil {
		line("models", "last refresh %s, %s s, %s changed sessions %s", ago(m.LastRefresh), seconds(m.LastSeconds), count(m.ChangedSessions), m.LastError)
		if !m.Newest.IsZero() {
			line("freshness", "newest document in the marts was published %s", ago(m.Newest))
		}
	}
	for _, fault := range r.Faults {
		line("fault", "%s", fault)
	}
}

func ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return time.Since(t).Round(100*time.Millisecond).String() + " ago"
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', 2, 64) }

var _ = errors.New
