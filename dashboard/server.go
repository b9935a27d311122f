// Package dashboard serves HTTP on one port: the page, the API below /api/v1, health and metrics.
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

	"claude-analytics/dashboard/api"
)

// Config is what the server needs to know.
type Config struct {
	// Addr is host:port; port 0 takes any free one.
	Addr string
	// Token is the bearer token that every request but the probes needs; empty: none.
	Token string
	// NoWarehouse says that this process only reads sources.
	NoWarehouse bool
	// Letters and Document are the API's.
	Letters  api.Letters
	Document api.Document
	// ShutdownTimeout bounds how long open requests may take when the server stops.
	ShutdownTimeout time.Duration
}

// Server is the HTTP side of the service.
type Server struct {
	cfg     Config
	log     zerolog.Logger
	parts   []Part
	metrics prometheus.Gatherer
	api     *api.API

	mu       sync.Mutex
	listener net.Listener
}

// New makes a server; it listens when Open is called. status gives what /api/v1/status shows, as JSON-able value.
func New(cfg Config, parts []Part, status func(context.Context) (any, error), metrics prometheus.Gatherer, log zerolog.Logger) *Server {
	log = log.With().Str("part", "dashboard").Logger()
	return &Server{
		cfg: cfg, parts: parts, metrics: metrics, log: log,
		api: api.New(api.Config{NoWarehouse: cfg.NoWarehouse, Status: status, OpenAPI: openAPI, Letters: cfg.Letters, Document: cfg.Document}, log),
	}
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
	server := &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: time.Minute,
		MaxHeaderBytes: maxHeader,
	}
	events := make(chan struct{})
	go func() {
		defer close(events)
		_ = s.api.Run(ctx) // it ends with ctx and lets the listeners go, so that Shutdown need not wait for them
	}()
	defer func() { <-events }()
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
	mux.Handle("/api/v1/", s.authorized(s.api.Handler()))
	files := loadPage(built)
	for _, path := range pagePaths { // free of the token: the page shows no data before it has one
		mux.HandleFunc("GET "+path, files.index)
	}
	mux.HandleFunc("GET /assets/{name}", files.asset)
	return s.guarded(mux)
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
			api.SendError(w, r, api.NewError(http.StatusUnauthorized, api.CodeUnauthorized, "a bearer token is needed",
				"Set the header Authorization: Bearer with the value of HTTP_TOKEN."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// API is what answers /api/v1, to be told of the warehouse and of refreshes.
func (s *Server) API() *api.API { return s.api }

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
