package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"claude-analytics/dashboard/api"
	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
	"claude-analytics/modeler/project"
)

// sandboxArgument makes the test binary a process of the sandbox in which people's SQL runs.
const sandboxArgument = "serve-sandbox"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == sandboxArgument {
		if err := warehouse.ServeSandbox(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// conversations are three sessions of twenty turns: a prompt, a response that calls a tool, the tool's result. Every
// tenth call fails.
const conversations = `
INSERT INTO raw.conversations BY NAME
SELECT format('{:04}', i) AS _id, CASE i % 3 WHEN 1 THEN 'assistant' ELSE 'user' END AS type, 's' || i // 60 AS session_id, 'p' || i // 120 AS project_id,
    TIMESTAMPTZ '2026-03-01 12:00:00Z' + INTERVAL 1 DAY * (i // 60) + INTERVAL 1 MINUTE * (i % 60) AS timestamp, timestamp AS effective_timestamp,
    'timestamp' AS timestamp_source, TIMESTAMPTZ '2026-03-09 00:00:00Z' AS extracted_at, CASE i % 3 WHEN 1 THEN 'assistant' ELSE 'user' END AS message_role, message_role AS source_type,
    CASE i % 3 WHEN 0 THEN 'fix the bug <b>' || i WHEN 1 THEN 'done' END AS message_content, timestamp::DATE AS date, 'lane' AS source, 'n' AS namespace,
    1 AS _epoch, i AS _seq, 'u' || i AS uuid, 'r' || i AS response_key, CASE WHEN i % 3 = 1 THEN 'm-' || i % 2 END AS model,
    CASE WHEN i % 3 = 1 THEN 100 END AS input_tokens, CASE WHEN i % 3 = 1 THEN 10 END AS output_tokens,
    false AS is_meta, false AS is_compact_summary, false AS is_api_error, false AS is_nested, 0 AS redaction_version, i AS _key, 4 AS content_length
FROM range(180) r(i);
INSERT INTO raw.content_blocks BY NAME
SELECT format('{:04}', i) AS _id, 'lane' AS source, 0 AS block_index, 's' || i // 60 AS session_id,
    (TIMESTAMPTZ '2026-03-01 12:00:00Z' + INTERVAL 1 DAY * (i // 60))::DATE AS date, ['text', 'tool_use', 'tool_result'][i % 3 + 1] AS block_type,
    CASE WHEN i % 3 = 0 THEN 'fix the bug' END AS text, CASE WHEN i % 3 = 1 THEN ['Bash', 'Read'][i % 2 + 1] END AS tool_name,
    CASE WHEN i % 3 > 0 THEN 't' || i // 3 END AS tool_use_id, CASE WHEN i % 3 = 1 THEN '{}' END AS input, i % 30 = 2 AS is_error,
    CASE WHEN i % 3 = 2 THEN 'output' END AS result_text, 4 AS char_len, i AS _key
FROM range(180) r(i);
INSERT INTO raw.content_blocks BY NAME
SELECT format('{:04}', i) AS _id, 'lane' AS source, 1 AS block_index, 's' || i // 60 AS session_id,
    (TIMESTAMPTZ '2026-03-01 12:00:00Z' + INTERVAL 1 DAY * (i // 60))::DATE AS date, 'text' AS block_type, 'done' AS text, 4 AS char_len, 4 AS clean_length, i AS _key
FROM range(180) r(i) WHERE i % 3 = 1`

// served is an API on a real warehouse.
type served struct {
	t     *testing.T
	api   *api.API
	url   string
	db    *warehouse.DB
	files string
	model *modeler.Modeler
	copy  *warehouse.Publisher
}

// serve opens a warehouse, fills it with documents (SQL; empty: none), refreshes, publishes, and serves it.
func serve(t *testing.T, documents string) *served {
	t.Helper()
	return serveIn(t, "UTC", documents)
}

// serveIn does so with a report time zone.
func serveIn(t *testing.T, zone, documents string) *served {
	t.Helper()
	dir := t.TempDir()
	s := &served{t: t, files: dir}
	s.db = warehouse.New(warehouse.Config{Path: filepath.Join(dir, "analytics.duckdb"), Copies: filepath.Join(dir, ".publish"), Threads: 2}, zerolog.Nop())
	if err := s.db.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	s.exec(documents)
	s.model = modeler.New(modeler.Config{ReportTZ: zone}, s.db, zerolog.Nop(), nil)
	if _, err := s.model.Refresh(t.Context(), modeler.Options{Full: true}); err != nil {
		t.Fatal(err)
	}
	models, err := project.Load(modeler.Models(), map[string]any{"report_tz": zone})
	if err != nil {
		t.Fatal(err)
	}
	s.copy = warehouse.NewPublisher(warehouse.PublisherConfig{
		Path: filepath.Join(dir, "marts.duckdb"),
		// The race detector maps more memory than any limit allows.
		Sandbox: &warehouse.Sandbox{Command: []string{os.Args[0], sandboxArgument}, Memory: 1 << 46},
	}, s.db, zerolog.Nop())
	t.Cleanup(func() { _ = s.copy.Close() })
	s.copy.Anew()
	if err := s.copy.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	status := func(context.Context) (any, error) { return map[string]string{"state": "well"}, nil }
	s.api = api.New(api.Config{
		Status: status,
		Letters: func(_ context.Context, r api.LetterRequest) (any, error) {
			return map[string]any{"asked": r, "total": 0}, nil
		},
		Document: func(_ context.Context, epoch, _ uint64) (json.RawMessage, error) {
			return json.RawMessage(fmt.Sprintf(`{"epoch":%d}`, epoch)), nil
		},
	}, zerolog.Nop())
	server := httptest.NewServer(s.api.Handler())
	s.url = server.URL
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		_ = s.api.Run(ctx)
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	if status, body := s.get("/api/v1/marts"); status != http.StatusServiceUnavailable || code(body) != api.CodeStarting {
		t.Errorf("before there is a warehouse: %d %s", status, body)
	}
	s.api.Attach(api.Warehouse{DB: s.db, Copy: s.copy.Copy(), Models: models, Zone: zone})
	return s
}

func (s *served) exec(statements string) {
	s.t.Helper()
	if statements == "" {
		return
	}
	if err := s.db.Write(s.t.Context(), "test", func(ctx context.Context, tx *warehouse.Tx) error {
		_, err := tx.Exec(ctx, statements)
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
}

// reply is an answer without its body.
type reply struct {
	StatusCode int
	Header     http.Header
}

// do sends a request; headers are "Name: value".
func (s *served) do(method, path, body string, headers ...string) (reply, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header}, string(text)
}

func (s *served) get(path string) (int, string) {
	s.t.Helper()
	response, body := s.do(http.MethodGet, path, "")
	return response.StatusCode, body
}

// rows gets a path whose answer has rows, each written as JSON.
func (s *served) rows(path string) []string {
	s.t.Helper()
	status, body := s.get(path)
	var page struct {
		Rows []json.RawMessage `json:"rows"`
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil || status != http.StatusOK {
		s.t.Fatalf("%s: %d, %v: %s", path, status, err, body)
	}
	out := make([]string, len(page.Rows))
	for i, row := range page.Rows {
		out[i] = string(row)
	}
	return out
}

// code is the code of an answer that is an error, whole: text, code and remedy.
func code(body string) string {
	var e struct{ Error, Code, Remedy string }
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Error == "" || e.Remedy == "" {
		return "no error: " + body
	}
	return e.Code
}

// listing names the files below a folder.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, "\n")
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
