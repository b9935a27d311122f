package warehouse

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestHoldsOneOf asks for rows by none, one, some and many values of columns of several types, with and without none.
func TestHoldsOneOf(t *testing.T) {
	db := open(t, Config{Path: t.TempDir() + "/w.duckdb"})
	ctx := context.Background()
	err := db.Write(ctx, "test", func(ctx context.Context, tx *Tx) error {
		if _, err := tx.Exec(ctx, `CREATE TEMP TABLE many AS SELECT n, 'it''s ' || n AS text, DATE '2025-01-01' + n::INTEGER AS day, n::DECIMAL(9, 2) AS money
			FROM range(5000) r(n) UNION ALL SELECT NULL, NULL, NULL, NULL`); err != nil {
			return err
		}
		for _, column := range []Column{{Name: "n", Type: "BIGINT"}, {Name: "text", Type: "VARCHAR"}, {Name: "day", Type: "DATE"}, {Name: "money", Type: "DECIMAL(9,2)"}} {
			for _, wanted := range []int{0, 1, 2, 1000, 1001} {
				values, err := texts(ctx, tx, fmt.Sprintf("SELECT %s::VARCHAR FROM many WHERE n IS NOT NULL ORDER BY n DESC LIMIT %d", column.Name, wanted))
				if err != nil {
					return err
				}
				for _, null := range []bool{false, true} {
					got, err := texts(ctx, tx, fmt.Sprintf("SELECT coalesce(%s::VARCHAR, 'none') FROM many WHERE %s ORDER BY n DESC NULLS LAST", column.Name, column.HoldsOneOf(values, null)))
					if err != nil {
						return err
					}
					want := strings.Join(values, "\n")
					if null {
						want = strings.Join(append(values[:len(values):len(values)], "none"), "\n")
					}
					if strings.Join(got, "\n") != want {
						t.Errorf("%s, %d values, none: %v: %d rows", column.Name, wanted, null, len(got))
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestValuesAreSoughtByTheScan fails if DuckDB comes to look for a few values after it has read all columns.
func TestValuesAreSoughtByTheScan(t *testing.T) {
	db := open(t, Config{Path: t.TempDir() + "/w.duckdb"})
	err := db.Write(context.Background(), "test", func(ctx context.Context, tx *Tx) error {
		if _, err := tx.Exec(ctx, "CREATE TEMP TABLE many AS SELECT n::VARCHAR AS text, n FROM range(5000) r(n)"); err != nil {
			return err
		}
		var key, plan string
		where := Column{Name: "text", Type: "VARCHAR"}.HoldsOneOf([]string{"1", "2", "3"}, true)
		if err := tx.QueryRow(ctx, "EXPLAIN SELECT * FROM many WHERE "+where).Scan(&key, &plan); err != nil {
			return err
		}
		_, scan, _ := strings.Cut(plan, "SEQ_SCAN")
		if _, filters, found := strings.Cut(scan, "Filters:"); !found || !strings.Contains(filters, "list_contains") {
			t.Errorf("the scan does not filter:\n%s", plan)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func texts(ctx context.Context, tx *Tx, query string) (out []string, err error) {
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err says it
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
