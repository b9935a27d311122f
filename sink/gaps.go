package sink

import (
	"context"
	"slices"

	"claude-analytics/sink/bronze"
)

// recentGaps is how many source gaps the status shows.
const recentGaps = 20

// keepGaps records the stream's gaps in the warehouse, and reads which gaps of sources it knows.
func (s *Sink) keepGaps(ctx context.Context, found []Gap) error {
	rows := make([]bronze.StreamGap, len(found))
	for i, g := range found {
		rows[i] = bronze.StreamGap(g)
	}
	if err := s.bronze.RecordGaps(ctx, rows); err != nil {
		return err
	}
	known, err := s.bronze.SourceGaps(ctx, recentGaps)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sourceGaps = known
	return nil
}

// noteGaps takes the source gaps of a batch that was applied into the status.
func (s *Sink) noteGaps(applied []bronze.SourceGap) {
	if len(applied) == 0 {
		return
	}
	s.mu.Lock()
	before := s.sourceGaps
	s.sourceGaps = addSourceGaps(before, applied)
	fresh := slices.DeleteFunc(slices.Clone(s.sourceGaps), func(g bronze.SourceGap) bool { return slices.ContainsFunc(before, g.Same) })
	s.mu.Unlock()
	for _, g := range fresh {
		s.log.Warn().Str("source", g.Source).Str("namespace", g.Namespace).Str("reason", g.Reason).Str("action", g.Action).
			Time("from", g.From).Time("to", g.To).Msg("a part of a source's history is missing")
	}
}

// addSourceGaps adds those that are not yet known: the newest, newest last.
func addSourceGaps(known, found []bronze.SourceGap) []bronze.SourceGap {
	all := slices.Clone(known)
	for _, g := range found {
		if !slices.ContainsFunc(all, g.Same) {
			all = append(all, g)
		}
	}
	slices.SortFunc(all, bronze.SourceGap.Compare)
	return all[max(0, len(all)-recentGaps):]
}
