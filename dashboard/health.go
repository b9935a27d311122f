package dashboard

import (
	"context"
	"net/http"
	"sort"
)

// Health is how one part of the service is.
type Health struct {
	// OK is false while the part cannot do its work.
	OK bool `json:"ok"`
	// State is one word: starting, following, waiting, retrying, stopped, ...
	State string `json:"state"`
	// Detail says what is wrong and what to do, in a sentence; empty when all is well.
	Detail string `json:"detail,omitempty"`
}

// Part is one part of the service, named, that can tell its health without waiting for anything.
type Part struct {
	Name   string
	Health func(context.Context) Health
}

type healthReport struct {
	OK    bool              `json:"ok"`
	Parts map[string]Health `json:"parts"`
}

func (s *Server) report(ctx context.Context) healthReport {
	report := healthReport{OK: true, Parts: map[string]Health{}}
	for _, part := range s.parts {
		h := part.Health(ctx)
		report.Parts[part.Name] = h
		report.OK = report.OK && h.OK
	}
	return report
}

// health answers /api/health: every part, 200 if all are well, else 503.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	report := s.report(r.Context())
	status := http.StatusOK
	if !report.OK {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, report)
}

// live answers /api/live: the process answers at all.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]bool{"ok": true})
}

// ready answers /api/ready: 200 once every part has started; a part that retries is named.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	report := s.report(r.Context())
	var waiting []string
	for name, h := range report.Parts {
		if h.State == "starting" || !h.OK {
			waiting = append(waiting, name)
		}
	}
	sort.Strings(waiting)
	status := http.StatusOK
	if len(waiting) > 0 {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, map[string]any{"ok": len(waiting) == 0, "waiting_for": waiting})
}
