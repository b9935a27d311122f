package warehouse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// marts makes a warehouse with a gold layer as the modeler leaves one.
func marts(t testing.TB) (db *DB, path string) {
	t.Helper()
	dir := t.TempDir()
	db = open(t, Config{Path: filepath.Join(dir, "analytics.duckdb"), Copies: filepath.Join(dir, ".publish")})
	run(t, db, `CREATE SCHEMA marts`, `CREATE SCHEMA staging`,
		`CREATE TABLE marts.dim_sessions AS SELECT 's' || range AS session_id, range::DECIMAL(18,9) AS cost FROM range(1000)`,
		`CREATE VIEW marts.vw_gold AS WITH dim_sessions AS (SELECT * FROM marts.dim_sessions) SELECT count(*) AS n FROM dim_sessions`,
		`CREATE VIEW marts.vw_deep AS SELECT count(*) AS n FROM raw.conversations`,
		`CREATE TABLE staging.hidden AS SELECT 1 AS i`,
		`CREATE TABLE meta.refreshes (id BIGINT, finished_at TIMESTAMPTZ, error VARCHAR)`,
		`CREATE TABLE meta.refresh_state (refreshed_at TIMESTAMPTZ, newest_extracted_at TIMESTAMPTZ)`,
		`INSERT INTO meta.refresh_state VALUES ('2026-01-01 00:00:00Z', NULL)`,
		`INSERT INTO meta.refreshes VALUES (1, now(), NULL), (2, now(), 'failed')`)
	return db, filepath.Join(dir, "marts.duckdb")
}

func publish(t testing.TB, db *DB, path string) Published {
	t.Helper()
	published, err := db.Publish(t.Context(), path, func(table string) Comments {
		return Comments{Table: "About " + table + ".", Columns: map[string]string{"session_id": "The session's id."}}
	})
	if err != nil {
		t.Fatal(err)
	}
	return published
}

func openCopy(t testing.TB, path string) *Copy {
	t.Helper()
	c := NewCopy(path, zerolog.Nop())
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// answer is a query's first row as text, or its error.
func answer(c *Copy, query string) string {
	result, _, err := c.Query(context.Background(), query, Limits{})
	if err != nil {
		return "error: " + err.Error()
	}
	if len(result.Rows) == 0 {
		return ""
	}
	return fmt.Sprint(result.Rows[0]...)
}

func TestPublishedCopyHoldsTheGoldLayer(t *testing.T) {
	db, path := marts(t)
	published := publish(t, db, path)
	if published.Refresh != 1 || published.Tables != 4 || published.Bytes == 0 {
		t.Errorf("published %+v, want refresh 1, four tables", published)
	}
	c := openCopy(t, path)
	for query, want := range map[string]string{
		"SELECT count(*) FROM marts.dim_sessions":                                                      "1000",
		"SELECT count(*) FROM dim_sessions":                                                            "1000",
		"SELECT sum(cost) FROM marts.dim_sessions":                                                     "499500.000000000",
		"SELECT n FROM marts.vw_gold":                                                                  "1000",
		"SELECT n FROM marts.vw_deep":                                                                  "0",
		"SELECT refresh FROM meta.published":                                                           "1",
		"SELECT count(*) FROM meta.refreshes":                                                          "2",
		"SELECT comment FROM duckdb_tables() WHERE table_name = 'dim_sessions'":                        "About dim_sessions.",
		"SELECT comment FROM duckdb_columns() WHERE column_name = 'session_id'":                        "The session's id.",
		"SELECT string_agg(view_name) FROM duckdb_views() WHERE NOT internal":                          "vw_gold",
		"SELECT string_agg(DISTINCT schema_name ORDER BY schema_name) FROM duckdb_tables()":            "main meta",
		"SELECT count(*) FROM duckdb_tables() WHERE table_name IN ('conversations', 'hidden')":         "0",
		"SELECT string_agg(database_name ORDER BY 1) FROM duckdb_databases() WHERE NOT internal":       "marts memory",
		"SELECT count(*) FROM duckdb_databases() WHERE path LIKE '%analytics.duckdb' AND NOT readonly": "0",
	} {
		if got := strings.ReplaceAll(answer(c, query), ",", " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o444 {
		t.Errorf("the copy's mode is %v (%v), want read-only", info.Mode(), err)
	}
	if left := names(t, filepath.Join(filepath.Dir(path), ".publish")); strings.Contains(left, "copy-") {
		t.Errorf("left behind: %s", left)
	}
}

// Readers see a whole copy, this or the next, however often it is replaced; the warehouse is written to meanwhile.
func TestPublishBesideReadersAndWriters(t *testing.T) {
	db, path := marts(t)
	publish(t, db, path)
	c := openCopy(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			last := 0
			for ctx.Err() == nil {
				err := c.Read(ctx, func(ctx context.Context, tx *Tx) error {
					var first, second, of int
					if err := tx.QueryRow(ctx, "SELECT count(*) FROM marts.dim_sessions").Scan(&first); err != nil {
						return err
					}
					if err := tx.QueryRow(ctx, "SELECT count(*), (SELECT n FROM vw_gold) FROM marts.dim_sessions").Scan(&second, &of); err != nil {
						return err
					}
					if first != second || first != of || first < last || (first-1000)%10 != 0 {
						t.Errorf("one reader saw %d, %d and %d rows after %d", first, second, of, last)
					}
					last = first
					return nil
				})
				if err != nil && ctx.Err() == nil {
					t.Errorf("read: %v", err)
					return
				}
			}
		})
	}
	for i := range 6 {
		run(t, db, "INSERT INTO marts.dim_sessions SELECT 'n', 1 FROM range(10)", fmt.Sprintf("INSERT INTO meta.refreshes VALUES (%d, now(), NULL)", 10+i))
		publish(t, db, path)
		if err := c.Open(ctx); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	group.Wait()
	if got := answer(c, "SELECT count(*) FROM marts.dim_sessions"); got != "1060" {
		t.Errorf("the last copy has %s rows, want 1060", got)
	}
	if version, _ := c.Version(); version.Refresh != 15 {
		t.Errorf("version %+v, want refresh 15", version)
	}
}

// What people ask on the copy reaches nothing else, and writes nothing.
func TestHostileSQLOnTheCopy(t *testing.T) {
	db, path := marts(t)
	publish(t, db, path)
	c := openCopy(t, path)
	dir := filepath.Dir(path)
	before := names(t, dir)
	for _, query := range []string{
		"SELECT * FROM raw.conversations", "SELECT * FROM analytics.raw.conversations", "ATTACH '" + dir + "/analytics.duckdb' AS a",
		"SELECT * FROM '" + dir + "/analytics.duckdb'", "COPY (SELECT 1) TO '" + dir + "/out.csv'", "DELETE FROM marts.dim_sessions",
		"CREATE TABLE t AS SELECT 1", "SET memory_limit = '1TB'", "PRAGMA enable_external_access", "INSTALL httpfs", "LOAD icu",
		"EXPORT DATABASE '" + dir + "/out'", "SELECT * FROM read_text('/etc/hostname')", "SELECT * FROM glob('/*')", "CHECKPOINT", "",
	} {
		if got := answer(c, query); !strings.HasPrefix(got, "error: ") {
			t.Errorf("%s: %s", query, got)
		}
	}
	endless := "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r"
	if _, _, err := c.Query(t.Context(), endless, Limits{Timeout: 300 * time.Millisecond}); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrOutOfMemory) {
		t.Errorf("endless recursion: %v", err)
	}
	if result, _, err := c.Query(t.Context(), "SELECT * FROM range(1000000)", Limits{Rows: 10}); err != nil || len(result.Rows) != 10 || !result.Truncated {
		t.Errorf("a huge result: %v", err)
	}
	if after := names(t, dir); after != before {
		t.Errorf("files before: %s, after: %s", before, after)
	}
}

