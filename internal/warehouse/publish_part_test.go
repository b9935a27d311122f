package warehouse

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// goldCopy is a gold layer of two tables and a Publisher that has copied it once.
type goldCopy struct {
	t       *testing.T
	db      *DB
	p       *Publisher
	refresh int64
}

func newGoldCopy(t *testing.T) *goldCopy {
	db, path := marts(t)
	run(t, db, "CREATE TABLE marts.agg_days AS SELECT DATE '2026-01-01' + range::INT AS day, range AS n FROM range(50)",
		"INSERT INTO marts.agg_days VALUES (NULL, -1)")
	g := &goldCopy{t: t, db: db, p: NewPublisher(PublisherConfig{Path: path}, db, zerolog.Nop()), refresh: 1}
	t.Cleanup(func() { _ = g.p.Close() })
	g.p.wake()
	g.flush(true)
	return g
}

// refreshed is a refresh that ran the statements and says that it changed these rows.
func (g *goldCopy) refreshed(changes Changes, statements ...string) {
	g.t.Helper()
	g.refresh++
	g.write(statements...)
	changes.Refresh = g.refresh
	g.p.Changed(changes)
}

func (g *goldCopy) write(statements ...string) {
	g.t.Helper()
	run(g.t, g.db, append(statements, fmt.Sprintf("INSERT INTO meta.refreshes VALUES (%d, now(), NULL)", g.refresh),
		"UPDATE meta.refresh_state SET refreshed_at = now()")...)
}

