package transcript

import (
	"context"
	"fmt"
	"testing"

	"github.com/rs/zerolog"

	"claude-analytics/internal/generator"
)

// What the generator says that it wrote is what is read: every object, and every broken part at its place.
func TestGeneratedTruth(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			g, err := generator.New(generator.Config{Sessions: 8, Seed: seed, Hard: true})
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			truth, err := g.WriteFiles(context.Background(), dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			objects, broken := int64(0), map[string]string{}
			f := New(config(dir), nil, zerolog.Nop())
			run(t, f, func(s *Slice) bool {
				for _, entry := range s.Entries {
					switch l := entry.Letter; {
					case entry.Data != nil:
						objects++
					case l != nil:
						broken[fmt.Sprint(generator.PathText(l.File), " ", l.Offset, "+", l.Size)] = l.Reason + " " + l.Detail
					}
				}
				return true
			})
			if objects != truth.Objects {
				t.Errorf("%d objects, want %d", objects, truth.Objects)
			}
			for _, p := range truth.Broken {
				at := fmt.Sprint(p.File, " ", p.Offset, "+", p.Size)
				if broken[at] == "" {
					t.Errorf("not set aside: %s (%s)", at, p.Reason)
				}
				delete(broken, at)
			}
			for at, why := range broken {
				t.Errorf("set aside: %s (%s)", at, why)
			}
			if stats := f.Stats(); stats.HalfLines != len(truth.HalfLines) || stats.Files != truth.Files {
				t.Errorf("%d half lines, %d files; want %d and %d", stats.HalfLines, stats.Files, len(truth.HalfLines), truth.Files)
			}
		})
	}
}
