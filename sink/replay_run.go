package sink

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sort"
	"time"

	"golang.org/x/sync/errgroup"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
	"claude-analytics/sink/bronze"
	"claude-analytics/sink/lake"
)

// replay is one Replay under way.
type replay struct {
	*Sink
	part     Part
	dryRun   bool
	progress func(Replayed)
	extent   extent

	// restored are the rows that came back, and namespaces what they belong to: whatever is newer of them must come too.
	restored   []bronze.Version
	namespaces map[namespace]struct{}
	// chasing says that this is under way.
	chasing bool
}

type namespace struct{ source, name string }

// load of a replay is what goes to one place at once.
type shipment struct {
	n    int
	fill func(i int, it *item)
	// fromLake says where it comes from; looked is how many changes were looked at to find these.
	fromLake bool
	looked   int
	load     *replayLoad
}

// replayLoad takes what is of the part.
type replayLoad struct {
	*bronzeLoad
	wanted        func(*item) bool
	matched, dead int64
	namespaces    map[namespace]struct{}
}

func (l *replayLoad) add(it *item) {
	switch {
	case it.kind == kindDead:
		l.dead++
	case it.kind == kindPosition, it.kind == kindEmpty, it.kind == kindVoid, !l.wanted(it):
		return
	default:
		l.matched++
	}
	if it.kind == kindRow {
		l.namespaces[namespace{it.row.Source, it.row.Namespace}] = struct{}{}
	}
	l.bronzeLoad.add(it)
}

// run reads the lake first: what stands there is older, so that little is written twice.
func (r *replay) run(ctx context.Context) (err error) {
	if r.extent, err = r.Sink.extent(ctx); err != nil {
		return err
	}
	var faults []error
	fault := func(err error) bool {
		var f lake.Fault
		if errors.As(err, &f) {
			faults = append(faults, err)
			return false
		}
		return err != nil
	}
	if err := r.ship(ctx, r.readLake); fault(err) {
		return err
	}
	if err := r.ship(ctx, r.readStream); fault(err) {
		return err
	}
	if len(r.restored) > 0 && !r.part.whole() {
		if err := r.chase(ctx); fault(err) {
			return err
		}
	}
	return errors.Join(faults...)
}

// chase brings what is newer of the rows that came back: the part may not hold it.
func (r *replay) chase(ctx context.Context) error {
	slices.SortFunc(r.restored, func(a, b bronze.Version) int {
		if a.Key != b.Key {
			return cmp.Compare(a.Key, b.Key)
		}
		return cmp.Or(cmp.Compare(b.Order.Epoch, a.Order.Epoch), cmp.Compare(b.Order.Seq, a.Order.Seq))
	})
	r.restored = slices.CompactFunc(r.restored, func(a, b bronze.Version) bool { return a.Key == b.Key })
	// What the lake has in hand would have to be looked for in the stream.
	if err := r.FlushLake(ctx); err != nil {
		return err
	}
	r.chasing = true
	return errors.Join(r.ship(ctx, r.readLakeAbove), r.ship(ctx, r.readStreamAboveLake))
}

// newerOf reports whether a change is newer than what came back of its key.
func (r *replay) newerOf(source, id string, order bronze.Order) bool {
	key := bronze.Key(source, id)
	i := sort.Search(len(r.restored), func(i int) bool { return r.restored[i].Key >= key })
	return i < len(r.restored) && r.restored[i].Key == key && r.restored[i].Order.Less(order)
}

// wanted reports whether an item is of the part, or, chasing, newer than what came back.
func (r *replay) wanted(it *item) bool {
	order := bronze.Order{Epoch: it.epoch, Seq: it.seq}
	if r.chasing {
		switch it.kind {
		case kindDrop:
			_, ours := r.namespaces[namespace{it.change.GetSource(), it.change.GetNamespace()}]
			return ours
		case kindRow, kindDelete:
			return r.newerOf(it.change.GetSource(), it.change.GetId(), order)
		}
		return false
	}
	if !r.part.holdsOrder(order, r.extent.epoch) {
		return false
	}
	return !r.part.ofRows() || it.kind == kindRow && r.part.holdsRow(it)
}

func (p Part) holdsOrder(order bronze.Order, epoch uint64) bool {
	if p.FromSeq == 0 && p.ToSeq == 0 {
		return true
	}
	return order.Epoch == epoch && order.Seq >= p.FromSeq && (p.ToSeq == 0 || order.Seq <= p.ToSeq)
}

func (p Part) holdsRow(it *item) bool {
	return (p.Session == "" || it.row.SessionID.Valid && it.row.SessionID.V == p.Session) &&
		(p.Project == "" || it.row.ProjectID.Valid && it.row.ProjectID.V == p.Project) &&
		p.holdsMoment(int64(it.row.EffectiveTimestamp))
}

func (p Part) holdsMoment(micros int64) bool {
	return (p.From.IsZero() || micros >= p.From.UnixMicro()) && (p.To.IsZero() || micros < p.To.UnixMicro())
}

