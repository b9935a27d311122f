package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"claude-analytics/internal/warehouse"
)

// compressFrom is the size from which an answer is worth compressing.
const compressFrom = 1 << 10

// writeFor is how long a client may take to accept an answer.
const writeFor = time.Minute

// answer is a whole answer in memory: it is bounded, and a slow client then holds no transaction open.
type answer struct {
	contentType string
	body        []byte
	etag        string
	header      map[string]string
}

// send writes an answer, compressed if the client can.
func send(w http.ResponseWriter, r *http.Request, status int, a answer) {
	header := w.Header()
	for name, value := range a.header {
		header.Set(name, value)
	}
	header.Set("Content-Type", a.contentType)
	header.Add("Vary", "Accept, Accept-Encoding, Authorization")
	if a.etag == "" {
		header.Set("Cache-Control", "no-store")
	} else {
		header.Set("ETag", a.etag)
		header.Set("Cache-Control", "private, no-cache") // kept, but asked for again each time: 304 if nothing was refreshed
	}
	body := a.body
	if len(body) >= compressFrom && Accepts(r, "gzip") {
		var packed bytes.Buffer
		zip, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed) // the level is known
		if _, err := zip.Write(body); err == nil && zip.Close() == nil {
			header.Set("Content-Encoding", "gzip")
			body = packed.Bytes()
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeFor))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// sendJSON writes a value.
func sendJSON(w http.ResponseWriter, r *http.Request, status int, value any, etag string) {
	body, err := encode(value)
	if err != nil {
		SendError(w, r, err)
		return
	}
	send(w, r, status, answer{contentType: "application/json", body: body, etag: etag})
}

// SendError writes what went wrong.
func SendError(w http.ResponseWriter, r *http.Request, err error) {
	e := explain(err)
	body, failed := encode(e)
	if failed != nil {
		body = []byte(`{"error": "the error cannot be encoded", "code": "internal", "remedy": ""}`)
	}
	if e.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	send(w, r, e.status, answer{contentType: "application/json", body: body})
}

func encode(value any) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}

// Accepts is whether the client can read a content coding.
func Accepts(r *http.Request, coding string) bool {
	for _, one := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(one), ";")
		if strings.EqualFold(name, coding) {
			return strings.ReplaceAll(weight, " ", "") != "q=0"
		}
	}
	return false
}

// tag is an answer's ETag: the refresh that it is of, and its form. Another process, or another release of the panels,
// makes other ones.
func (a *API) tag(version warehouse.Version, form string) string {
	return `"` + a.boot + "-" + strconv.FormatInt(version.Refresh, 36) + "-" + strconv.FormatInt(version.RefreshedAt.UnixMicro(), 36) + "-" + form + `"`
}

// knows is whether the client has the answer with this tag already.
func knows(r *http.Request, tag string) bool {
	for _, one := range strings.Split(r.Header.Get("If-None-Match"), ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == tag || one == "*" {
			return true
		}
	}
	return false
}

func notModified(w http.ResponseWriter, tag string) {
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "private, no-cache")
	w.Header().Add("Vary", "Accept, Accept-Encoding, Authorization")
	w.WriteHeader(http.StatusNotModified)
}
