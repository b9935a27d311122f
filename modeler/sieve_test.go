package modeler

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"claude-analytics/internal/warehouse"
)

// TestBounds looks for sessions among many, one of them without an id: few are named, many sifted, and every row of theirs is found.
func TestBounds(t *testing.T) {
	for _, wanted := range []int64{0, 1, 5, maxNamed, maxNamed + 1, 300, 2000} {
		t.Run(fmt.Sprint(wanted), func(t *testing.T) {
			onSessions(t, wanted, func(ctx context.Context, r *run) error {
				if r.sessions != wanted || (r.bounds.sieve != nil) != (wanted > maxNamed) {
					t.Errorf("%d sessions, sieve: %v", r.sessions, r.bounds.sieve != nil)
				}
				count := func(where string) int64 {
					n, err := r.number(ctx, "count", "SELECT count(*) FROM many WHERE "+where)
					if err != nil {
						t.Fatal(err)
					}
					return n
				}
				const theirs = "coalesce(session_id, '') IN (SELECT session_id FROM " + closedTable + ")"
				all := count(theirs)
				if got := count(r.bounds.where(false)); got != all || got != 4*wanted {
					t.Errorf("%d rows, want %d", got, all)
				}
				if got := count("NOT (" + r.bounds.where(false) + ") AND " + theirs); got != 0 {
					t.Errorf("%d rows are not found", got)
				}
				if r.bounds.sieve == nil {
					return nil
				}
				sifted := r.bounds.sieve.where("coalesce(session_id, '')")
				if got := count(theirs + " AND " + sifted); got != all {
					t.Errorf("%d of %d rows pass the sieve", got, all)
				}
				// As many others as there are hashes taken, and as much again for chance.
				if others := count(sifted) - all; others > 4*max(200, 2*10_000*wanted/sieveBits) {
					t.Errorf("%d rows of other sessions pass", others)
				}
				return nil
			})
		})
	}
}

// TestScanLooksForSessions fails if DuckDB comes to look for them after all columns are read, or once it knows the dates.
func TestScanLooksForSessions(t *testing.T) {
	for wanted, function := range map[int64]string{5: "list_contains", 300: "get_bit"} {
		onSessions(t, wanted, func(ctx context.Context, r *run) error {
			r.bounds.from, r.bounds.to = "2025-01-01", "2025-02-01"
			var key, plan string
			if err := r.tx.QueryRow(ctx, "EXPLAIN SELECT * FROM many WHERE "+r.bounds.where(true)).Scan(&key, &plan); err != nil {
				return err
			}
			_, scan, _ := strings.Cut(plan, "SEQ_SCAN")
			if _, filters, found := strings.Cut(scan, "Filters:"); !found || !strings.Contains(filters, function) {
				t.Errorf("%d sessions: the scan does not filter:\n%s", wanted, plan)
			}
			return nil
		})
	}
}

// onSessions runs fn with a table of four rows for each of 10,000 sessions, the first of which has no id, and the first ones of them to be looked for.
func onSessions(t *testing.T, wanted int64, fn func(context.Context, *run) error) {
	t.Helper()
	db := warehouse.New(warehouse.Config{Path: filepath.Join(t.TempDir(), "w.duckdb"), Threads: 1, MemoryLimit: "500MB"}, zerolog.Nop())
	if err := db.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the test is over
	err := db.Write(context.Background(), "test", func(ctx context.Context, tx *warehouse.Tx) error {
		r := &run{tx: tx}
		if err := r.exec(ctx, "fill", fmt.Sprintf(`CREATE TEMP TABLE %s AS SELECT CASE n WHEN 0 THEN '' ELSE 'session-' || n END AS session_id FROM range(%d) r(n);
			CREATE TEMP TABLE many AS SELECT CASE WHEN n > 0 THEN 'session-' || n END AS session_id, n, DATE '2025-01-01' + (n %% 31)::INTEGER AS date FROM range(10000) r(n), range(4)`, closedTable, wanted)); err != nil {
			return err
		}
		if err := r.bound(ctx); err != nil {
			return err
		}
		return fn(ctx, r)
	})
	if err != nil {
		t.Fatal(err)
	}
}
