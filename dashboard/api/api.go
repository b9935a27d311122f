// Package api answers /api/v1: the gold layer as tables, SQL on the published copy, the panels of the page, the catalog
// and the events. Everything it runs on the live database is text of its own with bound values; what people write
// runs on the published copy.
package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"

	"claude-analytics/dashboard/panels"
	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

const (
	// maxReads is how many answers are computed at a time; the next wait, but not for ever.
	maxReads = 8
	// readTimeout bounds one of them, waiting included.
	readTimeout = 20 * time.Second
	// maxBytes bounds an answer, about: some are held in memory at a time.
	maxBytes = 16 << 20
)

// Warehouse is what the API reads from.
type Warehouse struct {
	// DB is the live database: tables, panels, catalog.
	DB *warehouse.DB
	// Copy is the published copy: SQL that people write.
	Copy *warehouse.Copy
	// Models describes the tables.
	Models *project.Project
	// Zone is the report time zone, whose days the models have.
	Zone string
}

// Config is what the API needs to know before there is a warehouse.
type Config struct {
	// NoWarehouse says that this process will never have one.
	NoWarehouse bool
	// Status gives what /api/v1/status shows.
	Status func(context.Context) (any, error)
	// Letters and Document reach into the stream and the lake; they are asked only once there is a warehouse.
	Letters  Letters
	Document Document
	// OpenAPI is the document served at /api/v1/openapi.yaml.
	OpenAPI []byte
}

// API answers requests below /api/v1/.
type API struct {
	cfg    Config
	log    zerolog.Logger
	boot   string // distinguishes this process's tags and events from those of another
	panels panels.Set
	data   atomic.Pointer[Warehouse]
	reads  *semaphore.Weighted
	events *broker
	known  catalogCache
	kept   kept
}

// New prepares an API; it answers 503 until Attach gives it a warehouse.
func New(cfg Config, log zerolog.Logger) *API {
	boot := strconv.FormatInt(time.Now().UnixMicro(), 36)
	return &API{
		cfg: cfg, log: log, boot: boot, panels: panels.All(),
		reads: semaphore.NewWeighted(maxReads), events: newBroker(boot),
	}
}

// Attach says that the warehouse is open.
func (a *API) Attach(w Warehouse) { a.data.Store(&w) }

// Route is one path that the API answers.
type Route struct {
	Method, Path string
	// Parameters of the query string; anyName among them allows all.
	Parameters []string
	handle     func(*API, http.ResponseWriter, *http.Request, url.Values) error
}

// Routes are all of them; the OpenAPI document has the same.
func Routes() []Route {
	return []Route{
		{http.MethodGet, "/api/v1/status", nil, (*API).status},
		{http.MethodGet, "/api/v1/catalog", nil, (*API).catalog},
		{http.MethodGet, "/api/v1/marts", nil, (*API).tables},
		{http.MethodGet, "/api/v1/marts/{table}", []string{"columns", "order", "limit", "offset", "format", anyName}, (*API).mart},
		{http.MethodGet, "/api/v1/query", []string{"sql", "limit", "format"}, (*API).query},
		{http.MethodPost, "/api/v1/query", []string{"limit", "format"}, (*API).query},
		{http.MethodGet, "/api/v1/panels", nil, (*API).panelList},
		{http.MethodGet, "/api/v1/panels/{panel}", []string{
			"from", "to", "project", "model", "tool", "session", "search", "agent", "only", "order", "key", "limit", "offset", "format",
		}, (*API).panel},
		{http.MethodGet, "/api/v1/documents/{source}/{id}", nil, (*API).document},
		{http.MethodGet, "/api/v1/dead-letters", []string{"source", "reason", "session", "project", "limit", "after"}, (*API).letters},
		{http.MethodGet, "/api/v1/dead-letters/{id}", []string{"from"}, (*API).letter},
		{http.MethodPost, "/api/v1/dead-letters/retry", nil, (*API).retryLetters},
		{http.MethodPost, "/api/v1/dead-letters/drop", nil, (*API).dropLetters},
		{http.MethodGet, "/api/v1/events", []string{"last_event_id"}, (*API).stream},
		{http.MethodGet, "/api/v1/openapi.yaml", nil, (*API).openapi},
	}
}

// Handler answers all routes.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, route := range Routes() {
		mux.HandleFunc(route.Method+" "+route.Path, func(w http.ResponseWriter, r *http.Request) {
			values, err := parameters(r, route.Parameters)
			if err == nil {
				err = route.handle(a, w, r, values)
			}
			if err != nil {
				if r.Context().Err() == nil && explain(err).status >= http.StatusInternalServerError {
					a.log.Warn().Err(err).Str("path", r.URL.Path).Msg("request failed")
				}
				SendError(w, r, err)
			}
		})
	}
	mux.HandleFunc("/api/v1/", func(w http.ResponseWriter, r *http.Request) {
		SendError(w, r, a.noRoute(r))
	})
	return mux
}

// noRoute tells a wrong method from a wrong path.
func (a *API) noRoute(r *http.Request) error {
	for _, route := range Routes() {
		if fits(route.Path, r.URL.Path) {
			return NewError(http.StatusMethodNotAllowed, CodeMethod, r.Method+" is not for "+r.URL.Path, "Use "+route.Method+"; /api/v1/openapi.yaml says what there is.")
		}
	}
	return NewError(http.StatusNotFound, CodeNotFound, "there is nothing at "+short(r.URL.Path), "/api/v1/openapi.yaml says what there is.")
}

// fits is whether a path is of a pattern: equal but for the parts in braces.
func fits(pattern, path string) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for i, part := range want {
		if part != have[i] && (!strings.HasPrefix(part, "{") || have[i] == "") {
			return false
		}
	}
	return true
}

// Run sends the status to who listens, until ctx ends; then it ends their requests.
func (a *API) Run(ctx context.Context) error {
	a.events.run(ctx, a.cfg.Status)
	return nil
}

// warehouse is the open one, or why there is none.
func (a *API) warehouse() (*Warehouse, error) {
	if w := a.data.Load(); w != nil {
		return w, nil
	}
	if a.cfg.NoWarehouse {
		return nil, NewError(http.StatusNotFound, CodeNoWarehouse, "this process has no warehouse: it only reads sources", "Ask the process that runs `up` or `warehouse`.")
	}
	return nil, NewError(http.StatusServiceUnavailable, CodeStarting, "the warehouse is being opened", "Ask again in a moment; /api/ready says when.")
}

// turn waits until an answer may be computed.
func (a *API) turn(ctx context.Context) (release func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := a.reads.Acquire(waiting, 1); err != nil {
		return nil, NewError(http.StatusServiceUnavailable, CodeBusy, "too many requests are being answered", "Ask again in a moment.")
	}
	return func() { a.reads.Release(1) }, nil
}

func (a *API) status(w http.ResponseWriter, r *http.Request, _ url.Values) error {
	status, err := a.cfg.Status(r.Context())
	if err != nil {
		return NewError(http.StatusServiceUnavailable, CodeStarting, err.Error(), "Ask again in a moment; /api/health says which part is unwell.")
	}
	sendJSON(w, r, http.StatusOK, status, "")
	return nil
}

func (a *API) openapi(w http.ResponseWriter, r *http.Request, _ url.Values) error {
	send(w, r, http.StatusOK, answer{contentType: "application/yaml", body: a.cfg.OpenAPI})
	return nil
}
