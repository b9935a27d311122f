package models_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"claude-analytics/modeler"
)

// TestHoursAddUp compares what days and hours say, which is summed over hours of sessions, with messages, calls and requests
// counted one by one; in a time zone half an hour beside UTC, where an hour of one lies in two of the other. Responses that
// stand for API errors are among them, and results without their call.
func TestHoursAddUp(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorkshopIn(t, "Asia/Kolkata")
	for batch := range 3 {
		w.apply(t, hoursOf(t, random, batch))
		w.refresh(t, modeler.Options{})
	}
	if n := rowsOf(t, w.db, "SELECT count(*) > 100 AND count(*) FILTER (WHERE is_api_error) > 5 AND count(DISTINCT date_key - date_utc) = 2 FROM intermediate.int_session_hours"); n[0] != "true" {
		t.Fatalf("seed %d: too little to compare", seed)
	}
	for name, query := range map[string]string{
		"hours": `SELECT date_key, hour_of_day, day_of_week, messages, user_messages, tool_calls, tool_errors, api_requests, total_tokens, cost_usd, unpriced_requests, sessions FROM marts.agg_hourly_activity
			EXCEPT ALL
			SELECT date_key, hour_of_day, any_value(day_of_week), coalesce(sum(messages), 0), coalesce(sum(users), 0), count(status), count(*) FILTER (WHERE status IN ('error', 'timeout')),
				count(*) FILTER (WHERE request AND NOT is_api_error), coalesce(sum(total_tokens), 0), coalesce(sum(cost_usd), 0), count(*) FILTER (WHERE request AND NOT is_priced), count(DISTINCT session_id)
			FROM (SELECT date_key, hour_of_day, day_of_week, session_id, (role = 'user' OR content_length > 0)::INT AS messages, (role = 'user')::INT AS users FROM marts.fct_messages
				UNION ALL BY NAME SELECT date_key, hour_of_day, day_of_week, session_id, status FROM marts.fct_tool_calls WHERE status <> 'orphan_result'
				UNION ALL BY NAME SELECT date_key, hour_of_day, day_of_week, session_id, true AS request, is_api_error, is_priced, total_tokens, cost_usd FROM marts.fct_api_requests) GROUP BY ALL`,
		"days": `SELECT date_key, unique_tools, responses, api_errors, output_tokens, tool_successes FROM marts.agg_daily_summary
			EXCEPT ALL
			SELECT date_key, count(DISTINCT tool_name), count(*) FILTER (WHERE message_kind = 'response'), count(*) FILTER (WHERE is_api_error), coalesce(sum(output_tokens), 0), count(*) FILTER (WHERE status = 'success')
			FROM (SELECT date_key, message_kind, is_api_error FROM marts.fct_messages
				UNION ALL BY NAME SELECT date_key, CASE WHEN status <> 'orphan_result' THEN tool_name END AS tool_name, status FROM marts.fct_tool_calls
				UNION ALL BY NAME SELECT date_key, output_tokens FROM marts.fct_api_requests) GROUP BY ALL`,
		"hours of requests": `SELECT hour_start, date_utc, first_at, last_at, api_requests, input_tokens, cost_usd, unpriced_tokens, models FROM intermediate.int_request_hours
			EXCEPT ALL
			SELECT date_trunc('hour', timezone('UTC', created_at)) AS hour, date_utc, min(created_at), max(created_at), count(*), sum(input_tokens), coalesce(sum(cost_usd), 0),
				coalesce(sum(total_tokens) FILTER (WHERE NOT is_priced), 0), list_sort(list(DISTINCT model)) FROM marts.fct_api_requests WHERE NOT is_api_error GROUP BY ALL`,
	} {
		a, b, _ := strings.Cut(query, "EXCEPT ALL")
		for _, q := range []string{query, b + " EXCEPT ALL " + a} {
			if rows := rowsOf(t, w.db, q); len(rows) > 0 {
				t.Errorf("seed %d: %s differ:\n%s", seed, name, strings.Join(rows[:min(5, len(rows))], "\n"))
			}
		}
	}
}

// hoursOf is a batch of records of ten sessions, scattered over a week.
func hoursOf(t *testing.T, random *rand.Rand, batch int) []bronzeDocument {
	t.Helper()
	lines := map[int][]string{}
	for i := range 200 {
		session, id := random.IntN(10), fmt.Sprintf("%d-%d", batch, i)
		at := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(random.IntN(7*24*60)) * time.Minute).Format(time.RFC3339)
		head := fmt.Sprintf(`"uuid":"u%s","sessionId":"s%d","timestamp":"%s"`, id, session, at)
		usage := fmt.Sprintf(`"usage":{"input_tokens":%d,"output_tokens":%d}`, random.IntN(1000), random.IntN(1000))
		model := []string{"claude-haiku-4-5", "claude-opus-4-6", "of-nobody"}[random.IntN(3)]
		tool := []string{"Read", "Bash", "Grep"}[random.IntN(3)]
		lines[session] = append(lines[session], []string{
			fmt.Sprintf(`{"type":"user",%s,"message":{"role":"user","content":"Do it"}}`, head),
			fmt.Sprintf(`{"type":"assistant",%s,"message":{"id":"m%s","role":"assistant","model":"%s","content":[{"type":"text","text":"Done."}],%s}}`, head, id, model, usage),
			fmt.Sprintf(`{"type":"assistant",%s,"message":{"id":"m%s","role":"assistant","model":"%s","content":[{"type":"tool_use","id":"t%s","name":"%s","input":{}}],%s}}`, head, id, model, id, tool, usage),
			fmt.Sprintf(`{"type":"user",%s,"message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"t%d-%d","is_error":%v,"content":"x"}]}}`, head, batch, random.IntN(200), random.IntN(2) == 0),
			fmt.Sprintf(`{"type":"assistant",%s,"isApiErrorMessage":true,"message":{"id":"e%s","role":"assistant","model":"<synthetic>","content":[{"type":"text","text":"API Error"}],"usage":{"input_tokens":0,"output_tokens":0}}}`, head, id),
		}[random.IntN(5)])
	}
	var out []bronzeDocument
	for session := range 10 {
		documents, err := transcript(fmt.Sprintf("-app/s%d-%d.jsonl", session, batch), []byte(strings.Join(lines[session], "\n")), uint64(batch*1000+session*100))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, documents...)
	}
	return out
}
