// Package dashboard serves HTTP: health, metrics and status of the service, on one port.
package dashboard

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
)

// Config is what the server needs to know.
type Config struct {
	// Addr is host:port; port 0 takes any free one.
	Addr string
	// Token is the bearer token that every request but the probes needs; empty: none.
	Token string
	// ShutdownTimeout bounds how long open requests may take when the server stops.
	ShutdownTimeout time.Duration
}

// Server is the HTTP side of the service.
type Server struct {
	cfg     Config
	log     zerolog.Logger
	parts   []Part
	status  func(context.Context) (any, error)
	metrics prometheus.Gatherer

	mu       sync.Mutex
	listener net.Listener
}

// New makes a server; it listens when Open is called. status gives what /api/v1/status shows, as JSON-able value.
func New(cfg Config, parts []Part, status func(context.Context) (any, error), metrics prometheus.Gatherer, log zerolog.Logger) *Server {
	return &Server{cfg: cfg, parts: parts, status: status, metrics: metrics, log: log.With().Str("part", "dashboard").Logger()}
}

// Open takes the port, so that Addr is known before anything else starts.
func (s *Server) Open(ctx context.Context) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("listen on HTTP_ADDR %s (set another address, or port 0 for any): %w", s.cfg.Addr, err)
	}
	s.mu.Lock()
	s.listener = listener
	s.mu.Unlock()
	return nil
}

// Addr is the address in use, host:port; empty before Open.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// URL is where a browser on this machine finds the server.
func (s *Server) URL() string {
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// Run serves until ctx ends, then lets open requests finish within ShutdownTimeout.
func (s *Server) Run(ctx context.Context) error {
	server := &http.Server{Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownTimeout)
		defer cancel()
		stopped <- server.Shutdown(grace)
	}()
	s.log.Info().Str("url", s.URL()).Msg("serving")
	if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve http: %w", err)
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("stop http: %w", err)
	}
	return nil
}

// Close gives the port back if Run was never reached.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		_ = s.listener.Close()
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/live", s.live)
	mux.HandleFunc("GET /api/ready", s.ready)
	mux.HandleFunc("GET /api/health", s.health)
	mux.Handle("GET /metrics", s.authorized(promhttp.HandlerFor(s.metrics, promhttp.HandlerOpts{})))
	mux.Handle("GET /api/v1/status", s.authorized(http.HandlerFunc(s.statusPage)))
	mux.HandleFunc("GET /{$}", s.index)
	return mux
}

// authorized asks for the bearer token, if one is set. Probes are free of it: they show no data.
func (s *Server) authorized(next http.Handler) http.Handler {
	if s.cfg.Token == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(s.cfg.Token)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "a bearer token is needed: set the header Authorization: Bearer with the value of HTTP_TOKEN"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) statusPage(w http.ResponseWriter, r *http.Request) {
	status, err := s.status(r.Context())
	if err != nil {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, status)
}

func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "claude-analytics\n\n  /api/health     every part, 200 or 503\n  /api/live       the process answers\n"+
		"  /api/ready      every part has started\n  /api/v1/status  positions, lag, freshness\n  /metrics        for Prometheus")
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error": "the answer cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}
