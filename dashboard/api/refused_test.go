package api_test

import (
	"net/http"
	"strings"
	"testing"

	"claude-analytics/dashboard/api"
)

// What cannot be answered is refused with a reason, before anything is asked of the warehouse.
func testRefused(t *testing.T, s *served) {
	mart := "/api/v1/marts/fct_tool_calls?"
	for path, want := range map[string]string{
		"/api/v1/marts/raw.conversations":                         api.CodeUnknownTable,
		"/api/v1/marts/..%2f..%2fetc%2fpasswd":                    api.CodeUnknownTable,
		"/api/v1/marts/fct_tool_calls%22%3B%20DROP%20TABLE%20x--": api.CodeUnknownTable,
		"/api/v1/marts/watermarks":                                api.CodeUnknownTable,
		"/api/v1/panels/..%2fopenapi":                             api.CodeUnknownPanel,
		"/api/v1/nothing":                                         api.CodeNotFound,
		"/api/v1/":                                                api.CodeNotFound,
		"/api/v1/marts?x=1":                                       api.CodeBadRequest,
		mart + "nope=1":                                           api.CodeUnknownName,
		mart + "columns=status,nope":                              api.CodeUnknownName,
		mart + "columns=status,status&format=objects":             api.CodeBadRequest,
		mart + "status=%ff":                                       api.CodeBadRequest,
		mart + "st%fftus=a":                                       api.CodeBadRequest,
		"/api/v1/marts/%ff":                                       api.CodeBadRequest,
		"/api/v1/panels/%ff":                                      api.CodeBadRequest,
		"/api/v1/documents/lane/%ff":                              api.CodeBadRequest,
		"/api/v1/panels/sessions?search=%ff":                      api.CodeBadRequest,
		"/api/v1/panels/sessions?search=a&search=b":               api.CodeBadRequest,
		"/api/v1/panels/sessions?order=-cost_usd":                 api.CodeBadValue,
		"/api/v1/panels/sessions?zone=UTC":                        api.CodeBadRequest,
		"/api/v1/panels/sessions?limit=1001":                      api.CodeBadRequest,
		"/api/v1/panels/tools?from=0000-12-31":                    api.CodeBadValue,
		"/api/v1/panels/tools?to=10000-01-01":                     api.CodeBadValue,
		"/api/v1/panels/tools?from=2025-02-30":                    api.CodeBadValue,
		"/api/v1/query?sql=SELECT%201&sql=SELECT%202":             api.CodeBadRequest,
		"/api/v1/query?sql=SELECT%20%27%ff%27":                    api.CodeBadRequest,
		mart + "order=1":                                          api.CodeUnknownName,
		mart + "order=status,tool_name,date_key,cwd,model,status": api.CodeBadRequest,
		mart + "status__regexp=x":                                 api.CodeBadRequest,
		mart + "date_key=yesterday":                               api.CodeBadValue,
		mart + "tool_sequence=1e99":                               api.CodeBadValue,
		mart + "date_key__like=2026%25":                           api.CodeBadRequest,
		mart + "status__null=maybe":                               api.CodeBadRequest,
		mart + "limit=0":                                          api.CodeBadRequest,
		mart + "limit=1000000":                                    api.CodeBadRequest,
		mart + "limit=1&limit=2":                                  api.CodeBadRequest,
		mart + "offset=-1":                                        api.CodeBadRequest,
		mart + "format=xml":                                       api.CodeBadRequest,
		mart + "status=%zz":                                       api.CodeBadRequest,
		mart + strings.Repeat("status=a&", 30):                    api.CodeBadRequest,
		mart + "status__in=" + strings.Repeat("a,", 1000):         api.CodeBadRequest,
		mart + "status=" + strings.Repeat("a", 20_000):            api.CodeTooLarge,
		"/api/v1/panels/tools?from=2026-13-01":                    api.CodeBadValue,
		"/api/v1/panels/tools?from=2026-03-02&to=2026-03-01":      api.CodeBadRequest,
		"/api/v1/panels/tools?from=2026-03-01'":                   api.CodeBadValue,
		"/api/v1/panels/tools?limit=x":                            api.CodeBadRequest,
		"/api/v1/panels/tools?" + strings.Repeat("tool=a&", 200):  api.CodeBadRequest,
		"/api/v1/query":                                           api.CodeBadRequest,
	} {
		if status, body := s.get(path); status < 400 || code(body) != want {
			t.Errorf("%.80s: %d %.300s, want %s", path, status, body, want)
		}
	}
	for _, method := range []string{http.MethodDelete, http.MethodPut, http.MethodPost} {
		for _, path := range []string{"/api/v1/catalog", "/api/v1/marts/dim_sessions", "/api/v1/panels/tools", "/api/v1/documents/lane/0061"} {
			if response, body := s.do(method, path, ""); response.StatusCode != http.StatusMethodNotAllowed || code(body) != api.CodeMethod {
				t.Errorf("%s %s: %d %s", method, path, response.StatusCode, body)
			}
		}
		if response, _ := s.do(method, "/api/v1/marts/", ""); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s of no table: %d", method, response.StatusCode)
		}
	}
}
