package verify

import (
	"context"
	"fmt"

	"claude-analytics/proto"
)

// laneRows is a lane that the warehouse has rows of.
type laneRows struct {
	lane string
	rows int64
}

// otherLanes are the lanes that the warehouse knows and that no source is compared for.
func (r *run) otherLanes(ctx context.Context) (lanes []laneRows, err error) {
	compared := map[string]bool{proto.RetryLane: true}
	for _, s := range r.parts.Sources {
		compared[s.Lane()] = true
	}
	err = r.each(ctx, "list the lanes", "SELECT source, count(*) FROM raw.conversations GROUP BY 1 ORDER BY 1", func(scan func(...any) error) error {
		var l laneRows
		if err := scan(&l.lane, &l.rows); err != nil {
			return err
		}
		if !compared[l.lane] {
			lanes = append(lanes, l)
		}
		return nil
	})
	return lanes, err
}

// unseen tells of a lane whose source was not looked at: that is no answer to whether all of it is there.
func (r *run) unseen(ctx context.Context, lane laneRows) error {
	return r.level(ctx, LevelSource, func(_ context.Context, l *Level) error {
		l.Name = lane.lane
		if r.parts.Elsewhere {
			l.skip(fmt.Sprintf("%d documents, whose source is not read here: verify where it is", lane.rows))
			return nil
		}
		why := r.parts.Missing[LevelSource]
		if why == "" {
			why = "no source was named for it: add --source " + lane.lane + " with its --transcripts DIR or --mongo-uri URI"
		}
		return fmt.Errorf("%d documents of it are known, and none could be looked at: %s", lane.rows, why)
	})
}

// left says how many documents are known of a source that only grows and does not hold them any more. That is as it should be where
// old files are removed; of a source that shows nothing at all, nobody can say so.
func (c *sourceComparison) left(ctx context.Context) error {
	if c.source.Mirrors() {
		return nil
	}
	gone, err := c.number(ctx, "look for what is gone from the source", `SELECT count(*) FROM (SELECT _key AS k FROM raw.conversations WHERE source = `+literal(c.source.Lane())+`) c
		ANTI JOIN verify_source s ON s.k = c.k ANTI JOIN verify_source f ON f.k2 = c.k`)
	switch {
	case err != nil || gone == 0:
		return err
	case c.documents == 0:
		return fmt.Errorf("%d documents of the lane are known, and nothing of them is to be seen in %s: it is empty, was moved, or is not the lane's", gone, c.source.Description())
	}
	c.level.note(fmt.Sprintf("%d documents of lane %s are no longer in %s: their files were removed there, what was read of them stays", gone, c.source.Lane(), c.source.Description()))
	return nil
}
