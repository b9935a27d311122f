package api_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"claude-analytics/dashboard/api"
	"claude-analytics/dashboard/panels"
	"claude-analytics/modeler"
	"claude-analytics/modeler/project"
)

// One warehouse serves all of these: a refresh of all models is dear.
func TestAPI(t *testing.T) {
	s := serve(t, conversations)
	for name, test := range map[string]func(*testing.T, *served){
		"marts": testMarts, "pages": testPages, "formats": testFormats, "tags": testTags, "refused": testRefused,
		"query": testQuery, "hostile": testHostile, "panels": testPanels, "figures": testFigures, "catalog": testCatalog,
		"steps": testSteps, "documents": testDocuments, "letters": testLetters,
	} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.t = t
			test(t, &s)
		})
	}
}

func testMarts(t *testing.T, s *served) {
	for query, want := range map[string]int{
		"":                                      60,
		"?limit=7":                              7,
		"?limit=7&offset=55":                    5,
		"?status=error":                         6,
		"?status=error&status=success":          60,
		"?status__ne=error":                     54,
		"?status__in=error,timeout":             6,
		"?status__like=err%25":                  6,
		"?error_type__null=false":               6,
		"?error_type__null=true&tool_name=Bash": 30,
		"?session_id=s1":                        20,
		"?session_id=s1&tool_name=Bash":         10,
		"?tool_sequence__lte=10&session_id=s0":  10,
		"?tool_sequence__gt=10&session_id=s0":   10,
		"?date_key=2026-03-02":                  20,
		"?date_key__gte=2026-03-02":             40,
		"?created_at__lt=2026-03-01T12:30:00Z":  10,
		"?tool_name=' OR 1=1 --":                0,
		"?is_sidechain=true":                    0,
	} {
		path := "/api/v1/marts/fct_tool_calls" + strings.NewReplacer(" ", "%20", "'", "%27").Replace(query)
		if got := len(s.rows(path)); got != want {
			t.Errorf("%s: %d rows, want %d", query, got, want)
		}
	}
	if got := s.rows("/api/v1/marts/dim_sessions?columns=session_id,tool_call_count&order=-session_id"); fmt.Sprint(got) != `[["s2",20] ["s1",20] ["s0",20]]` {
		t.Errorf("chosen columns in order: %v", got)
	}
}

// Pages fit together: by their links one gets every row once.
func testPages(t *testing.T, s *served) {
	seen := map[string]bool{}
	pages := 0
	for path := "/api/v1/marts/fct_tool_calls?columns=tool_call_key&limit=17&order=status"; path != ""; pages++ {
		_, body := s.get(path)
		var page struct {
			Rows [][]string
			Next string
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err, body)
		}
		for _, row := range page.Rows {
			seen[row[0]] = true
		}
		path = page.Next
	}
	if len(seen) != 60 || pages != 4 {
		t.Errorf("%d rows on %d pages, want 60 on 4", len(seen), pages)
	}
}

func testFormats(t *testing.T, s *served) {
	const path = "/api/v1/marts/dim_sessions?columns=session_id,session_start,tool_success_rate&order=session_id"
	response, body := s.do(http.MethodGet, path, "", "Accept: text/html, text/csv;q=0.9, application/json;q=0.1")
	lines, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || response.Header.Get("Content-Type") != "text/csv; charset=utf-8" || len(lines) != 4 || lines[1][1] != "2026-03-01T12:00:00Z" {
		t.Errorf("csv: %v %s", err, body)
	}
	response, body = s.do(http.MethodGet, path+"&format=arrow&limit=2", "")
	reader, err := ipc.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	if !reader.Next() || reader.RecordBatch().NumRows() != 2 || reader.RecordBatch().ColumnName(0) != "session_id" || response.Header.Get("X-Truncated") != "true" {
		t.Errorf("arrow: %v, truncated %s", reader.RecordBatch(), response.Header.Get("X-Truncated"))
	}
	_, body = s.do(http.MethodGet, path+"&format=objects", "")
	var objects []struct {
		Session string `json:"session_id"`
	}
	if err := json.Unmarshal([]byte(body), &objects); err != nil || len(objects) != 3 || objects[0].Session != "s0" {
		t.Errorf("objects: %v %s", err, body)
	}
	response, body = s.do(http.MethodGet, "/api/v1/catalog", "", "Accept-Encoding: gzip")
	if response.Header.Get("Content-Encoding") != "gzip" || !bytes.HasPrefix([]byte(body), []byte{0x1f, 0x8b}) {
		t.Errorf("not compressed: %v", response.Header)
	}
}

