package dashboard

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

func files(named map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range named {
		out["web/dist/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

func get(t *testing.T, handle http.HandlerFunc, name string, header map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/"+name, nil)
	r.SetPathValue("name", strings.TrimPrefix(name, "assets/"))
	for key, value := range header {
		r.Header.Set(key, value)
	}
	w := httptest.NewRecorder()
	handle(w, r)
	return w
}

func TestPageFilesAreServedAsTheyWereBuilt(t *testing.T) {
	t.Parallel()
	p := loadPage(files(map[string]string{
		"index.html": "the page, the page", "placeholder.html": "make build",
		"assets/a-1.js": "script script", "assets/a-1.js.br": "br", "assets/a-1.js.gz": "gz",
	}))
	cases := []struct{ accepts, coding, body string }{
		{"", "", "script script"}, {"gzip", "gzip", "gz"}, {"gzip, br", "br", "br"}, {"br;q=0", "", "script script"},
	}
	for _, c := range cases {
		w := get(t, p.asset, "assets/a-1.js", map[string]string{"Accept-Encoding": c.accepts})
		if w.Code != http.StatusOK || w.Body.String() != c.body || w.Header().Get("Content-Encoding") != c.coding {
			t.Errorf("accepting %q: %d %q %q", c.accepts, w.Code, w.Header().Get("Content-Encoding"), w.Body)
		}
		if !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || !strings.Contains(w.Header().Get("Content-Type"), "javascript") {
			t.Errorf("headers %v", w.Header())
		}
		again := get(t, p.asset, "assets/a-1.js", map[string]string{"Accept-Encoding": c.accepts, "If-None-Match": w.Header().Get("ETag")})
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("asked again: %d %q", again.Code, again.Body)
		}
	}
	if w := get(t, p.asset, "assets/b-2.js", nil); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "remedy") {
		t.Errorf("a file of another release: %d %s", w.Code, w.Body)
	}
	w := get(t, p.index, "", nil)
	if w.Body.String() != "the page, the page" || w.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("index: %v %s", w.Header(), w.Body)
	}
	if policy := w.Header().Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("policy %s", policy)
	}
	for name := range p {
		if strings.HasSuffix(name, ".br") || strings.HasSuffix(name, ".gz") {
			t.Errorf("%s is served by itself", name)
		}
	}
}

func TestPageWithoutABuildSaysHowToMakeIt(t *testing.T) {
	t.Parallel()
	placeholder, err := os.ReadFile("web/dist/placeholder.html")
	if err != nil {
		t.Fatal(err)
	}
	p := loadPage(files(map[string]string{"placeholder.html": string(placeholder)}))
	if w := get(t, p.index, "", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "make build") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// The page is served at its own places and nowhere else, also to who has no token: it shows no data before it has one.
func TestPagePlaces(t *testing.T) {
	t.Parallel()
	s := New(Config{Addr: "127.0.0.1:0", Token: "secret"}, nil, func(context.Context) (any, error) { return nil, nil }, prometheus.NewRegistry(), zerolog.Nop())
	handler := s.routes()
	for path, want := range map[string]int{
		"/": 200, "/tools": 200, "/cost": 200, "/sessions": 200, "/sessions/a%2Fb": 200, "/pipeline": 200,
		"/nothing": 404, "/assets/..%2fplaceholder.html": 404, "/sessions/a/b": 404, "/api/v1/status": 401,
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	source, err := os.ReadFile("web/src/shell/pages.ts")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`path: '([^']+)'`).FindAllStringSubmatch(string(source), -1) {
		if path := found[1]; !slices.Contains(pagePaths, path) && path != "/" {
			t.Errorf("the page has the place %s, which is not served", path)
		}
	}
}
