package models_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"claude-analytics/modeler"
)

// TestBlocksOverWeeks compares the five-hour blocks of years, with rests from none to months, with a walk from hour to
// hour: the model walks each week alone, and a block may begin in one and end in the next.
func TestBlocksOverWeeks(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	hour := time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(random.IntN(400)) * time.Hour)
	var lines []string
	type block struct {
		start    time.Time
		requests int
	}
	blocks := []block{{start: hour}}
	for i := range 1500 {
		at := hour.Add(time.Duration(random.IntN(3600)) * time.Second)
		lines = append(lines, fmt.Sprintf(`{"type":"assistant","uuid":"a%[1]d","sessionId":"s","timestamp":"%[2]s","message":{"id":"m%[1]d","role":"assistant","model":"claude-haiku-4-5","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}`,
			i, at.Format(time.RFC3339)))
		if !hour.Before(blocks[len(blocks)-1].start.Add(5 * time.Hour)) {
			blocks = append(blocks, block{start: hour})
		}
		blocks[len(blocks)-1].requests++
		switch random.IntN(40) {
		case 0:
			hour = hour.Add(time.Duration(random.IntN(200)) * time.Hour)
		case 1:
			hour = hour.Add(time.Duration(random.IntN(2000)) * time.Hour)
		default:
			hour = hour.Add(time.Duration(random.IntN(3)) * time.Hour)
		}
	}
	documents, err := transcript("-app/s.jsonl", []byte(strings.Join(lines, "\n")), 0)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorkshop(t)
	w.apply(t, documents)
	w.refresh(t, modeler.Options{Full: true, Select: []string{"+fct_blocks_5h"}})
	want := make([]string, len(blocks))
	for i, b := range blocks {
		want[i] = fmt.Sprintf("%s | %d", b.start.Format(time.DateTime), b.requests)
	}
	got := rowsOf(t, w.db, "SELECT strftime(timezone('UTC', block_start), '%Y-%m-%d %H:%M:%S'), api_requests FROM marts.fct_blocks_5h ORDER BY 1")
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("seed %d:\n%s", seed, difference(b, a))
	}
}
