package modeler_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler"
	"github.com/rs/zerolog"
)

func TestTmpDump(t *testing.T) {
	os.Remove("/tmp/modeler_exp/real.duckdb")
	db := warehouse.New(warehouse.Config{Path: "/tmp/modeler_exp/real.duckdb", Threads: 2}, zerolog.Nop())
	if err := db.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	b := &bronze{db: db}
	b.fill(t, "range(0,100)", 0, sessionRows)
	m := newModeler(db, modeler.Config{ProjectFS: modeler.Models()})
	r, err := m.Refresh(context.Background(), modeler.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(slowest(r))
	db.Close()
}
