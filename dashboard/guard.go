package dashboard

import (
	_ "embed"
	"net"
	"net/http"
	"strings"

	"claude-analytics/dashboard/api"
)

// openAPI describes /api/v1; a test compares it with the handlers.
//
//go:embed openapi.yaml
var openAPI []byte

// maxHeader is how long a request's head may be.
const maxHeader = 64 << 10

// guarded gives every answer the headers that keep a browser strict, and refuses what a page of another origin may
// try: requests that it makes in a person's name, and names that it lets point to this machine.
func (s *Server) guarded(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if !s.knownHost(r.Host) {
			api.SendError(w, r, api.NewError(http.StatusForbidden, api.CodeForbidden, "this address is not served under that name",
				"Ask for "+s.URL()+", or set HTTP_TOKEN to serve it under other names."))
			return
		}
		if !leadsToThePage(r) && origins.Check(asIfItWrote(r)) != nil {
			api.SendError(w, r, api.NewError(http.StatusForbidden, api.CodeForbidden, "the request comes from a page of another origin", "Ask from the dashboard's own page, or from a program."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// asIfItWrote is a request for net/http to look at as at one that changes something: it lets any page read, and what is read here
// is computed.
func asIfItWrote(r *http.Request) *http.Request {
	writing := *r
	writing.Method = http.MethodPost
	return &writing
}

// leadsToThePage holds for what a link of another page may ask for: the page and its files, which are the same for
// everyone. All else computes something or shows data, and that an answer cannot be read does not undo its being computed.
func leadsToThePage(r *http.Request) bool {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	return reads && !strings.HasPrefix(r.URL.Path, "/api/") && r.URL.Path != "/metrics"
}

// knownHost holds unless a server on loopback, which lets everyone on this machine in without a token, is asked under
// a name that is not this machine's: so a foreign page would read it through its reader's browser.
func (s *Server) knownHost(host string) bool {
	listening, _, err := net.SplitHostPort(s.Addr())
	if err != nil || s.cfg.Token != "" {
		return true
	}
	if ip := net.ParseIP(listening); ip == nil || !ip.IsLoopback() {
		return true
	}
	name := host
	if split, _, err := net.SplitHostPort(host); err == nil {
		name = split
	}
	name = strings.Trim(name, "[]")
	if ip := net.ParseIP(name); ip != nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(name, "localhost") || strings.HasSuffix(strings.ToLower(name), ".localhost")
}
