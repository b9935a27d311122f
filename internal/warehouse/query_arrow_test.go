package warehouse

import (
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
)

func TestQueryArrowWithinLimits(t *testing.T) {
	db, path := marts(t)
	publish(t, db, path)
	c := openCopy(t, path)
	for _, test := range []struct {
		query     string
		limits    Limits
		rows      int64
		truncated bool
	}{
		{"SELECT * FROM marts.dim_sessions", Limits{}, 1000, false},
		{"SELECT * FROM marts.dim_sessions", Limits{Rows: 1000}, 1000, false},
		{"SELECT * FROM marts.dim_sessions", Limits{Rows: 999}, 999, true},
		{"SELECT i FROM range(100000) r(i)", Limits{Rows: 5000}, 5000, true},
		{"SELECT i FROM range(100000) r(i)", Limits{Rows: 100_000, Bytes: 1}, 2048, true},
		{"SELECT * FROM marts.dim_sessions WHERE false", Limits{}, 0, false},
	} {
		var rows int64
		truncated, _, err := c.QueryArrow(t.Context(), test.query, test.limits, func(reader array.RecordReader) error {
			for reader.Next() {
				rows += reader.RecordBatch().NumRows()
			}
			return nil
		})
		if err != nil || rows != test.rows || truncated != test.truncated {
			t.Errorf("%s within %+v: %d rows, truncated %v, %v; want %d, %v", test.query, test.limits, rows, truncated, err, test.rows, test.truncated)
		}
	}
	for _, query := range []string{"DELETE FROM marts.dim_sessions", "SELECT * FROM read_csv('/etc/passwd')", "EXPLAIN SELECT 1"} {
		if _, _, err := c.QueryArrow(t.Context(), query, Limits{}, func(array.RecordReader) error { return nil }); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v, want it refused", query, err)
		}
	}
}

func TestExplain(t *testing.T) {
	db, _ := marts(t)
	for _, query := range []string{"EXPLAIN SELECT * FROM marts.dim_sessions", " explain\nANALYZE FROM marts.dim_sessions;"} {
		result, err := db.Query(t.Context(), query, Limits{})
		if err != nil || len(result.Rows) == 0 || !strings.Contains(strings.ToLower(result.Rows[0][1].(string)), "dim_sessions") {
			t.Errorf("%s: %v, %v", query, result, err)
		}
	}
	for _, query := range []string{
		"EXPLAIN", "EXPLAIN DELETE FROM marts.dim_sessions", "EXPLAIN ANALYZE DELETE FROM marts.dim_sessions", "EXPLAIN SELECT 1; DELETE FROM marts.dim_sessions",
		"EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/x.csv'", "EXPLAIN EXPLAIN SELECT 1", "EXPLAIN SELECT * FROM read_csv('/etc/passwd')",
	} {
		if _, err := db.Query(t.Context(), query, Limits{}); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v, want it refused", query, err)
		}
	}
	if got := value(t, db, "SELECT count(*) FROM marts.dim_sessions"); got != "1000" {
		t.Errorf("%s sessions are left", got)
	}
}
