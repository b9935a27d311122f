package modeler_test

import (
	"context"
	"fmt"
	"io/fs"
	"testing"

	"pgregory.net/rapid"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
	"claude-analytics/modeler/project"
)

// Whatever happened to bronze and whenever it was refreshed, the models hold the rows that a rebuild gives.
func TestIncrementalEqualsFull(t *testing.T) {
	p, err := project.Load(smallProject, nil)
	if err != nil {
		t.Fatal(err)
	}
	db := openWarehouse(t)
	rapid.Check(t, func(rt *rapid.T) {
		b := emptyBronze(t, db)
		drawHistory(rt, t, b, smallProject)
		checkEqualsFull(rt, t, b, p, smallProject)
	})
}

// emptyBronze starts a history on a warehouse as new: opening a file for each would take most of the test's time.
func emptyBronze(t testing.TB, db *warehouse.DB) *bronze {
	b := &bronze{db: db}
	b.exec(t, `DROP SCHEMA IF EXISTS marts CASCADE; DROP SCHEMA IF EXISTS staging CASCADE; DROP SCHEMA IF EXISTS intermediate CASCADE;
		DROP SCHEMA IF EXISTS frozen CASCADE; DELETE FROM raw.conversations; DELETE FROM raw.content_blocks; DELETE FROM raw.secret_findings; DELETE FROM raw.link_keys;
		DELETE FROM meta.changed_keys; DROP TABLE IF EXISTS meta.refresh_state; DROP TABLE IF EXISTS meta.models;
		DROP TABLE IF EXISTS meta.session_links; DROP TABLE IF EXISTS meta.session_dates; DROP TABLE IF EXISTS meta.refreshes`)
	return b
}

func drawHistory(rt *rapid.T, t testing.TB, b *bronze, fsys fs.FS) {
	// Few values of everything, so that records meet: copies over sessions, chains of them, several on a date.
	sessions := []string{"", "a", "b", "c", "d", "e"}
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(rt, label) }
	steps := rapid.IntRange(1, 8).Draw(rt, "steps")
	for range steps {
		var docs []doc
		var deleted []string
		seen := map[string]bool{}
		for range rapid.IntRange(1, 4).Draw(rt, "documents") {
			id := fmt.Sprintf("id%d", rapid.IntRange(0, 11).Draw(rt, "id"))
			if seen[id] {
				continue
			}
			seen[id] = true
			if rapid.IntRange(0, 4).Draw(rt, "what") == 0 {
				deleted = append(deleted, id)
				continue
			}
			d := doc{
				id: id, session: pick("session", sessions...), project: pick("project", "", "p", "q"),
				uuid: pick("uuid", "", "", "u1", "u2", "u3"), ingested: rapid.IntRange(0, 2).Draw(rt, "ingested"),
				minute: rapid.SampledFrom([]int{0, 1, 1439, 1440, 1441, 4320, 44640}).Draw(rt, "minute"),
				length: rapid.IntRange(0, 3).Draw(rt, "length"),
			}
			if rapid.Bool().Draw(rt, "has call") {
				d.toolID, d.tool = pick("call", "t1", "t2", "t3"), pick("tool", "", "Read", "Bash", "Other")
			}
			docs = append(docs, d)
		}
		b.apply(t, docs, deleted)
		if rapid.Bool().Draw(rt, "refresh") {
			m := newModeler(b.db, modeler.Config{ProjectFS: fsys, Chunk: rapid.SampledFrom([]int64{0, 0, 2, 5}).Draw(rt, "chunk")})
			opts := modeler.Options{Full: rapid.IntRange(0, 5).Draw(rt, "full") == 0}
			if rapid.IntRange(0, 4).Draw(rt, "partial") == 0 {
				opts.Select = []string{pick("select", "tag:facts", "dim_sessions+", "+dim_tools", "agg_daily", "staging")}
			}
			if _, err := m.Refresh(context.Background(), opts); err != nil {
				if len(opts.Select) > 0 && b.firstRefresh(t) {
					continue // what the selected models read does not exist yet
				}
				rt.Fatalf("refresh: %v", err)
			}
		}
	}
	m := newModeler(b.db, modeler.Config{ProjectFS: fsys})
	if _, err := m.Refresh(context.Background(), modeler.Options{}); err != nil {
		rt.Fatalf("refresh: %v", err)
	}
}

func (b *bronze) firstRefresh(t testing.TB) bool {
	var n int
	err := b.db.Read(context.Background(), func(ctx context.Context, tx *warehouse.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM meta.refresh_state").Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n == 0
}

func checkEqualsFull(rt *rapid.T, t testing.TB, b *bronze, p *project.Project, fsys fs.FS) {
	b.freeze(t, p)
	m := newModeler(b.db, modeler.Config{ProjectFS: fsys})
	if _, err := m.Refresh(context.Background(), modeler.Options{Full: true}); err != nil {
		rt.Fatalf("full refresh: %v", err)
	}
	b.compare(rt, p, tables(t, p))
}