func TestPublishFailureKeepsTheCopy(t *testing.T) {
	db, path := marts(t)
	publish(t, db, path)
	run(t, db, "CREATE VIEW marts.vw_broken AS SELECT error('out of order') AS i FROM raw.conversations",
		"INSERT INTO raw.conversations (_id, type, extracted_at, date, source, namespace, _epoch, _seq, effective_timestamp, timestamp_source, response_key, is_meta, is_compact_summary, is_api_error, is_nested, redaction_version, _key) VALUES ('x', 'user', now(), '2026-01-01', 's', 'n', 1, 1, now(), 't', 'k', false, false, false, false, 0, 1)")
	if _, err := db.Publish(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), "vw_broken") {
		t.Errorf("error %v, want one that names the view", err)
	}
	run(t, db, "DROP VIEW marts.vw_broken")
	if got := answer(openCopy(t, path), "SELECT count(*) FROM dim_sessions"); got != "1000" {
		t.Errorf("after a failed copy: %s", got)
	}
	if published := publish(t, db, path); published.Tables != 4 {
		t.Errorf("after a failed copy: %+v", published)
	}
}

func TestPublisherFollowsRefreshes(t *testing.T) {
	db, path := marts(t)
	p := NewPublisher(PublisherConfig{Path: path, Every: time.Millisecond}, db, zerolog.Nop())
	if _, _, err := p.Copy().Query(t.Context(), "SELECT 1", Limits{}); !errors.Is(err, ErrNotPublished) {
		t.Errorf("before the first copy: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	until := func(what string, holds func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain: %s; %+v", what, p.Status())
			}
		}
	}
	until("the first copy", func() bool { return answer(p.Copy(), "SELECT count(*) FROM dim_sessions") == "1000" })
	run(t, db, "DELETE FROM marts.dim_sessions WHERE cost < 10", "INSERT INTO meta.refreshes VALUES (3, now(), NULL)")
	p.Changed(Changes{Refresh: 3, All: true})
	until("the next copy", func() bool { return answer(p.Copy(), "SELECT count(*) FROM dim_sessions") == "990" })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	run(t, db, "INSERT INTO meta.refreshes VALUES (4, now(), NULL)")
	p.Changed(Changes{Refresh: 4, All: true})
	if err := p.Flush(t.Context()); err != nil || p.Status().Refresh != 4 || p.Status().Pending {
		t.Errorf("flush: %v, %+v", err, p.Status())
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}

	again := NewPublisher(PublisherConfig{Path: path, Every: time.Millisecond}, db, zerolog.Nop())
	if stale, err := again.begin(t.Context()); err != nil || stale {
		t.Errorf("a copy that is up to date is made again: %v, %v", stale, err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// Before the first refresh there is no version, and the transaction that asked for it reads on.
func TestVersionBeforeTheFirstRefresh(t *testing.T) {
	db := open(t, Config{Path: filepath.Join(t.TempDir(), "analytics.duckdb")})
	err := db.Read(t.Context(), func(ctx context.Context, tx *Tx) error {
		version, err := tx.Version(ctx)
		if err != nil || version != (Version{}) {
			t.Errorf("version %+v, %v", version, err)
		}
		var n int
		return tx.QueryRow(ctx, "SELECT count(*) FROM raw.conversations").Scan(&n)
	})
	if err != nil {
		t.Error(err)
	}
}