// A tag holds until the next refresh, and for one form only.
func testTags(t *testing.T, s *served) {
	for _, path := range []string{"/api/v1/marts/dim_sessions", "/api/v1/panels/tools", "/api/v1/panels/tools?format=csv", "/api/v1/query?sql=SELECT%201", "/api/v1/marts"} {
		first, _ := s.do(http.MethodGet, path, "")
		tag := first.Header.Get("ETag")
		again, body := s.do(http.MethodGet, path, "", "If-None-Match: W/"+tag)
		if tag == "" || again.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("%s: tag %q, then %d %s", path, tag, again.StatusCode, body)
		}
	}
	first, _ := s.do(http.MethodGet, "/api/v1/panels/tools", "")
	if other, _ := s.do(http.MethodGet, "/api/v1/panels/tools?format=csv", "", "If-None-Match: "+first.Header.Get("ETag")); other.StatusCode != http.StatusOK {
		t.Errorf("another form is taken for the same: %d", other.StatusCode)
	}
	for _, path := range []string{"/api/v1/panels/watermarks", "/api/v1/panels/tests?format=csv"} {
		if response, _ := s.do(http.MethodGet, path, ""); response.Header.Get("ETag") != "" || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s changes without a refresh, and has a tag", path)
		}
	}
	s.exec("INSERT INTO meta.refreshes SELECT * REPLACE (id + 1 AS id) FROM meta.refreshes ORDER BY id DESC LIMIT 1")
	if next, _ := s.do(http.MethodGet, "/api/v1/panels/tools", "", "If-None-Match: "+first.Header.Get("ETag")); next.StatusCode != http.StatusOK {
		t.Errorf("after a refresh: %d", next.StatusCode)
	}
}

func testQuery(t *testing.T, s *served) {
	post := func(kind, body string) (reply, string) {
		return s.do(http.MethodPost, "/api/v1/query", body, "Content-Type: "+kind)
	}
	for kind, body := range map[string]string{
		"application/json": `{"sql": "SELECT count(*) FROM marts.fct_tool_calls", "limit": 5}`,
		"application/sql":  "SELECT count(*) FROM marts.fct_tool_calls",
		"text/plain":       "FROM (SELECT count(*) FROM fct_tool_calls)",
	} {
		if response, text := post(kind, body); response.StatusCode != http.StatusOK || !strings.Contains(text, `"rows":[[60]]`) {
			t.Errorf("%s: %d %s", kind, response.StatusCode, text)
		}
	}
	if _, text := post("application/json", `{"sql": "FROM range(100)", "limit": 3}`); !strings.Contains(text, `"truncated":true`) || !strings.Contains(text, "[[0],[1],[2]]") {
		t.Errorf("limit: %s", text)
	}
	for _, test := range []struct {
		kind, body, code string
	}{
		{"application/json", `{"sql": "SELECT 1", "raw": true}`, api.CodeBadRequest},
		{"application/json", `{"sql": ""}`, api.CodeBadRequest},
		{"application/json", `{`, api.CodeBadRequest},
		{"application/json", `{"sql": "SELECT 1"} {"sql": "SELECT 2"}`, api.CodeBadRequest},
		{"application/sql", "SELECT '\xff'", api.CodeBadRequest},
		{"application/json", `{"sql": "SELECT 1", "limit": 1000000000}`, api.CodeBadRequest},
		{"application/xml", `<sql/>`, api.CodeBadRequest},
		{"application/sql", "SELECT nope FROM marts.fct_tool_calls", api.CodeBadSQL},
		{"application/sql", "SELECT * FROM raw.conversations", api.CodeBadSQL},
		{"application/sql", "SELEKT 1", api.CodeRefused},
		{"application/sql", "SELECT '2026-13-01'::DATE", api.CodeBadValue},
		{"application/sql", "SELECT " + strings.Repeat("1,", 40_000) + "1", api.CodeTooLarge},
		{"application/sql", "SELECT * FROM '/etc/../etc/passwd'", api.CodeRefused},
		{"application/sql", "SELECT list(i) FROM range(1000000000) r(i)", api.CodeMemory},
	} {
		if response, text := post(test.kind, test.body); response.StatusCode < 400 || code(text) != test.code {
			t.Errorf("%.60s: %d %.300s, want %s", test.body, response.StatusCode, text, test.code)
		}
	}
}

