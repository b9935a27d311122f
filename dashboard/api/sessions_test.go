package api_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// spoken are sessions of one response each, in Auckland, where a day begins at 11:00Z in summer: three around the
// midnight of 30 November, one of two models, twenty-two that run, and one of a clock that is twelve years ahead.
const spoken = `
CREATE TEMP TABLE said AS
SELECT * FROM (VALUES
    ('early', TIMESTAMPTZ '2025-11-29 10:58:00Z', 'opus', 'p1', 'b1'), ('late', TIMESTAMPTZ '2025-11-29 11:02:00Z', 'opus', 'p1', 'B0'),
    ('later', TIMESTAMPTZ '2025-11-29 20:00:00Z', 'opus', 'p2', NULL), ('later', TIMESTAMPTZ '2025-11-29 20:00:10Z', 'opus', 'p2', NULL),
    ('later', TIMESTAMPTZ '2025-11-29 20:01:00Z', 'haiku', 'p2', NULL), ('ahead', now() + INTERVAL 4400 DAYS, 'opus', 'p1', 'b9')
) AS t(session, moment, model, project, branch)
UNION ALL
SELECT format('runs{:02}', i), now() - INTERVAL 1 MINUTE - INTERVAL 1 SECOND * i, 'opus', 'q' || i, 'c' || i FROM range(22) r(i);
INSERT INTO raw.conversations BY NAME
SELECT format('{:04}', i) AS _id, 'assistant' AS type, session AS session_id, project AS project_id, branch AS git_branch,
    moment AS timestamp, moment AS effective_timestamp, 'timestamp' AS timestamp_source, now() AS extracted_at, 'assistant' AS message_role, 'assistant' AS source_type,
    moment::DATE AS date, 'lane' AS source, 'n' AS namespace, 1 AS _epoch, i AS _seq, 'u' || i AS uuid, 'r' || i AS response_key, model, 100 AS input_tokens, 10 AS output_tokens,
    false AS is_meta, false AS is_compact_summary, false AS is_api_error, false AS is_nested, 0 AS redaction_version, i AS _key, 4 AS content_length
FROM (SELECT *, row_number() OVER (ORDER BY moment) AS i FROM said);
DROP TABLE said`

