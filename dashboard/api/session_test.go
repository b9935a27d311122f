package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"claude-analytics/dashboard/api"
)

// step is a row of session_timeline, as far as the tests look at it.
type step struct {
	Kind, What, Key string
	Text, Result    *string
	Status          *string
	Steps, Turn     int
	TotalTokens     *int
	Input           *string
}

func (s *served) steps(query string) []step {
	s.t.Helper()
	status, body := s.get("/api/v1/panels/session_timeline?format=objects&" + query)
	var rows []struct {
		Kind, What, Key             string
		Text, Result, Status, Input *string
		Steps                       int
		Turn                        int  `json:"turn_number"`
		TotalTokens                 *int `json:"total_tokens"`
	}
	if err := json.Unmarshal([]byte(body), &rows); err != nil || status != http.StatusOK {
		s.t.Fatalf("%s: %d %v %s", query, status, err, body)
	}
	out := make([]step, len(rows))
	for i, r := range rows {
		out[i] = step{Kind: r.Kind, What: r.What, Key: r.Key, Text: r.Text, Result: r.Result, Status: r.Status, Input: r.Input, Steps: r.Steps, Turn: r.Turn, TotalTokens: r.TotalTokens}
	}
	return out
}

// A session's steps come in order, with what was said and what it took; pages fit together; a page is narrowed by kind.
func testSteps(t *testing.T, s *served) {
	all := s.steps("session=s1&limit=1000")
	if len(all) != 60 || all[0].Steps != 60 {
		t.Fatalf("%d steps, %d said", len(all), all[0].Steps)
	}
	first, response, call := all[0], all[1], all[2]
	if first.Kind != "message" || *first.Text != "fix the bug" || first.TotalTokens != nil || first.Turn != 1 ||
		response.What != "response" || *response.Text != "done" || *response.TotalTokens != 110 ||
		call.Kind != "tool_call" || *call.Input != "{}" || *call.Result != "output" {
		t.Errorf("%+v %+v %+v", first, response, call)
	}
	var paged []step
	for offset := 0; offset < 60; offset += 7 {
		paged = append(paged, s.steps(fmt.Sprintf("session=s1&limit=7&offset=%d", offset))...)
	}
	for i := range all {
		if paged[i].Key != all[i].Key || len(paged) != 60 {
			t.Fatalf("step %d is %+v when paged, of %d", i, paged[i], len(paged))
		}
	}
	for query, want := range map[string]int{"only=prompts": 20, "only=errors": 2, "only=tools": 20, "agent=main": 60, "agent=nobody": 0, "agent=main&only=prompts": 20} {
		if got := len(s.steps("session=s1&limit=1000&" + query)); got != want {
			t.Errorf("%s: %d steps, want %d", query, got, want)
		}
	}
	if got := s.steps("session=nothing"); len(got) != 0 {
		t.Errorf("a session that is not there: %v", got)
	}
	whole := s.rows("/api/v1/panels/step_content?session=s1&key=" + call.Key)
	if len(whole) != 2 || !strings.Contains(whole[0], `"tool_use"`) || !strings.Contains(whole[1], `"output"`) {
		t.Errorf("a call, whole: %v", whole)
	}
	if whole := s.rows("/api/v1/panels/step_content?session=s1&key=" + response.Key); len(whole) != 1 || !strings.Contains(whole[0], `"done"`) {
		t.Errorf("a response, whole: %v", whole)
	}
	for query, want := range map[string]string{"only=everything": api.CodeBadValue, "order=random()": api.CodeBadValue, "only=errors'--": api.CodeBadValue} {
		if status, body := s.get("/api/v1/panels/sessions?" + strings.ReplaceAll(query, "'", "%27")); status != http.StatusBadRequest || code(body) != want {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
	if got := s.rows("/api/v1/panels/sessions?order=cost&only=errors"); len(got) != 3 {
		t.Errorf("sessions with errors: %v", got)
	}
}

// What reaches beyond the warehouse is asked for by order, and refused for what is not there.
func testDocuments(t *testing.T, s *served) {
	status, body := s.get("/api/v1/documents/lane/0061")
	if status != http.StatusOK || !strings.Contains(body, `"seq":61`) || !strings.Contains(body, `{"epoch":1}`) {
		t.Errorf("%d %s", status, body)
	}
	for _, path := range []string{"lane/nothing", "other/0061", "lane/..%2f..%2fetc%2fpasswd", "lane/0061%27%20OR%201=1--"} {
		if status, body := s.get("/api/v1/documents/" + path); status != http.StatusNotFound || code(body) != api.CodeNotFound {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// Letters are retried and dropped only by a request that says which, as JSON.
func testLetters(t *testing.T, s *served) {
	if status, body := s.get("/api/v1/dead-letters?reason=too_large&limit=7"); status != http.StatusOK || !strings.Contains(body, `"asked":{"action":"list","reason":"too_large","limit":7}`) {
		t.Errorf("list: %d %s", status, body)
	}
	if status, body := s.get("/api/v1/dead-letters/abc"); status != http.StatusOK || !strings.Contains(body, `"ids":["abc"]`) {
		t.Errorf("show: %d %s", status, body)
	}
	post := func(action, kind, body string) (int, string) {
		response, text := s.do(http.MethodPost, "/api/v1/dead-letters/"+action, body, "Content-Type: "+kind)
		return response.StatusCode, text
	}
	for _, action := range []string{"retry", "drop"} {
		if status, body := post(action, "application/json", `{"ids":["a","b"]}`); status != http.StatusOK || !strings.Contains(body, `"action":"`+action+`","ids":["a","b"]`) {
			t.Errorf("%s: %d %s", action, status, body)
		}
		for _, test := range []struct{ kind, body, code string }{
			{"application/json", `{}`, api.CodeBadRequest},
			{"application/json", `{"ids":[]}`, api.CodeBadRequest},
			{"application/json", `{"all":false}`, api.CodeBadRequest},
			{"application/json", `{"action":"drop","all":true}`, api.CodeBadRequest},
			{"application/json", `{"all":true} {"all":true}`, api.CodeBadRequest},
			{"application/json", `all`, api.CodeBadRequest},
			{"application/json", `{"ids":["` + strings.Repeat("a", 70_000) + `"]}`, api.CodeTooLarge},
			{"text/plain", `{"all":true}`, api.CodeBadRequest},
			{"application/x-www-form-urlencoded", `all=true`, api.CodeBadRequest},
		} {
			if status, body := post(action, test.kind, test.body); status < 400 || code(body) != test.code {
				t.Errorf("%s %.40s: %d %.200s, want %s", action, test.body, status, body, test.code)
			}
		}
		if response, body := s.do(http.MethodGet, "/api/v1/dead-letters/"+action+"?all=true", ""); response.StatusCode != http.StatusBadRequest {
			t.Errorf("by a link: %d %s", response.StatusCode, body)
		}
	}
}
