package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
	"claude-analytics/sink/lake"
)

// watchInterval is how often the consumers' lag is read.
const watchInterval = 2 * time.Second

// lakeFetchBytes bounds what the lake fetches at once: it gathers anyway, and what is being converted takes room.
const lakeFetchBytes = 16 << 20

// lakeFetchLinger is how long the lake waits for more of a fetch: it is in less of a hurry than the warehouse, and larger
// pieces cost less.
func (s *Sink) lakeFetchLinger() time.Duration { return min(2*s.cfg.BatchLinger, s.cfg.LakeLinger) }

// live follows one life of the stream: it decides the epoch, fills the warehouse from the lake where that is needed,
// and runs both loops until ctx ends or the stream changes.
func (s *Sink) live(ctx context.Context) error {
	s.setState(StateStarting)
	s.doRebuild(ctx)
	p, err := s.start(ctx)
	if err != nil {
		return err
	}
	if p.FromLake {
		s.setState(StateRebuilding)
		s.log.Info().Str("after", text(p.FromLakeAfter)).Msg("the warehouse is filled from the lake")
		err := retry(ctx, s.log, &s.startup, s.metrics.retries.WithLabelValues(DestinationWarehouse), "fill the warehouse from the lake", func() error {
			return s.fromLake(ctx, true, nil)
		})
		if err != nil {
			return err
		}
		s.warehouse.place(s.lake.Watermark(), p.Epoch, p.WarehouseAfter)
	}
	s.isFilled()
	s.tellRules(ctx)
	return s.follow(ctx, p)
}

func text(m lake.Mark) string {
	if m.IsZero() {
		return "the start"
	}
	return fmt.Sprintf("epoch %d, message %d", m.Epoch, m.Seq)
}

// start looks at stream, lake and warehouse and makes the plan; the epoch is recorded when it returns.
func (s *Sink) start(ctx context.Context) (plan, error) {
	var p plan
	err := retry(ctx, s.log, &s.startup, s.metrics.retries.WithLabelValues(DestinationWarehouse), "start", func() (err error) {
		p, err = s.look(ctx)
		return err
	})
	if err != nil {
		return plan{}, err
	}
	s.mu.Lock()
	s.plan = p
	var fresh []Gap
	s.gaps, fresh = addGaps(s.gaps, p.Gaps)
	s.mu.Unlock()
	s.metrics.epoch.Set(float64(p.Epoch))
	for _, g := range fresh {
		s.metrics.gaps.WithLabelValues(g.Destination).Inc()
		s.log.Error().Str("destination", g.Destination).Uint64("epoch", g.Epoch).Uint64("from", g.From).Uint64("to", g.To).
			Msg("messages are missing: " + g.Reason)
	}
	s.log.Info().Uint64("epoch", p.Epoch).Str("reason", p.Reason).
		Uint64("lake_after", p.LakeAfter).Uint64("warehouse_after", p.WarehouseAfter).Msg("epoch decided")
	return p, nil
}

func (s *Sink) look(ctx context.Context) (plan, error) {
	if err := s.lake.Open(ctx); err != nil {
		return plan{}, err
	}
	lakeAt := standing{Mark: s.lake.Watermark()}
	warehouseMark, err := s.warehouseMark(ctx)
	if err != nil {
		return plan{}, err
	}
	warehouseAt := standing{Mark: warehouseMark}
	if warehouseAt.Partial, err = s.bronze.Rebuilding(ctx); err != nil {
		return plan{}, err
	}
	state, err := s.streamState(ctx)
	if err != nil {
		return plan{}, err
	}
	view := streamView{
		Identity: lake.Stream{Name: state.Identity.Name, Created: state.Identity.Created},
		First:    state.FirstSeq, Last: state.LastSeq, PurgeFloor: state.PurgeFloor, ErasedTo: state.ErasedTo,
	}
	for _, at := range []*standing{&lakeAt, &warehouseAt} {
		if at.At, err = s.messageAt(ctx, view, at.Mark); err != nil {
			return plan{}, err
		}
	}
	if lakeAt.Mark.IsZero() && warehouseMark.IsZero() {
		if view.PurgeFloor, err = s.removedBelow(ctx, state); err != nil {
			return plan{}, err
		}
	}
	p := decide(view, s.lake.Epochs(), lakeAt, warehouseAt)
	now := time.Now().UTC()
	for i := range p.Gaps {
		p.Gaps[i].Found = now
	}
	if p.Record {
		if err := s.step("record epoch"); err != nil {
			return plan{}, err
		}
		record := lake.EpochRecord{Epoch: p.Epoch, Stream: p.Stream, Began: now, Reason: p.Reason, Floor: p.Floor}
		if err := s.lake.BeginEpoch(ctx, record); err != nil {
			return plan{}, err
		}
	}
	if warehouseAt.Partial && !p.FromLake {
		// The last batch was applied, and the end of it not noted.
		if err := s.bronze.FinishRebuild(ctx, 0); err != nil {
			return plan{}, err
		}
	}
	leftOut, err := s.bronze.LeftOut(ctx)
	if err != nil {
		return plan{}, err
	}
	s.leftOut.Store(leftOut)
	// Before either destination moves: from where they stand now, the gaps can still be told.
	if err := s.keepGaps(ctx, p.Gaps); err != nil {
		return plan{}, err
	}
	if err := s.keepErasures(ctx); err != nil {
		return plan{}, err
	}
	s.landed.place(lakeAt.Mark, p.Epoch, p.LakeAfter)
	s.warehouse.place(warehouseAt.Mark, p.Epoch, p.WarehouseAfter)
	return p, nil
}

