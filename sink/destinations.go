package sink

import (
	"context"
	"time"

	"claude-analytics/proto"
	"claude-analytics/sink/bronze"
	"claude-analytics/sink/lake"
)

// runWarehouse applies each parcel as it comes: freshness is what counts.
func (s *Sink) runWarehouse(ctx context.Context, l *loop) error {
	pace := pace{db: s.threads, log: l.log}
	defer pace.set(l.finish, false)
	for p := range l.parcels {
		// A fetch that is half full did not have to wait for messages.
		pace.set(ctx, 2*p.messages >= s.cfg.BatchSize || 2*int64(p.bytes) >= s.cfg.BatchBytes)
		if p.first != 0 {
			if err := s.apply(ctx, l, p); err != nil {
				return err
			}
		}
		if err := l.ack(ctx, p.seen, p.messages); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sink) apply(ctx context.Context, l *loop, p *parcel) error {
	load := p.load.(*bronzeLoad)
	defer load.release()
	load.batch.Watermark = watermarkOf(l.watermark(p))
	if err := s.step("warehouse: apply"); err != nil {
		return err
	}
	began := time.Now()
	var stats bronze.Stats
	err := l.retry(ctx, "apply", func() (err error) {
		stats, err = s.bronze.Apply(l.finish, load.batch)
		return err
	})
	if err != nil {
		return err
	}
	if err := s.step("warehouse: applied"); err != nil {
		return err
	}
	l.note(p.first, p.last, p.rows, p.bytes, p.newest, time.Since(began))
	s.countIssues(p)
	s.noteGaps(load.batch.Gaps)
	s.announce(Applied{Batch: stats.Batch, Newest: l.status.get().Newest})
	return nil
}

func (s *Sink) countIssues(p *parcel) {
	for issue, n := range p.issues {
		s.metrics.issues.WithLabelValues(issue.String()).Add(float64(n))
	}
}

func watermarkOf(mark lake.Mark) *bronze.Watermark {
	return &bronze.Watermark{
		Consumer: proto.WarehouseConsumer, Stream: mark.Stream.Name, Created: mark.Stream.Created,
		Epoch: mark.Epoch, Seq: mark.Seq, Time: mark.Time, Seen: mark.Seen,
	}
}

// runLake gathers parcels until they are worth a file, or somebody asks, or the sink ends: file size is what counts.
func (s *Sink) runLake(ctx context.Context, l *loop) error {
	gathered := &landing{mark: l.base}
	linger := time.NewTimer(s.cfg.LakeLinger)
	defer linger.Stop()
	for {
		var err error
		select {
		case p, more := <-l.parcels:
			if !more {
				return s.land(ctx, l, gathered)
			}
			before := gathered.empty()
			gathered.add(p)
			switch {
			case gathered.empty():
				// Positions only: nothing to land.
				err = l.ack(ctx, p.seen, gathered.messages)
				gathered.messages = 0
			case before:
				linger.Reset(s.cfg.LakeLinger)
			}
			if err == nil && s.full(gathered) {
				err = s.land(ctx, l, gathered)
			}
		case <-linger.C:
			err = s.land(ctx, l, gathered)
		case done := <-s.flushes:
			err = s.land(ctx, l, gathered)
			done <- err
		}
		if err != nil {
			return err
		}
		if gathered.landed {
			gathered = &landing{mark: l.base}
		}
	}
}

func (s *Sink) full(g *landing) bool {
	// Positions count for what may be unacknowledged, though they have no row.
	return !g.empty() && (g.rows >= s.cfg.LakeRows || g.bytes >= s.cfg.BatchBytes || g.messages >= 2*max(s.cfg.LakeRows, s.cfg.BatchSize))
}

func (s *Sink) land(ctx context.Context, l *loop, g *landing) error {
	if g.empty() {
		return nil
	}
	if err := s.step("lake: land"); err != nil {
		return err
	}
	began := time.Now()
	batch := g.batch()
	defer g.release()
	err := l.retry(ctx, "land", func() error {
		_, err := s.lake.Write(l.finish, batch)
		return err
	})
	if err != nil {
		return err
	}
	if err := s.step("lake: landed"); err != nil {
		return err
	}
	g.landed = true
	l.note(g.first, g.mark.Seq, g.rows, g.bytes, g.newest, time.Since(began))
	return l.ack(ctx, g.mark.Seen, g.messages)
}
