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
	b := emptyBronze(t, db)
	m := newModeler(db, modeler.Config{ProjectFS: modeler.Models()})
	for i := 0; i < 4; i++ {
		b.applyRecords(t, []record{{id: fmt.Sprintf("%024x", i), object: map[string]any{"type": "user", "uuid": fmt.Sprint("u", i), "sessionId": "a", "projectId": "-p", "timestamp": "2026-02-01T00:00:00Z", "message": map[string]any{"role": "user", "content": "fix it"}}}})
		s := time.Now()
		r, err := m.Refresh(context.Background(), modeler.Options{Reason: "change"})
		if err != nil { t.Fatal(err) }
		fmt.Println("refresh", time.Since(s), r.Kind)
		for _, x := range r.Models { fmt.Printf("  %s %d %.1fms\n", x.Name, x.Rows, x.Seconds*1000) }
	}
}
