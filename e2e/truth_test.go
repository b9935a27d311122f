package e2e_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"claude-analytics/internal/generator"
)

// sums is a mart as the truth knows it: by key the counts, in the order of the query's columns.
type sums map[string][]int64

// comparison collects what is to be compared, so that the warehouse is asked once.
type comparison struct {
	queries []string
	want    map[string]map[string]string // by what is compared and by key
}

// add compares a query, whose first column is the key k, with the truth.
func (c *comparison) add(what, query string, want sums) {
	c.queries = append(c.queries, fmt.Sprintf("SELECT '%s' AS what, k::VARCHAR AS k, concat_ws(' ', *COLUMNS(* EXCLUDE (k))) AS v FROM (%s)", what, query))
	c.want[what] = map[string]string{}
	for key, counts := range want {
		c.want[what][key] = strings.Trim(fmt.Sprint(counts), "[]")
	}
}

// run asks, and names the rows that differ.
func (c *comparison) run(t *testing.T, data string) {
	t.Helper()
	got := map[string]map[string]string{}
	for what := range c.want {
		got[what] = map[string]string{}
	}
	for _, row := range rows(t, data, strings.Join(c.queries, " UNION ALL ")) {
		got[fmt.Sprint(row["what"])][fmt.Sprint(row["k"])] = fmt.Sprint(row["v"])
	}
	for _, what := range slices.Sorted(maps.Keys(c.want)) {
		keys := maps.Clone(c.want[what])
		maps.Copy(keys, got[what])
		faults := 0
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if have, want := got[what][key], c.want[what][key]; have != want && faults < 5 {
				t.Errorf("%s of %s: %q, the truth is %q", what, key, have, want)
				faults++
			}
		}
	}
}

// sameMartsAsTruth compares every count and sum of the marts that the generator knows. Days and hours are those of what has
// a time of its own: the rest falls on the day it was read.
func sameMartsAsTruth(t *testing.T, data string, truth *generator.Truth) {
	t.Helper()
	c := &comparison{want: map[string]map[string]string{}}
	sameDays(c, truth)
	sameSessions(c, truth)
	sameTools(c, truth)
	sameFiles(c, truth)
	c.add("dates", `SELECT 'all' AS k, (max(date_key) - min(date_key) + 1 - count(*))::BIGINT, count(*) FILTER (NOT (date_key = make_date(year, month, day)
		AND is_weekend = (day_name IN ('Saturday', 'Sunday')) AND week = week(date_key))) FROM marts.dim_date`, sums{"all": {0, 0}})
	c.run(t, data)
}

// timed restricts a mart to the rows whose record has a time of its own; the others stand on the day they were read.
const timed = "date_key < (SELECT min(extracted_at)::DATE FROM raw.conversations)"

func sameDays(c *comparison, truth *generator.Truth) {
	days, started := sums{}, sums{}
	for _, d := range truth.Days {
		if d.Date == "" {
			continue
		}
		if d.SessionsStarted > 0 {
			started[d.Date] = []int64{d.SessionsStarted}
		}
		if d.Prompts+d.Responses+d.ToolCalls > 0 {
			days[d.Date] = []int64{
				d.Prompts, d.Responses, d.ToolCalls, d.Tokens.Input, d.Tokens.Output, d.Tokens.CacheRead, d.Tokens.CacheCreation, d.Tokens.Total, d.Tokens.WebSearches,
			}
		}
	}
	c.add("day", `SELECT date_key AS k, user_messages, responses + api_errors, tool_calls, input_tokens, output_tokens,
		cache_read_tokens, cache_creation_tokens, total_tokens, web_search_requests
		FROM marts.agg_daily_summary WHERE user_messages + responses + api_errors + tool_calls > 0 AND `+timed, days)
	c.add("sessions started on", "SELECT date_key AS k, sessions_started FROM marts.agg_daily_summary WHERE sessions_started > 0 AND "+timed, started)

	hours, totals := sums{}, sums{}
	for _, h := range truth.Hours {
		if h.Messages+h.ToolCalls+h.Tokens == 0 {
			continue
		}
		hours[fmt.Sprintf("%s %02d", h.Date, h.Hour)] = []int64{h.Messages, h.ToolCalls, h.Tokens, h.Messages + h.ToolCalls}
		day := totals[h.Date]
		if day == nil {
			day = []int64{0, 0}
		}
		totals[h.Date] = []int64{day[0] + h.Messages, day[1] + h.ToolCalls}
	}
	c.add("hour", `SELECT printf('%s %02d', date_key::VARCHAR, hour_of_day) AS k, messages, tool_calls, total_tokens, total_activity
		FROM marts.agg_hourly_activity WHERE total_activity + total_tokens > 0 AND `+timed, hours)
	c.add("messages and calls on", "SELECT date_key AS k, messages, tool_calls FROM marts.agg_daily_summary WHERE messages + tool_calls + total_tokens > 0 AND "+timed, totals)
}