// ship carries what read finds into the warehouse: one goroutine reads, one converts, one applies.
func (r *replay) ship(ctx context.Context, read func(context.Context, chan<- shipment) error) error {
	var faults error
	g, ctx := errgroup.WithContext(ctx)
	found, converted := make(chan shipment), make(chan shipment)
	g.Go(func() error {
		defer close(found)
		err := read(ctx, found)
		var f lake.Fault
		if errors.As(err, &f) {
			// What could be read is applied all the same.
			faults, err = err, nil
		}
		return err
	})
	g.Go(func() error {
		defer close(converted)
		converting := conversion{workers: r.cfg.Workers}
		for s := range found {
			s.load = &replayLoad{bronzeLoad: newBronzeLoad(s.n, r.cfg.StoreRaw), wanted: r.wanted, namespaces: map[namespace]struct{}{}}
			converting.run(s.n, s.fill, s.load)
			s.fill = nil
			if err := send(ctx, converted, s); err != nil {
				s.load.release()
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		for s := range converted {
			if err := r.apply(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(g.Wait(), faults)
}

func (r *replay) apply(ctx context.Context, s shipment) error {
	defer s.load.release()
	var done bronze.Repaired
	if !s.load.empty() {
		if err := r.step("replay: apply"); err != nil {
			return err
		}
		var err error
		if done, err = r.bronze.Repair(ctx, s.load.batch, r.dryRun); err != nil {
			return err
		}
	}
	if !r.chasing && !r.part.whole() {
		r.restored = append(r.restored, done.Restored...)
		for ns := range s.load.namespaces {
			r.namespaces[ns] = struct{}{}
		}
	}
	if r.chasing {
		s.looked = 0 // their keys were, nothing more
	}
	now := r.replays.update(func(now *Replayed) {
		place, matched := &now.Stream, &now.FromStream
		if s.fromLake {
			place, matched = &now.Lake, &now.FromLake
		}
		now.Read += int64(s.looked)
		now.Matched += s.load.matched
		now.Dead += s.load.dead
		now.Applied += done.Inserted
		now.Unchanged += done.Unchanged
		now.Superseded += done.SkippedOlder - done.Unchanged
		now.Deleted += done.Deleted
		*matched += s.load.matched
		place.Read += int64(s.looked)
		place.Matched += s.load.matched
		place.Applied += done.Inserted
	})
	if done.Changed {
		r.noteGaps(s.load.batch.Gaps)
		r.warehouse.update(func(d *DestinationStatus) { d.LastAt = time.Now().UTC() })
		r.announce(Applied{Batch: done.Batch, Newest: r.warehouse.get().Newest})
	}
	if r.progress != nil {
		r.progress(now)
	}
	return nil
}

// batchRows and batchBytes bound what is applied at once: live changes wait for it.
func (r *replay) batchRows() int    { return min(r.cfg.BatchSize, rebuildRows) }
func (r *replay) batchBytes() int64 { return min(r.cfg.BatchBytes, rebuildBytes) }

// empty says that nothing of a shipment is to be applied.
func (l *replayLoad) empty() bool { return l.matched == 0 && l.dead == 0 }

// readStream reads the part from the stream, as far as that reaches.
func (r *replay) readStream(ctx context.Context, out chan<- shipment) error {
	part := stream.Range{
		Subject: r.part.subject(), First: max(r.extent.first, r.part.FromSeq), Last: r.extent.last, Identity: r.extent.identity,
	}
	if r.part.ToSeq != 0 {
		part.Last = min(part.Last, r.part.ToSeq)
	}
	ranges := []stream.Range{part}
	if !r.part.From.IsZero() || !r.part.To.IsZero() {
		letters, err := r.bronze.Letters(ctx, r.extent.epoch)
		if err != nil {
			return err
		}
		ranges = withoutBatches(part, r.lake.Entries(), func(e lake.Entry) bool { return r.elsewhere(e, letters) })
	}
	for _, part := range ranges {
		if err := r.readRange(ctx, part, out); err != nil {
			return err
		}
	}
	return nil
}

// readStreamAboveLake reads all that the lake does not hold yet.
func (r *replay) readStreamAboveLake(ctx context.Context, out chan<- shipment) error {
	part := stream.Range{Subject: proto.AllSubjects, First: r.extent.first, Last: r.extent.last, Identity: r.extent.identity}
	if mark := r.lake.Watermark(); mark.Epoch == r.extent.epoch {
		part.First = max(part.First, mark.Seq+1)
	}
	return r.readRange(ctx, part, out)
}

func (r *replay) readRange(ctx context.Context, part stream.Range, out chan<- shipment) error {
	if part.First > part.Last {
		return nil
	}
	limit := stream.FetchLimit{Messages: r.batchRows(), Bytes: r.batchBytes()}
	return r.conn.ReadRange(ctx, part, limit, func(messages []stream.Message) error {
		changes := 0
		for i := range messages {
			if !proto.IsPosition(messages[i].Subject) {
				changes++
			}
		}
		return send(ctx, out, shipment{n: len(messages), looked: changes, fill: func(i int, it *item) {
			m := &messages[i]
			it.epoch, it.seq, it.time, it.subject, it.data, it.size = r.extent.epoch, m.Seq, m.Time, m.Subject, m.Data, len(m.Data)
			it.floor = r.extent.floor
		}})
	})
}
