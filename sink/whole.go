package sink

import (
	"context"
	"errors"
	"fmt"

	"claude-analytics/sink/lake"
)

// ErrLakePartial is returned by LakeWhole: a warehouse that is made of this lake would lack rows.
var ErrLakePartial = errors.New("files of the lake are missing or damaged")

// LakeWhole sees, by the manifest and by each file's size and footer, that a rebuild finds all that the lake once held. What only
// reading every page would show, the rebuild itself still meets. A warehouse without rows has nothing to lose.
func (s *Sink) LakeWhole(ctx context.Context) error {
	stats, err := s.bronze.Stats(ctx)
	if err != nil || stats.Rows == 0 {
		return err
	}
	// This finishes what a killed process had begun.
	if err := s.lake.Open(ctx); err != nil {
		return err
	}
	found, err := s.lake.Inspect(ctx, false, nil)
	if err != nil {
		return err
	}
	bad, first := 0, lake.Finding{}
	for _, f := range found.Findings {
		if f.Kind == lake.BatchUnfinished || f.Kind == lake.FileForeign {
			continue
		}
		if bad++; bad == 1 {
			first = f
		}
	}
	if bad == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d of them, the first %s (%s)", ErrLakePartial, bad, first.Path, first.Detail)
}