func sameSessions(c *comparison, truth *generator.Truth) {
	sessions := sums{}
	for _, s := range truth.PerSession {
		sessions[s.ID] = []int64{s.Prompts, s.Responses, s.ToolCalls, s.Tokens.Total, s.Tokens.Input, s.Tokens.Output, s.Tokens.CacheRead, s.Tokens.CacheCreation}
	}
	c.add("session", `SELECT m.session_id AS k, m.user_message_count, d.response_count + d.api_error_count, m.tool_call_count, m.total_tokens,
		m.input_tokens, m.output_tokens, m.cache_read_tokens, m.cache_creation_tokens
		FROM marts.agg_session_metrics m JOIN marts.dim_sessions d USING (session_key)`, sessions)
}

func sameTools(c *comparison, truth *generator.Truth) {
	efficiency, dimension := sums{}, sums{}
	for tool, n := range truth.Tools {
		total := int64(0)
		for _, count := range n {
			total += count
		}
		efficiency[tool] = []int64{total, n["success"], n["error"], n["timeout"], n["rejected"], n["denied"], n["cancelled"], n["interrupted"], n["pending"]}
		dimension[tool] = []int64{total}
	}
	const columns = "success_count, error_count, timeout_count, rejected_count, denied_count, cancelled_count, interrupted_count, pending_count"
	c.add("efficiency", "SELECT tool_name AS k, total_usage, "+columns+" FROM marts.agg_tool_efficiency WHERE total_usage > 0", efficiency)
	c.add("tool", "SELECT tool_name AS k, total_usage FROM marts.dim_tools WHERE total_usage > 0", dimension)
}

func sameFiles(c *comparison, truth *generator.Truth) {
	files := truth.FileOperations
	operations := sums{}
	for operation, statuses := range files.Operations {
		for status, n := range statuses {
			operations[operation+" "+status] = []int64{n}
		}
	}
	c.add("file operations", "SELECT operation_type || ' ' || status AS k, count(*) FROM marts.fct_file_operations GROUP BY 1", operations)
	counts := func(n generator.FileCount) []int64 {
		return []int64{n.Modified, n.Created, n.Read, n.Added, n.Removed}
	}
	days, sessions, types := sums{}, sums{}, sums{}
	for _, n := range files.Days {
		if n.Key == "" {
			continue
		}
		days[n.Key] = counts(n)
		types[n.Key] = []int64{n.Operations["read"], n.Operations["write"], n.Operations["edit"], n.Operations["multi_edit"]}
	}
	for _, n := range files.Sessions {
		sessions[n.Key] = counts(n)
	}
	const columns = "files_modified, files_created, files_read, lines_added, lines_removed"
	c.add("files", "SELECT date_key AS k, "+columns+" FROM marts.agg_code_changes WHERE "+timed, days)
	c.add("operations of the day", "SELECT date_key AS k, read_operations, write_operations, edit_operations, multi_edit_operations FROM marts.agg_code_changes WHERE "+timed, types)
	c.add("files of the day", "SELECT date_key AS k, files_modified, files_created, lines_added, lines_removed FROM marts.agg_daily_summary WHERE read_operations + write_operations + edit_operations > 0 AND "+timed,
		withoutReads(days))
	c.add("files of session", "SELECT session_id AS k, "+columns+" FROM marts.agg_session_metrics WHERE file_operation_count > 0", sessions)
}

func withoutReads(all sums) sums {
	out := sums{}
	for key, n := range all {
		out[key] = []int64{n[0], n[1], n[3], n[4]}
	}
	return out
}
