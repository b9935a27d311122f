package sink

import (
	"github.com/apache/arrow-go/v18/arrow"

	"claude-analytics/sink/record"
)

// keepUnless makes what a rewriting of the lake asks of what says which rows go.
func keepUnless(goes func(record.KeyRow) bool) func(string, arrow.RecordBatch) ([]bool, error) {
	return func(_ string, rows arrow.RecordBatch) ([]bool, error) {
		batch, err := record.OpenKeys(rows)
		if err != nil {
			return nil, err
		}
		keep := make([]bool, batch.Rows())
		for i := range keep {
			row, err := batch.Row(i)
			if err != nil {
				return nil, err
			}
			keep[i] = !goes(row)
		}
		return keep, nil
	}
}