// streamState reads the stream's state; a stream that is gone is created.
func (s *Sink) streamState(ctx context.Context) (stream.State, error) {
	state, err := s.conn.State(ctx)
	if err == nil || ctx.Err() != nil {
		return state, err
	}
	if _, derr := s.conn.Deploy(ctx, false); derr != nil {
		return stream.State{}, errors.Join(err, derr)
	}
	return s.conn.State(ctx)
}

// messageAt is when the stream took the message that stands at a watermark of its present life; zero if there is none.
func (s *Sink) messageAt(ctx context.Context, view streamView, mark lake.Mark) (time.Time, error) {
	if mark.IsZero() || mark.Seq > view.Last || !mark.Stream.Equal(view.Identity) {
		return time.Time{}, nil
	}
	message, err := s.conn.MessageAt(ctx, mark.Seq)
	if errors.Is(err, stream.ErrNoMessage) {
		return time.Time{}, nil
	}
	return message.Time, err
}

func (s *Sink) warehouseMark(ctx context.Context) (lake.Mark, error) {
	w, ok, err := s.bronze.Watermark(ctx)
	if err != nil || !ok {
		return lake.Mark{}, err
	}
	return lake.Mark{
		Stream: lake.Stream{Name: w.Stream, Created: w.Created}, Epoch: w.Epoch, Seq: w.Seq, Time: w.Time, Seen: w.Seen,
	}, nil
}

// follow runs both loops. They share nothing but the stream: neither waits for the other.
func (s *Sink) follow(ctx context.Context, p plan) error {
	ctx, restart := context.WithCancelCause(ctx)
	defer restart(nil)
	g, ctx := errgroup.WithContext(ctx)

	toLake := s.newLoop(ctx, p, DestinationLake, &s.landed)
	toLake.limit.Linger, toLake.limit.Bytes = s.lakeFetchLinger(), min(lakeFetchBytes, s.cfg.BatchBytes)
	toWarehouse := s.newLoop(ctx, p, DestinationWarehouse, &s.warehouse)
	toLake.newLoad = func(int) load { return newLakeLoad() }
	toWarehouse.newLoad = func(messages int) load { return newBronzeLoad(messages, s.cfg.StoreRaw) }
	err := retry(ctx, s.log, &s.startup, s.metrics.retries.WithLabelValues(DestinationWarehouse), "open consumers", func() error {
		// What is in hand and what is converted ahead of it, and no more: the server keeps something of each message. The
		// lake gathers for longer (full), and must not stand still for want of room.
		return errors.Join(
			toLake.open(ctx, proto.LakeConsumer, p.LakeAfter, 3*max(s.cfg.LakeRows, s.cfg.BatchSize)),
			toWarehouse.open(ctx, proto.WarehouseConsumer, p.WarehouseAfter, 2*s.cfg.BatchSize),
		)
	})
	defer toLake.close()
	defer toWarehouse.close()
	if err != nil {
		return err
	}
	s.mu.Lock()
	if s.rebuild != nil {
		restart(errRestart)
	}
	s.restart = restart
	s.consumers = map[string]*stream.Consumer{DestinationLake: toLake.consumer, DestinationWarehouse: toWarehouse.consumer}
	s.state = StateRunning
	s.mu.Unlock()

	g.Go(func() error { return toLake.feed(ctx) })
	g.Go(func() error { return s.runLake(ctx, toLake) })
	g.Go(func() error { return toWarehouse.feed(ctx) })
	g.Go(func() error { return s.runWarehouse(ctx, toWarehouse) })
	g.Go(func() error { return s.watch(ctx, toLake, toWarehouse) })
	g.Go(func() error { return s.mirrorLetters(ctx) })
	err = g.Wait()

	s.mu.Lock()
	s.restart = nil
	s.mu.Unlock()
	if errors.Is(context.Cause(ctx), errRestart) && !errors.Is(err, errStopped) {
		// What could not be finished comes again.
		return errRestart
	}
	return err
}

// watch keeps the lag, and whatever a look at the consumers tells, current.
func (s *Sink) watch(ctx context.Context, loops ...*loop) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		for _, l := range loops {
			pending, err := l.consumer.Pending(ctx)
			if err != nil {
				continue
			}
			lag := int64(pending) + l.status.inHand()
			l.status.update(func(d *DestinationStatus) { d.Lag = lag })
			s.metrics.lag.WithLabelValues(l.name).Set(float64(lag))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// step is a place at which a test may stop the sink.
func (s *Sink) step(name string) error { return s.between(name) }
