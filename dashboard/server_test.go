package dashboard_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"claude-analytics/dashboard"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fixture struct {
	url  string
	sick atomic.Bool
}

func start(t *testing.T, token string) *fixture {
	t.Helper()
	f := &fixture{}
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "analytics_test_value", Help: "for this test"}))
	parts := []dashboard.Part{{Name: "sink", Health: func(context.Context) dashboard.Health {
		if f.sick.Load() {
			return dashboard.Health{State: "retrying", Detail: "disk full"}
		}
		return dashboard.Health{OK: true, State: "following"}
	}}}
	status := func(context.Context) (any, error) {
		if f.sick.Load() {
			return nil, errors.New("no status now")
		}
		return map[string]int{"rows": 7}, nil
	}
	server := dashboard.New(dashboard.Config{Addr: "127.0.0.1:0", Token: token, ShutdownTimeout: 5 * time.Second}, parts, status, registry, zerolog.Nop())
	if err := server.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	f.url = server.URL()
	return f
}

func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestHealthFollowsTheParts(t *testing.T) {
	f := start(t, "")
	if status, body := get(t, f.url+"/api/health", ""); status != http.StatusOK || !json.Valid([]byte(body)) {
		t.Errorf("healthy: %d %s", status, body)
	}
	if status, body := get(t, f.url+"/metrics", ""); status != http.StatusOK || !strings.Contains(body, "analytics_test_value") {
		t.Errorf("metrics: %d %s", status, body)
	}
	f.sick.Store(true)
	for path, want := range map[string]int{"/api/health": 503, "/api/ready": 503, "/api/live": 200, "/api/v1/status": 503} {
		if status, body := get(t, f.url+path, ""); status != want {
			t.Errorf("%s while a part is sick: %d %s, want %d", path, status, body, want)
		}
	}
	if _, body := get(t, f.url+"/api/health", ""); !strings.Contains(body, "disk full") {
		t.Errorf("health does not say why: %s", body)
	}
}

func TestTokenGuardsDataNotProbes(t *testing.T) {
	f := start(t, "let-me-in")
	for path, want := range map[string]int{"/api/v1/query?sql=SELECT%201": 401, "/api/v1/events": 401, "/api/v1/nothing": 401, "/api/v1/openapi.yaml": 401, "/api/v1/status": 401, "/metrics": 401, "/api/health": 200, "/api/live": 200} {
		if status, body := get(t, f.url+path, ""); status != want {
			t.Errorf("%s without token: %d %s, want %d", path, status, body, want)
		}
	}
	if status, _ := get(t, f.url+"/api/v1/status", "wrong"); status != http.StatusUnauthorized {
		t.Errorf("wrong token: %d", status)
	}
	if status, body := get(t, f.url+"/api/v1/status", "let-me-in"); status != http.StatusOK || !strings.Contains(body, "7") {
		t.Errorf("right token: %d %s", status, body)
	}
}

// What a page of another origin may try in a person's browser.
func TestForeignPagesAreRefused(t *testing.T) {
	f := start(t, "")
	ask := func(method, host string, header ...string) (int, string, http.Header) {
		request, err := http.NewRequestWithContext(t.Context(), method, f.url+"/api/v1/status", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			request.Host = host
		}
		if len(header) == 2 {
			request.Header.Set(header[0], header[1])
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(body), response.Header
	}
	for host, want := range map[string]int{"": 200, "localhost:1": 200, "127.0.0.1": 200, "[::1]:80": 200, "evil.example": 403, "evil.example:8080": 403, "10.0.0.1": 403} {
		if status, body, _ := ask(http.MethodGet, host); status != want {
			t.Errorf("host %q: %d %s, want %d", host, status, body, want)
		}
	}
	if status, body, _ := ask(http.MethodPost, "", "Origin", "https://evil.example"); status != http.StatusForbidden || !strings.Contains(body, `"forbidden"`) {
		t.Errorf("another origin: %d %s", status, body)
	}
	_, _, header := ask(http.MethodGet, "", "Origin", "https://evil.example")
	if header.Get("Access-Control-Allow-Origin") != "" || header.Get("X-Frame-Options") != "DENY" || header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Content-Security-Policy") == "" {
		t.Errorf("headers: %v", header)
	}
}

// Another origin's page gets no answer computed, also none that it could not read; links to the page and programs are let in.
func TestForeignPagesStartNothing(t *testing.T) {
	f := start(t, "")
	api, page := "/api/v1/query?sql=SELECT%201", "/sessions?range=all"
	for _, test := range []struct {
		path, headers string
		forbidden     bool
	}{
		{api, "", false},
		{api, "Sec-Fetch-Site: same-origin|Sec-Fetch-Mode: cors", false},
		{api, "Sec-Fetch-Site: none|Sec-Fetch-Mode: navigate", false},
		{api, "Origin: " + f.url, false},
		{api, "Sec-Fetch-Site: cross-site|Sec-Fetch-Mode: no-cors", true},
		{api, "Sec-Fetch-Site: same-site|Sec-Fetch-Mode: no-cors", true},
		{api, "Sec-Fetch-Site: cross-site|Sec-Fetch-Mode: navigate|Sec-Fetch-Dest: document", true},
		{api, "Origin: https://evil.example", true},
		{api, "Origin: http://127.0.0.1:1", true},
		{api, "Origin: null", true},
		{"/api/v1/events", "Sec-Fetch-Site: cross-site", true},
		{"/api/health", "Sec-Fetch-Site: cross-site", true},
		{"/metrics", "Sec-Fetch-Site: cross-site", true},
		{page, "Sec-Fetch-Site: cross-site|Sec-Fetch-Mode: navigate|Sec-Fetch-Dest: document", false},
		{"/", "Sec-Fetch-Site: same-site|Sec-Fetch-Mode: navigate", false},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+test.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		for _, header := range strings.Split(test.headers, "|") {
			if name, value, given := strings.Cut(header, ": "); given {
				request.Header.Set(name, value)
			}
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if forbidden := response.StatusCode == http.StatusForbidden; forbidden != test.forbidden || forbidden && !strings.Contains(string(body), "another origin") {
			t.Errorf("%s with %q: %d %s", test.path, test.headers, response.StatusCode, body)
		}
	}
}

func TestPortInUseNamesTheSetting(t *testing.T) {
	f := start(t, "")
	taken := strings.TrimPrefix(f.url, "http://")
	second := dashboard.New(dashboard.Config{Addr: taken}, nil, nil, prometheus.NewRegistry(), zerolog.Nop())
	if err := second.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "HTTP_ADDR") {
		t.Errorf("error %v, want one that names HTTP_ADDR", err)
	}
}
