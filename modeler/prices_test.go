package modeler_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
	"claude-analytics/modeler/project"
)

// A changed price list is applied by the next refresh, to what holds a cost and to nothing else; one with a fault is
// named with file and line, and the marts stay.
func TestChangedPrices(t *testing.T) {
	b := emptyBronze(t, openWarehouse(t))
	b.applyRecords(t, []record{{id: "000000000000000000000001", object: map[string]any{
		"type": "assistant", "uuid": "u", "sessionId": "s", "timestamp": "2026-02-01T00:00:00Z",
		"message": map[string]any{"id": "m", "role": "assistant", "model": "our-model", "content": "x", "usage": map[string]any{"input_tokens": 1000, "output_tokens": 10}},
	}}})
	file := filepath.Join(t.TempDir(), "prices.csv")
	write := func(rows string) {
		t.Helper()
		const head = "model_id,effective_from,input_usd,output_usd,cache_read_usd,cache_write_5m_usd,cache_write_1h_usd\n"
		if err := os.WriteFile(file, []byte(head+rows), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	costs := func() (request *string, session string) {
		t.Helper()
		err := b.db.Read(context.Background(), func(ctx context.Context, tx *warehouse.Tx) error {
			return tx.QueryRow(ctx, "SELECT (SELECT cost_usd::VARCHAR FROM marts.fct_api_requests), (SELECT cost_usd::VARCHAR FROM marts.dim_sessions)").Scan(&request, &session)
		})
		if err != nil {
			t.Fatal(err)
		}
		return request, session
	}
	m := newModeler(b.db, modeler.Config{ProjectFS: modeler.Models(), Prices: file})
	refresh := func() (modeler.Result, error) {
		return m.Refresh(context.Background(), modeler.Options{Reason: modeler.ReasonChange})
	}

	write("")
	if _, err := refresh(); err != nil {
		t.Fatal(err)
	}
	if request, session := costs(); request != nil || session != "0.000000000" {
		t.Errorf("without a price: %v, %s", request, session)
	}

	write("our-model,,2,30,0,0,0\n")
	result, err := refresh()
	if err != nil {
		t.Fatal(err)
	}
	if request, session := costs(); request == nil || *request != "0.002300000" || session != *request {
		t.Errorf("1,000 tokens at 2 and 10 at 30 millionths: %v, %s", request, session)
	}
	rebuilt, rows := map[string]bool{}, map[string]int64{}
	for _, model := range result.Models {
		rebuilt[model.Name], rows[model.Name] = model.Full, model.Rows
	}
	for _, name := range []string{"fct_api_requests", "fct_cost_attribution", "dim_sessions", "agg_daily_summary"} {
		if !rebuilt[name] {
			t.Errorf("%s was not computed anew: %v", name, rebuilt)
		}
	}
	for _, name := range []string{"fct_messages", "fct_tool_calls", "int_session_days", "fct_file_operations"} {
		if rebuilt[name] || rows[name] > 0 {
			t.Errorf("%s holds no cost, and was written", name)
		}
	}
	if result, err := refresh(); err != nil || !result.Nothing() {
		t.Errorf("nothing changed any more: %+v %v", result, err)
	}

	write("our-model,,2,30,0,0,0\nour-model,2026-01-01,1,1,0,0,0\n")
	_, err = refresh()
	var faults project.Faults
	if !errors.As(err, &faults) || faults[0].File != file || faults[0].Line != 3 || !strings.Contains(faults[0].Message, "in line 2") {
		t.Errorf("overlapping prices: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := refresh(); err == nil || !strings.Contains(err.Error(), "PRICES") {
		t.Errorf("a price list that is gone: %v", err)
	}
	if request, _ := costs(); request == nil || *request != "0.002300000" {
		t.Errorf("the marts did not stay: %v", request)
	}
}
