package modeler_test

import (
	"context"
	"fmt"
	"testing"

	"claude-analytics/modeler"
	"claude-analytics/modeler/project"
)

// whileChanging changes bronze for as long as work goes on, and then sees that the models hold what a rebuild gives.
func whileChanging(t *testing.T, b *bronze, m *modeler.Modeler, work func() error, change func(i int)) {
	t.Helper()
	p, err := project.Load(smallProject, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- work() }()
	for i := 0; ; i++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			refresh(t, m, modeler.Options{})
			b.freeze(t, p)
			refresh(t, newModeler(b.db, modeler.Config{}), modeler.Options{Full: true})
			b.compare(t, p, tables(t, p))
			return
		default:
			change(i)
		}
	}
}

// letter names the i-th of n things.
func letter(first rune, i, n int) string { return string(first + rune(i%n)) }

// A rebuild in parts takes in what arrives while it runs.
func TestRebuildWhileChanging(t *testing.T) {
	b := fixture(t)
	var docs []doc
	for i := range 40 {
		docs = append(docs, doc{id: "x" + letter('A', i, 40), session: letter('a', i, 10), project: "p", minute: i * 100, length: i})
	}
	b.apply(t, docs, nil)
	m := newModeler(b.db, modeler.Config{Chunk: 4})
	whileChanging(t, b, m, func() error {
		_, err := m.Refresh(context.Background(), modeler.Options{Full: true})
		return err
	}, func(i int) {
		b.apply(t, []doc{{id: "x" + letter('A', i, 40), session: letter('a', i+3, 12), project: "q", minute: i * 90, length: i, uuid: "u" + letter('a', i, 3)}}, nil)
	})
}

// Documents come, and the file is replaced, while models are computed: each refresh holds what was there when it began.
func TestRefreshWhileChanging(t *testing.T) {
	b := fixture(t)
	m := newModeler(b.db, modeler.Config{})
	whileChanging(t, b, m, func() error {
		for i := range 12 {
			if _, err := m.Refresh(context.Background(), modeler.Options{Reason: modeler.ReasonChange}); err != nil {
				return fmt.Errorf("refresh %d: %w", i, err)
			}
		}
		return nil
	}, func(i int) {
		id := "x" + letter('A', i, 20)
		var deleted []string
		if i%7 == 3 {
			deleted = []string{"x" + letter('A', i+9, 20)}
		}
		b.apply(t, []doc{{id: id, session: letter('a', i+3, 12), project: "q", minute: i * 90, length: i, uuid: "u" + letter('a', i, 3), toolID: id, tool: "Read"}}, deleted)
		if i%5 == 2 {
			if _, err := b.db.Rewrite(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
