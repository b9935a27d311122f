package modeler_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
	"claude-analytics/modeler/project"
)

// A copy of the marts that follows what each refresh says it changed holds their rows, whatever happened to bronze.
func TestCopiesFollowRefreshes(t *testing.T) {
	p, err := project.Load(modeler.Models(), nil)
	if err != nil {
		t.Fatal(err)
	}
	db := openWarehouse(t)
	fewerChecks(t, 4)
	rapid.Check(t, func(rt *rapid.T) {
		b := emptyBronze(t, db)
		published := warehouse.NewPublisher(warehouse.PublisherConfig{Path: filepath.Join(t.TempDir(), "marts.duckdb")}, db, zerolog.Nop())
		defer func() {
			if err := published.Close(); err != nil {
				rt.Fatal(err)
			}
		}()
		m := newModeler(db, modeler.Config{
			ProjectFS: modeler.Models(), Chunk: rapid.SampledFrom([]int64{0, 4}).Draw(rt, "chunk"),
			OnRefresh: func(r modeler.Result) { published.Changed(r.Changes) },
		})
		step := func(full bool) {
			b.applyRecords(t, drawRecords(rt))
			if _, err := m.Refresh(context.Background(), modeler.Options{Full: full}); err != nil {
				rt.Fatalf("refresh: %v", err)
			}
		}
		for range rapid.IntRange(1, 4).Draw(rt, "steps") {
			step(rapid.IntRange(0, 9).Draw(rt, "full") == 0)
			if rapid.Bool().Draw(rt, "publish") {
				sameAsMarts(rt, db, published, p)
			}
		}
		sameAsMarts(rt, db, published, p)
		whole := published.Status().Whole
		step(false)
		sameAsMarts(rt, db, published, p)
		if published.Status().Whole > whole {
			rt.Error("a change of a few documents made a whole copy")
		}
	})
}

// sameAsMarts publishes, and compares each table of the copy with the live one.
func sameAsMarts(rt *rapid.T, db *warehouse.DB, published *warehouse.Publisher, p *project.Project) {
	if err := published.Flush(context.Background()); err != nil {
		rt.Fatal(err)
	}
	for _, n := range p.Nodes {
		if n.Schema != warehouse.Gold {
			continue
		}
		query := fmt.Sprintf("SELECT count(*) || ' rows, ' || coalesce(sum(hash(d)::HUGEINT), 0) FROM marts.%s d", project.Quote(n.Name))
		sum := func(read func(context.Context, func(context.Context, *warehouse.Tx) error) error) (sum string) {
			err := read(context.Background(), func(ctx context.Context, tx *warehouse.Tx) error { return tx.QueryRow(ctx, query).Scan(&sum) })
			if err != nil {
				rt.Fatalf("%s: %v", n.Name, err)
			}
			return sum
		}
		if want, got := sum(db.Read), sum(published.Copy().Read); got != want {
			rt.Fatalf("%s in the copy: %s, want %s", n.Name, got, want)
		}
	}
}
