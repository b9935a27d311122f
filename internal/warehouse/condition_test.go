package warehouse

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestHoldsOneOf asks for rows by none, one, some and many values of columns of several types, with and without none.
func TestHoldsOneOf(t *testing.T) {
	db := open(t, Config{})
	run(t, db, `CREATE TABLE many AS SELECT n, 'it''s ' || n AS text, DATE '2025-01-01' + n::INTEGER AS day, n::DECIMAL(9, 2) AS money
		FROM range(5000) r(n) UNION ALL SELECT NULL, NULL, NULL, NULL`)
	for _, column := range []Column{{Name: "n", Type: "BIGINT"}, {Name: "text", Type: "VARCHAR"}, {Name: "day", Type: "DATE"}, {Name: "money", Type: "DECIMAL(9,2)"}} {
		for _, wanted := range []int{0, 1, 2, 1000, 1001} {
			want := value(t, db, fmt.Sprintf("SELECT coalesce(string_agg(%s::VARCHAR, '|' ORDER BY n DESC), '') FROM many WHERE n >= 5000 - %d", column.Name, wanted))
			values := strings.FieldsFunc(want, func(r rune) bool { return r == '|' })
			for _, null := range []bool{false, true} {
				got := value(t, db, fmt.Sprintf("SELECT coalesce(string_agg(coalesce(%s::VARCHAR, 'none'), '|' ORDER BY n DESC NULLS LAST), '') FROM many WHERE %s", column.Name, column.HoldsOneOf(values, null)))
				all := values
				if null {
					all = append(values[:len(values):len(values)], "none")
				}
				if len(values) != wanted || got != strings.Join(all, "|") {
					t.Errorf("%s, %d values, none: %v: %.100s", column.Name, wanted, null, got)
				}
			}
		}
	}
}

// TestValuesAreSoughtByTheScan fails if DuckDB comes to look for a few values after it has read all columns.
func TestValuesAreSoughtByTheScan(t *testing.T) {
	db := open(t, Config{})
	run(t, db, "CREATE TABLE many AS SELECT n::VARCHAR AS text, n FROM range(5000) r(n)")
	var key, plan string
	err := db.Read(t.Context(), func(ctx context.Context, tx *Tx) error {
		return tx.QueryRow(ctx, "EXPLAIN SELECT * FROM many WHERE "+Column{Name: "text", Type: "VARCHAR"}.HoldsOneOf([]string{"1", "2", "3"}, true)).Scan(&key, &plan)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, scan, _ := strings.Cut(plan, "SEQ_SCAN")
	if _, filters, found := strings.Cut(scan, "Filters:"); !found || !strings.Contains(filters, "list_contains") {
		t.Errorf("the scan does not filter:\n%s", plan)
	}
}