// named gives the values of one column of a panel's answer.
func (s *served) named(path, column string) string {
	s.t.Helper()
	status, body := s.get("/api/v1/panels/" + path)
	var page struct {
		Columns []struct{ Name string }
		Rows    [][]any
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil || status != 200 {
		s.t.Fatalf("%s: %d %v %s", path, status, err, body)
	}
	var out []string
	for i, c := range page.Columns {
		for _, row := range page.Rows {
			if c.Name == column {
				out = append(out, fmt.Sprint(row[i]))
			}
		}
	}
	return strings.Join(out, " ")
}

func TestSessionsOfDaysModelsAndClocks(t *testing.T) {
	s := serveIn(t, "Pacific/Auckland", spoken)
	for _, test := range []struct{ what, path, column, want string }{
		{"days are the report's", "sessions?from=2025-11-30&to=2025-11-30&order=title", "session_id", "later late"},
		{"and end where the next begins", "sessions?from=2025-11-29&to=2025-11-29", "session_id", "early"},
		{"a model that was used at all", "sessions?from=2025-11-30&to=2025-11-30&model=haiku", "session_id", "later"},
		{"as the models say", "models?from=2025-11-30&to=2025-11-30", "sessions", "2 1"},
		{"and the sessions with most tokens", "top_sessions?from=2025-11-30&to=2025-11-30&model=haiku", "session_id", "later"},
		{"a model of other days", "sessions?from=2025-11-29&to=2025-11-29&model=haiku", "session_id", ""},
		{"sorted by tokens", "sessions?to=2025-11-30&order=tokens", "session_id", "later late early"},
		{"the other way round", "sessions?to=2025-11-30&order=-tokens", "session_id", "late early later"},
		{"by branch, none last", "sessions?to=2025-11-30&order=branch", "session_id", "late early later"},
		{"by branch backwards, none last", "sessions?to=2025-11-30&order=-branch", "session_id", "early late later"},
		{"by project", "sessions?to=2025-11-30&order=project", "session_id", "late early later"},
		{"oldest first, across pages", "sessions?to=2025-11-30&order=-latest&limit=1&offset=1", "session_id", "late"},
		{"what is ahead does not run", "sessions_running?limit=1", "session_id", "runs00"},
		{"how many run, not how many are asked for", "sessions_running?limit=1", "running", "22"},
		{"the first day", "data_range", "first_day", "2025-11-29"},
		{"the zone", "data_range", "zone", "Pacific/Auckland"},
		{"failed calls", "tool_failures", "failures", ""},
		{"projects beyond the limit", "cost_by_project?limit=2", "projects", "24 24"},
	} {
		if got := s.named(test.path, test.column); got != test.want {
			t.Errorf("%s: %s of %s: %q, want %q", test.what, test.column, test.path, got, test.want)
		}
	}
	zone, err := time.LoadLocation("Pacific/Auckland")
	if err != nil {
		t.Fatal(err)
	}
	today, ahead := time.Now().In(zone), time.Now().AddDate(0, 0, 4400).In(zone)
	if got := s.named("data_range", "last_day"); got != today.Format(time.DateOnly) && got != today.Add(-5*time.Minute).Format(time.DateOnly) {
		t.Errorf("the last day is %s, of a record that is ahead", got)
	}
	if got := s.named("sessions?from="+ahead.AddDate(0, 0, -1).Format(time.DateOnly), "session_id"); got != "ahead" {
		t.Errorf("what is ahead, asked for: %q", got)
	}
	response, body := s.do("GET", "/api/v1/panels/sessions_running?limit=100000&format=csv", "")
	if lines := strings.Count(body, "\n"); lines != 23 || response.Header.Get("X-Truncated") != "false" || response.Header.Get("ETag") != "" {
		t.Errorf("%d lines, %v", lines, response.Header)
	}
	testShares(t, s)
}

// What is cut from a list of shares is still in it, as one row; totals are of all.
func testShares(t *testing.T, s *served) {
	s.exec("UPDATE marts.fct_api_requests SET cost_usd = 1, is_priced = true; UPDATE marts.fct_cost_attribution SET cost_usd = 1, is_priced = true")
	s.exec("INSERT INTO meta.refreshes SELECT * REPLACE (id + 1 AS id) FROM meta.refreshes ORDER BY id DESC LIMIT 1")
	sum := func(path, column, dimension string) (rows int, total float64, last string) {
		status, body := s.get("/api/v1/panels/" + path + "&format=objects")
		var all []map[string]any
		if err := json.Unmarshal([]byte(body), &all); err != nil {
			t.Fatal(status, body)
		}
		for _, row := range all {
			if row["dimension"] == dimension || dimension == "" {
				rows++
				total += row[column].(float64)
				last, _ = row["name"].(string)
			}
		}
		return rows, total, last
	}
	if rows, total, last := sum("cost_attribution?", "cost_usd", "branch"); rows != 21 || total != 28 || last != "(6 others)" {
		t.Errorf("branches: %d rows of %v, the last is %s", rows, total, last)
	}
	if rows, total, last := sum("cost_attribution?", "cost_usd", "tool"); rows != 1 || total != 28 || last != "answer" {
		t.Errorf("tools: %d rows of %v, the last is %s", rows, total, last)
	}
	if rows, total, _ := sum("cost_by_project?limit=3", "all_cost_usd", ""); rows != 3 || total != 3*28 {
		t.Errorf("projects: %d rows of %v", rows, total)
	}
	s.exec(`INSERT INTO marts.fct_api_requests SELECT * EXCLUDE (i) REPLACE ('one of ' || i AS model, 0 AS cost_usd) FROM (FROM marts.fct_api_requests LIMIT 1), range(1500) r(i)`)
	s.exec("INSERT INTO meta.refreshes SELECT * REPLACE (id + 1 AS id) FROM meta.refreshes ORDER BY id DESC LIMIT 1")
	if rows, total, _ := sum("cost_by_day?", "cost_usd", ""); rows < 1500 || total != 28 {
		t.Errorf("days and models: %d rows of %v", rows, total)
	}
	if rows, total, _ := sum("cost_by_model?limit=1&to="+url.QueryEscape("2025-11-30"), "all_cost_usd", ""); rows != 1 || total != 5 {
		t.Errorf("models: %d rows of %v", rows, total)
	}
}
