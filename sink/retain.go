package sink

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"claude-analytics/proto"
	"claude-analytics/sink/bronze"
	"claude-analytics/sink/lake"
	"claude-analytics/sink/record"
)

// Retained is what a retention removed.
type Retained struct {
	// Before is the first date that stays.
	Before string         `json:"before"`
	Lake   lake.Rewritten `json:"lake"`
	Rows   int64          `json:"rows"`
	Blocks int64          `json:"blocks"`
}

// Retain removes the documents of all dates before one from lake and warehouse. Deletes and ends of namespaces stay: what
// they hide may bear a later date.
func (s *Sink) Retain(ctx context.Context, before time.Time, dry bool, progress func(ErasePhase)) (Retained, error) {
	s.erasing.Lock()
	defer s.erasing.Unlock()
	done := Retained{Before: before.UTC().Format(time.DateOnly)}
	err := s.retain(ctx, &done, dry, progress)
	if err != nil {
		return done, fmt.Errorf("retention: %w", err)
	}
	return done, nil
}

func (s *Sink) retain(ctx context.Context, done *Retained, dry bool, progress func(ErasePhase)) error {
	if state := s.Status().State; state != StateRunning {
		return fmt.Errorf("%w: it is %s", ErrNotRunning, state)
	}
	old := map[string]bool{}
	var groups [][]string
	for _, e := range s.lake.Entries() {
		for _, f := range e.Files {
			if date := strings.TrimPrefix(path.Dir(f.Path), "date="); date < done.Before {
				old[f.Path] = true
				groups = append(groups, []string{f.Path})
				if dry {
					done.Lake.Files++
					done.Lake.Bytes += f.Bytes
				}
			}
		}
	}
	goes := func(row record.KeyRow) bool {
		return row.Operation != proto.Operation_OPERATION_DELETE && !ofNamespace(row.Operation)
	}
	if dry {
		err := s.eachKeyIn(ctx, func(file string, row record.KeyRow) {
			if old[file] && goes(row) {
				done.Lake.Rows++
			}
		})
		if err != nil {
			return err
		}
		done.Rows, done.Blocks, err = s.bronze.CountBefore(ctx, done.Before)
		return err
	}
	if err := s.lake.RecordRetention(ctx, done.Before); err != nil {
		return err
	}
	files := 0
	rewritten, err := s.lake.Rewrite(ctx, lake.RewriteOptions{
		Groups: groups, Columns: record.KeyColumns(), Optional: record.OptionalColumns(), Keep: keepUnless(goes),
		Progress: func(n int) {
			if files += n; progress != nil {
				progress(ErasePhase{Name: "lake", Done: int64(files), Total: int64(len(groups))})
			}
		},
	})
	done.Lake = rewritten
	if err != nil {
		return err
	}
	var removed bronze.ErasedRows
	if removed, err = s.bronze.EraseBefore(ctx, done.Before); err != nil {
		return err
	}
	done.Rows, done.Blocks = removed.Rows, removed.Blocks
	if removed.Batch > 0 {
		s.announce(Applied{Batch: removed.Batch, Newest: s.warehouse.get().Newest})
	}
	return nil
}