// Nothing that SQL can do to files, settings or data gets through, and nothing is left on the disk.
func testHostile(t *testing.T, s *served) {
	before := listing(t, s.files)
	for _, sql := range []string{
		"SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "FROM read_text('" + s.files + "/analytics.duckdb')",
		"SELECT * FROM glob('/*')", "COPY (SELECT 1) TO '" + s.files + "/out.csv'", "COPY marts.dim_sessions TO '" + s.files + "/out.parquet'",
		"EXPORT DATABASE '" + s.files + "/out'", "ATTACH '" + s.files + "/analytics.duckdb' AS live", "INSTALL httpfs", "LOAD httpfs",
		"SET enable_external_access = true", "PRAGMA memory_limit = '1TB'", "CREATE TABLE t (i INTEGER)", "CREATE TEMP TABLE t (i INTEGER)",
		"DROP TABLE marts.dim_sessions", "DELETE FROM dim_sessions", "UPDATE dim_sessions SET title = 'x'", "INSERT INTO dim_sessions SELECT * FROM dim_sessions",
		"SELECT 1; DROP TABLE dim_sessions", "CALL pragma_version()", "EXPLAIN ANALYZE DELETE FROM dim_sessions", "CHECKPOINT", "VACUUM", "BEGIN",
		"WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM read_text('/etc/hosts'), r) FROM r", "FROM sniff_csv('/etc/passwd')",
		"FROM parquet_metadata('" + s.files + "/x.parquet')", "SELECT * FROM duckdb_secrets()", "CREATE SECRET x (TYPE s3)", "ATTACH ':memory:' AS m", "EXECUTE p", "PREPARE p AS SELECT 1",
		"SELECT getenv('HOME')", "FROM query('SELECT 1')", "WITH x AS (FROM read_blob('/etc/*')) FROM x", "USE memory", "DETACH marts",
	} {
		response, body := s.do(http.MethodPost, "/api/v1/query", sql, "Content-Type: application/sql")
		if response.StatusCode != http.StatusBadRequest || code(body) != api.CodeRefused {
			t.Errorf("%s: %d %s", sql, response.StatusCode, body)
		}
	}
	if after := listing(t, s.files); after != before {
		t.Errorf("files before:\n%s\nafter:\n%s", before, after)
	}
	if status, body := s.get("/api/v1/query?format=objects&sql=" + url.QueryEscape("SELECT count(*) AS n FROM dim_sessions")); status != http.StatusOK || body != "[{\"n\":3}]\n" {
		t.Errorf("afterwards: %d %s", status, body)
	}
}

var (
	tableName = regexp.MustCompile(`\b(?:marts|meta|raw|staging|intermediate)\.\w+`)
	comment   = regexp.MustCompile(`(?m)--.*$`)
)

