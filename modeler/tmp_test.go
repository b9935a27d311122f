package modeler_test

import (
	"context"
	"testing"
	"fmt"
	"time"
	"claude-analytics/modeler"
)

func TestTmpTiming(t *testing.T) {
	db := openWarehouse(t)
	s := time.Now()
	b := emptyBronze(t, db)
	fmt.Println("empty", time.Since(s))
	m := newModeler(db, modeler.Config{})
	for i := 0; i < 6; i++ {
		s = time.Now()
		b.apply(t, []doc{{id: fmt.Sprint("x", i), session: "a", project: "p", minute: i, toolID: "t1", tool: "Read"}, {id: fmt.Sprint("y", i), session: "b", project: "p", minute: i}}, nil)
		fmt.Println("apply", time.Since(s))
		s = time.Now()
		r, err := m.Refresh(context.Background(), modeler.Options{Reason: "change"})
		if err != nil { t.Fatal(err) }
		fmt.Println("refresh", time.Since(s), r.Kind)
		for _, x := range r.Models { fmt.Printf("  %s %d %.1fms\n", x.Name, x.Rows, x.Seconds*1000) }
	}
}