// flush publishes, and sees that the copy is whole or not as expected, and what the marts are.
func (g *goldCopy) flush(whole bool) {
	g.t.Helper()
	before := g.p.Status().Whole
	if err := g.p.Flush(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	if got := g.p.Status().Whole > before; got != whole {
		g.t.Errorf("the copy of refresh %d was made whole: %v", g.refresh, got)
	}
	if version, _ := g.p.Copy().Version(); version.Refresh != g.refresh {
		g.t.Errorf("the copy shows refresh %d, want %d", version.Refresh, g.refresh)
	}
	for _, table := range []string{"dim_sessions", "agg_days", "vw_gold", "vw_deep"} {
		query := "SELECT count(*) || ' ' || coalesce(sum(hash(d)::HUGEINT), 0) FROM marts." + table + " d"
		var want string
		if err := g.db.Read(g.t.Context(), func(ctx context.Context, tx *Tx) error { return tx.QueryRow(ctx, query).Scan(&want) }); err != nil {
			g.t.Fatal(err)
		}
		if got := answer(g.p.Copy(), query); got != want {
			g.t.Errorf("%s in the copy: %s, want %s", table, got, want)
		}
	}
}

func rowsOf(table, column, kind string, null bool, values ...string) TableChange {
	return TableChange{Table: table, Column: Column{Name: column, Type: kind}, Values: values, Null: null}
}

// A copy is brought up to date with what changed, also by several refreshes, in rows of other types and of none.
func TestCopyFollowsUp(t *testing.T) {
	g := newGoldCopy(t)
	g.refreshed(Changes{Tables: []TableChange{rowsOf("dim_sessions", "session_id", "VARCHAR", false, "s7", "new", "it's")}},
		"UPDATE marts.dim_sessions SET cost = 70 WHERE session_id = 's7'", "INSERT INTO marts.dim_sessions VALUES ('new', 1), ('it''s', 2)")
	g.flush(false)

	g.refreshed(Changes{Tables: []TableChange{rowsOf("dim_sessions", "session_id", "VARCHAR", false, "s7")}}, "DELETE FROM marts.dim_sessions WHERE session_id = 's7'")
	g.refreshed(Changes{Tables: []TableChange{
		rowsOf("agg_days", "day", "DATE", true, "2026-01-03"), rowsOf("dim_sessions", "session_id", "VARCHAR", true),
	}}, "UPDATE marts.agg_days SET n = 99 WHERE day = '2026-01-03' OR day IS NULL", "INSERT INTO marts.dim_sessions VALUES (NULL, 3)")
	g.flush(false)

	// A table of which any row may have changed is copied again, with its description; so is a view that became a table.
	g.refreshed(Changes{Tables: []TableChange{{Table: "agg_days", Whole: true}}}, "UPDATE marts.agg_days SET n = n + 1",
		"CREATE OR REPLACE VIEW marts.vw_deep AS SELECT count(*) + 5 AS n FROM raw.conversations")
	g.flush(false)

	if got := answer(g.p.Copy(), "SELECT count(*) || ' ' || max(replaced) FROM meta.published"); got != "1 4" {
		t.Errorf("meta.published: %s, want one row with four that were replaced", got)
	}
	if got := answer(g.p.Copy(), "SELECT count(*) FROM meta.refreshes"); got != "6" {
		t.Errorf("%s refreshes are in the copy", got)
	}
}

// Whatever makes the copy before, or what is known of the changes, unfit to begin from, everything is copied.
func TestCopyIsMadeWhole(t *testing.T) {
	one := Changes{Tables: []TableChange{rowsOf("dim_sessions", "session_id", "VARCHAR", false, "s1")}}
	change := "UPDATE marts.dim_sessions SET cost = cost + 1 WHERE session_id = 's1'"
	many := make([]string, MaxChanged+1)
	for i := range many {
		many[i] = fmt.Sprint("x", i)
	}
	for _, c := range []struct {
		name string
		do   func(g *goldCopy)
	}{
		{"everything changed", func(g *goldCopy) { g.refreshed(Changes{All: true}, "UPDATE marts.dim_sessions SET cost = 1") }},
		{"too much changed", func(g *goldCopy) {
			g.refreshed(Changes{Tables: []TableChange{rowsOf("dim_sessions", "session_id", "VARCHAR", false, many...)}}, change)
		}},
		{"an erasure", func(g *goldCopy) { g.refreshed(one, change); g.p.Anew() }},
		{"a change that was not mentioned", func(g *goldCopy) { g.refreshed(one, change, "DELETE FROM marts.agg_days WHERE n = 3") }},
		{"a table that is new", func(g *goldCopy) { g.refreshed(one, change, "CREATE TABLE marts.another AS SELECT 1 AS i") }},
		{"a view that is a table now", func(g *goldCopy) {
			g.refreshed(one, change, "DROP VIEW marts.vw_gold", "CREATE TABLE marts.vw_gold AS SELECT 1000 AS n")
		}},
		{"the file is gone", func(g *goldCopy) {
			g.refreshed(one, change)
			if err := os.Remove(g.p.cfg.Path); err != nil {
				t.Fatal(err)
			}
		}},
		{"the file is another", func(g *goldCopy) {
			other := filepath.Join(t.TempDir(), "marts.duckdb")
			g.refresh++
			g.write("SELECT 1")
			publish(t, g.db, other)
			g.p.Changed(Changes{Refresh: g.refresh})
			g.refreshed(one, change)
			if err := os.Rename(other, g.p.cfg.Path); err != nil {
				t.Fatal(err)
			}
		}},
		{"the file is broken", func(g *goldCopy) {
			g.refreshed(one, change)
			if err := os.Remove(g.p.cfg.Path); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(g.p.cfg.Path, []byte("not a database"), 0o444); err != nil {
				t.Fatal(err)
			}
		}},
		{"most rows stand in the place of others", func(g *goldCopy) {
			g.refreshed(Changes{All: true}, "INSERT INTO marts.dim_sessions SELECT 'm' || range, 1 FROM range(6000)", "UPDATE marts.dim_sessions SET cost = 1")
			g.flush(true)
			every := Changes{Tables: []TableChange{rowsOf("dim_sessions", "cost", "DECIMAL(18,9)", false, "1", "2")}}
			g.refreshed(every, "UPDATE marts.dim_sessions SET cost = 2")
			g.flush(false)
			g.refreshed(every, "UPDATE marts.dim_sessions SET cost = 1")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGoldCopy(t)
			c.do(g)
			g.flush(true)
			g.refreshed(one, change)
			g.flush(false) // and from there on what changed
		})
	}
}

// A refresh is seen by others before it says what it changed: that is waited for.
func TestCopyWaitsForTheAnnouncement(t *testing.T) {
	g := newGoldCopy(t)
	g.refreshed(Changes{Tables: []TableChange{rowsOf("dim_sessions", "session_id", "VARCHAR", false, "s1")}}, "DELETE FROM marts.dim_sessions WHERE session_id = 's1'")
	g.refresh++
	g.write("DELETE FROM marts.dim_sessions WHERE session_id = 's2'")
	late := time.AfterFunc(200*time.Millisecond, func() {
		g.p.Changed(Changes{Refresh: g.refresh, Tables: []TableChange{rowsOf("dim_sessions", "session_id", "VARCHAR", false, "s2")}})
	})
	defer late.Stop()
	g.flush(false)
}

// An erasure while a copy is made leaves no trust in that one.
func TestErasureWhileACopyIsMade(t *testing.T) {
	var l changeLog
	l.published(1, l.begin())
	doubts := l.begin()
	l.add(Changes{Refresh: 2})
	if _, _, ok := l.since(t.Context(), 2); !ok {
		t.Fatal("what changed is not known")
	}
	l.doubt()
	l.published(2, doubts)
	if _, _, ok := l.since(t.Context(), 2); ok {
		t.Error("the copy that was being made is trusted")
	}
	l.published(2, l.begin())
	if _, changed, ok := l.since(t.Context(), 2); !ok || len(changed) > 0 {
		t.Errorf("after the whole copy: %v, %v", changed, ok)
	}
}
