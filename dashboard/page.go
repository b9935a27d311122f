package dashboard

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"claude-analytics/dashboard/api"
)

// built is the page as Vite made it; without a build of it only a placeholder that says how to make it.
//
//go:embed all:web/dist
var built embed.FS

const (
	indexFile       = "index.html"
	placeholderFile = "placeholder.html"
	// pagePolicy lets the page do what it does and nothing else: no script, style or request of another origin, nothing
	// inline, and no text that becomes markup.
	pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)

// pagePaths are the places of the page: the page itself reads the path. src/shell/pages.ts has the same.
var pagePaths = []string{"/{$}", "/tools", "/cost", "/sessions", "/sessions/{session}", "/pipeline"}

// file is one of the page's, with the forms of it that were compressed when it was built.
type file struct {
	contentType string
	etag        string
	forms       map[string][]byte // by content coding; "" is the file itself
}

// page is all of the page's files, by their path below the root.
type page map[string]file

// loadPage reads what was embedded. It is part of the program: what cannot be read is a fault of the build.
func loadPage(from fs.FS) page {
	out := page{}
	root, err := fs.Sub(from, "web/dist")
	if err != nil {
		panic(err)
	}
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".br") {
			return err
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		f := file{
			contentType: mime.TypeByExtension(path.Ext(name)),
			etag:        `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
			forms:       map[string][]byte{"": text},
		}
		for coding, ending := range map[string]string{"br": ".br", "gzip": ".gz"} {
			if packed, err := fs.ReadFile(root, name+ending); err == nil && len(packed) < len(text) {
				f.forms[coding] = packed
			}
		}
		out[name] = f
		return nil
	})
	if err != nil {
		panic(err)
	}
	return out
}

// index answers every path of the page with the page.
func (p page) index(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
	w.Header().Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
	w.Header().Set("Cache-Control", "no-cache") // kept, and asked for again: the files that it names change with a release
	name := indexFile
	if _, found := p[name]; !found {
		name = placeholderFile
	}
	p.send(w, r, name)
}

// asset answers the files that the page names. Their names have a hash of what is in them.
func (p page) asset(w http.ResponseWriter, r *http.Request) {
	name := "assets/" + r.PathValue("name")
	if _, found := p[name]; !found {
		api.SendError(w, r, api.NewError(http.StatusNotFound, api.CodeNotFound, "the page has no such file", "Reload the page: it is of another release than the service."))
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	p.send(w, r, name)
}

func (p page) send(w http.ResponseWriter, r *http.Request, name string) {
	f := p[name]
	header := w.Header()
	header.Set("Content-Type", f.contentType)
	header.Set("Vary", "Accept-Encoding")
	coding := ""
	for _, one := range []string{"br", "gzip"} {
		if f.forms[one] != nil && api.Accepts(r, one) {
			coding = one
			break
		}
	}
	etag := f.etag
	if coding != "" {
		header.Set("Content-Encoding", coding)
		etag = strings.TrimSuffix(etag, `"`) + "-" + coding + `"`
	}
	header.Set("ETag", etag)
	for _, known := range strings.Split(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(known), "W/") == etag {
			header.Del("Content-Encoding")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(f.forms[coding])))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(f.forms[coding])
	}
}