// Every panel whose models there are has an answer, over all days and over few; it names exactly the tables it reads.
func testPanels(t *testing.T, s *served) {
	models, err := project.Load(modeler.Models(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, panel := range panels.All() {
		var read []string
		for _, table := range tableName.FindAllString(comment.ReplaceAllString(panel.SQL, ""), -1) {
			if !slices.Contains(read, table) {
				read = append(read, table)
			}
		}
		declared := slices.Clone(panel.Models)
		slices.Sort(read)
		slices.Sort(declared)
		if !slices.Equal(read, declared) {
			t.Errorf("%s reads %v and declares %v", name, read, declared)
		}
		expected := http.StatusOK
		for _, needed := range slices.Concat(panel.Models, panel.Needs) {
			parts := strings.Split(needed, ".")
			node := models.Node(parts[1])
			switch {
			case parts[0] == "marts" && node == nil:
				expected = http.StatusNotFound
			case len(parts) == 3 && !slices.ContainsFunc(node.Columns, func(c project.Column) bool { return c.Name == parts[2] }):
				expected = http.StatusNotFound
			}
		}
		whole := "?to=9999-12-31"
		if slices.Contains(panel.Parameters, "session") {
			whole = "?session=s1&key=x"
			for _, query := range []string{"", "?key=x"} {
				if status, body := s.get("/api/v1/panels/" + name + query); status != http.StatusBadRequest || code(body) != api.CodeBadRequest {
					t.Errorf("%s%s, of no session: %d %s", name, query, status, body)
				}
			}
		}
		for _, query := range []string{whole, "?from=2026-03-02&to=2026-03-02&project=p0&project=x&model=m-0&tool=Bash&session=s1&search=fix&limit=1&offset=0&key=x", whole + "&from=2030-01-01", whole + "&format=csv&limit=100000"} {
			status, body := s.get("/api/v1/panels/" + name + query)
			if status != expected || expected == http.StatusNotFound && code(body) != api.CodeModelMissing {
				t.Errorf("%s%s: %d %.400s, want %d", name, query, status, body, expected)
			}
		}
	}
	if status, body := s.get("/api/v1/panels"); status != http.StatusOK || strings.Count(body, `"name"`) != len(panels.All()) {
		t.Errorf("list: %d %s", status, body)
	}
}

// The panels' figures are those of the models, and filters narrow them.
func testFigures(t *testing.T, s *served) {
	for path, want := range map[string]string{
		"overview_totals": `[["current",3,120,60,60,6,60,6600,600,0],["before",0,0,0,0,0,0,0,0,0]]`,
		"overview_totals?from=2026-03-03&to=2026-03-03":         `[["current",1,40,20,20,2,20,2200,200,0],["before",1,40,20,20,2,20,2200,200,0]]`,
		"overview_totals?project=p1":                            `[["current",1,40,20,20,2,20,2200,200,0],["before",0,0,0,0,0,0,0,0,0]]`,
		"data_range":                                            `[["2026-03-01","2026-03-03",3,"UTC"]]`,
		"task_categories":                                       `[["bug_fix",60,3]]`,
		"session_tools?session=s2":                              `[["Bash",10,0,0,600000],["Read",10,2,0,600000]]`,
		"tools_by_day?tool=Read&from=2026-03-02&to=2026-03-02":  `[["2026-03-02","file_operations",10,2]]`,
		"tokens_by_day?model=m-0&from=2026-03-01&to=2026-03-01": `[["2026-03-01","m-0",10,1000,100,0,0,1100,0]]`,
		"sessions?search=nothing":                               `[]`,
		"activity_by_day?from=2026-03-02&to=2026-03-02":         `[["2026-03-02",1,40,20,20,2,20,2200,200]]`,
	} {
		if got := "[" + strings.Join(s.rows("/api/v1/panels/"+path), ",") + "]"; got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	totals := s.rows("/api/v1/query?sql=" + url.QueryEscape("SELECT sum(messages)::INT, sum(human_prompts)::INT, sum(tool_calls)::INT, sum(total_tokens)::INT FROM marts.agg_daily_summary"))
	if fmt.Sprint(totals) != "[[120,60,60,6600]]" {
		t.Errorf("agg_daily_summary has %v", totals)
	}
}

func testCatalog(t *testing.T, s *served) {
	s.exec("INSERT INTO meta.test_results SELECT 'not_null_dim_sessions_session_id', 'dim_sessions', 'session_id', 'not_null', 'error', 'fail', 7, NULL, 0, now()")
	_, body := s.get("/api/v1/catalog")
	var catalog struct{ Tables []api.Table }
	if err := json.Unmarshal([]byte(body), &catalog); err != nil {
		t.Fatal(err)
	}
	tables := 0
	for _, table := range catalog.Tables {
		if table.Description == "" && table.Name != "vw_tool_calls" || table.SQL == "" || len(table.Upstream) == 0 {
			t.Errorf("%s is not described: %+v", table.Name, table)
		}
		if table.Name == "dim_sessions" {
			tables++
			if fmt.Sprint(table.Key) != "[session_key]" || table.Columns[0].Type != "VARCHAR" || table.Columns[0].Description != "md5 of session_id." {
				t.Errorf("dim_sessions: %+v", table)
			}
			if !slices.ContainsFunc(table.Tests, func(test api.Test) bool { return test.Status == "fail" && test.Failures == 7 }) {
				t.Errorf("tests: %+v", table.Tests)
			}
		}
	}
	if tables != 1 || len(catalog.Tables) < 7 {
		t.Errorf("%d tables", len(catalog.Tables))
	}
}

// An empty warehouse has answers, not errors.
func TestEmptyWarehouse(t *testing.T) {
	s := serve(t, "")
	for name := range panels.All() {
		if status, body := s.get("/api/v1/panels/" + name + "?session=s1&key=x"); status != http.StatusOK && code(body) != api.CodeModelMissing {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if got := fmt.Sprint(s.rows("/api/v1/panels/overview_totals")); got != `[["current",0,0,0,0,0,0,0,0,0] ["before",0,0,0,0,0,0,0,0,0]]` {
		t.Errorf("totals: %s", got)
	}
	for _, path := range []string{"/api/v1/marts/dim_sessions", "/api/v1/query?sql=FROM%20marts.dim_sessions", "/api/v1/marts/vw_tool_calls"} {
		if got := s.rows(path); len(got) != 0 {
			t.Errorf("%s: %v", path, got)
		}
	}
}
