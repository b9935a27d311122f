package sink

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"claude-analytics/proto"
	"claude-analytics/sink/lake"
	"claude-analytics/sink/record"
)

// ErrNothingToRebuildFrom is returned by Rebuild if the lake is empty.
var ErrNothingToRebuildFrom = errors.New("the lake is empty")

// RebuildProgress is how far a rebuild or a load of files has come.
type RebuildProgress struct {
	// Rows have been applied, of Total; Total is 0 where it is not known.
	Rows, Total int64
}

const (
	// Four of these are in hand at once; larger ones take more memory than they save time.
	rebuildRows  = 10_000
	rebuildBytes = 24 << 20
)

type rebuildRequest struct {
	ctx      context.Context
	progress func(RebuildProgress)
	done     chan error
}

// Rebuild empties the warehouse's raw tables and fills them from the lake, in order; then the stream goes on from
// where the lake ends. While Run runs, both loops pause meanwhile; without Run, the stream is not needed. progress may
// be nil. Parquet files that cannot be read are left out and named in the error, after all others were applied.
//
// One that is interrupted leaves the warehouse's watermark at the last batch of the lake that it holds whole, or none:
// the next Run or Rebuild goes on from there.
func (s *Sink) Rebuild(ctx context.Context, progress func(RebuildProgress)) error {
	request := &rebuildRequest{ctx: ctx, progress: progress, done: make(chan error, 1)}
	s.mu.Lock()
	if s.state == StateStopped {
		s.mu.Unlock()
		return s.rebuildNow(ctx, progress)
	}
	if s.rebuild != nil {
		s.mu.Unlock()
		return errors.New("rebuild: another one is waiting")
	}
	s.rebuild = request
	if s.restart != nil {
		s.restart(errRestart)
	}
	s.mu.Unlock()
	select {
	case err := <-request.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("rebuild: %w", ctx.Err())
	}
}

// doRebuild does what Rebuild asked for while the loops ran.
func (s *Sink) doRebuild(ctx context.Context) {
	s.mu.Lock()
	request := s.rebuild
	s.rebuild = nil
	s.mu.Unlock()
	if request == nil {
		return
	}
	s.setState(StateRebuilding)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(request.ctx, cancel)()
	request.done <- s.rebuildNow(ctx, request.progress)
}

func (s *Sink) rebuildNow(ctx context.Context, progress func(RebuildProgress)) error {
	if err := s.lake.Open(ctx); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	if s.lake.Watermark().IsZero() {
		return fmt.Errorf("rebuild: %w", ErrNothingToRebuildFrom)
	}
	s.log.Info().Int64("rows", s.lake.Stats().Rows).Msg("rebuild from the lake started")
	began := time.Now()
	if err := s.step("rebuild: truncate"); err != nil {
		return err
	}
	if err := s.bronze.Truncate(ctx); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	if err := errors.Join(s.fromLake(ctx, false, progress), s.keepErasures(ctx)); err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	s.log.Info().Dur("took", time.Since(began)).Msg("rebuild from the lake finished")
	return nil
}

// fromLake applies the lake's batches above the warehouse's watermark. Files that cannot be read are left out; they
// are the error at the end, or, if that is to be tolerated, lines of the log.
func (s *Sink) fromLake(ctx context.Context, tolerate bool, progress func(RebuildProgress)) error {
	s.filling.Lock()
	defer s.filling.Unlock()
	if err := s.bronze.BeginRebuild(ctx); err != nil {
		return err
	}
	after, err := s.warehouseMark(ctx)
	if err != nil {
		return err
	}
	f := &filler{Sink: s, progress: progress, end: s.lake.Watermark()}
	for _, e := range s.lake.Entries() {
		if mark := e.Mark(); mark.Compare(after) > 0 {
			f.at.Total += e.Rows()
		}
	}
	faults, err := f.run(ctx, func(fn func(lake.Chunk) error) ([]lake.Fault, error) {
		opts := lake.ScanOptions{After: after, KeepGoing: true, Columns: record.ChangeColumns(), Optional: record.OptionalColumns()}
		return s.lake.Scan(ctx, opts, fn)
	})
	if err != nil {
		return err
	}
	if err := s.step("rebuild: finish"); err != nil {
		return err
	}
	if err := s.bronze.FinishRebuild(ctx, len(faults)); err != nil {
		return err
	}
	s.leftOut.Store(int64(len(faults)))
	for _, fault := range faults {
		s.log.Error().Str("path", fault.Path).Str("remedy", fault.Remedy).Msg(fault.Problem)
		if !tolerate {
			err = errors.Join(err, fault)
		}
	}
	return err
}

// LoadFiles applies the Parquet files of the lake's form that match a pattern, whether the manifest names them or not.
// The watermark stays. It returns how many changes they hold. progress may be nil.
func (s *Sink) LoadFiles(ctx context.Context, pattern string, progress func(RebuildProgress)) (int64, error) {
	names, err := filepath.Glob(pattern)
	if err != nil {
		return 0, fmt.Errorf("load %s: %w", pattern, err)
	}
	if len(names) == 0 {
		return 0, fmt.Errorf("load %s: no such file", pattern)
	}
	// By name within a date is by order; it only saves work: what is newer wins in any case.
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	f := &filler{Sink: s, progress: progress}
	faults, err := f.run(ctx, func(fn func(lake.Chunk) error) ([]lake.Fault, error) {
		return s.lake.ScanFiles(ctx, names, lake.ScanOptions{KeepGoing: true, Columns: record.ChangeColumns(), Optional: record.OptionalColumns()}, fn)
	})
	for _, fault := range faults {
		err = errors.Join(err, fault)
	}
	if err != nil {
		return f.at.Rows, fmt.Errorf("load %s: %w", pattern, err)
	}
	return f.at.Rows, nil
}

// filler carries rows of the lake into the warehouse: one goroutine reads, one converts, one applies.
type filler struct {
	*Sink
	progress func(RebuildProgress)
	at       RebuildProgress
	// end is the watermark after all; zero: the watermark stays.
	end lake.Mark
}

// cargo is what is applied at once.
type cargo struct {
	rows []lakeRow
	// mark is the last batch of the lake that is whole by then; zero: none more than before.
	mark   lake.Mark
	parcel *parcel
}

// lakeRow is a change read back; err says why it cannot be.
type lakeRow struct {
	epoch, seq uint64
	change     *proto.Change
	err        error
}

func (r *lakeRow) fill(it *item) {
	it.epoch, it.seq, it.change = r.epoch, r.seq, r.change
	if r.err != nil {
		it.die(proto.ReasonNotDecodable, r.err.Error())
	}
}

func (f *filler) run(ctx context.Context, scan func(func(lake.Chunk) error) ([]lake.Fault, error)) (faults []lake.Fault, err error) {
	pace := pace{db: f.threads, log: f.log}
	pace.set(ctx, true)
	defer pace.set(context.WithoutCancel(ctx), false)
	g, ctx := errgroup.WithContext(ctx)
	read, converted := make(chan cargo), make(chan cargo)
	g.Go(func() (err error) {
		defer close(read)
		faults, err = f.read(ctx, scan, read)
		return err
	})
	g.Go(func() error {
		defer close(converted)
		converting := conversion{workers: f.cfg.Workers, newConverter: f.newConverter}
		for c := range read {
			c.parcel = converting.run(len(c.rows), func(i int, it *item) { c.rows[i].fill(it) }, newBronzeLoad(len(c.rows), f.cfg.StoreRaw))
			c.rows = nil
			if err := send(ctx, converted, c); err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		for c := range converted {
			if err := f.apply(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	return faults, g.Wait()
}

func send[T any](ctx context.Context, to chan<- T, piece T) error {
	select {
	case to <- piece:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read makes cargo of chunks. A batch of the lake is whole when a chunk of the next one comes.
func (f *filler) read(ctx context.Context, scan func(func(lake.Chunk) error) ([]lake.Fault, error), out chan<- cargo) ([]lake.Fault, error) {
	var (
		now   cargo
		bytes int
		from  lake.Mark
	)
	faults, err := scan(func(chunk lake.Chunk) error {
		if chunk.Mark != from {
			now.mark, from = from, chunk.Mark
		}
		rows, err := record.OpenLake(chunk.Rows)
		if err != nil {
			return fmt.Errorf("%w: %w", lake.ErrUnreadable, err)
		}
		for i := range rows.Rows() {
			var row lakeRow
			row.epoch, row.seq = rows.Order(i)
			row.change, row.err = rows.Change(i)
			now.rows = append(now.rows, row)
			bytes += len(row.change.GetDocument())
			if len(now.rows) >= rebuildRows || bytes >= rebuildBytes {
				if err := send(ctx, out, now); err != nil {
					return err
				}
				now, bytes = cargo{rows: make([]lakeRow, 0, rebuildRows)}, 0
			}
		}
		return nil
	})
	if err != nil {
		return faults, err
	}
	now.mark = f.end
	return faults, send(ctx, out, now)
}

// buryWait bounds how long the stream is waited for: a rebuild does not need it.
const buryWait = 10 * time.Second

// bury sets aside rows that this release cannot convert. They stay in the lake, so a stream that cannot be reached loses
// nothing: their rows of meta.dead_letters are there, and the next rebuild meets them again.
func (f *filler) bury(ctx context.Context, p *parcel) {
	if len(p.dead) == 0 {
		return
	}
	f.log.Warn().Int("rows", len(p.dead)).Str("first", p.dead[0].reason).Msg("rows of the lake cannot be converted by this release; they stay in the lake")
	ctx, cancel := context.WithTimeout(ctx, buryWait)
	defer cancel()
	for i := range p.dead {
		if err := f.conn.DeadLetter(ctx, p.dead[i].deadLetter(proto.PartWarehouse)); err != nil {
			f.log.Warn().Err(err).Msg("rows of the lake that cannot be converted are not among the dead letters")
			return
		}
	}
}

func (f *filler) apply(ctx context.Context, c cargo) error {
	p, load := c.parcel, c.parcel.load.(*bronzeLoad)
	defer load.release()
	if !c.mark.IsZero() && !f.end.IsZero() {
		load.batch.Watermark = watermarkOf(c.mark)
	}
	if err := f.step("rebuild: apply"); err != nil {
		return err
	}
	stats, err := f.bronze.Apply(ctx, load.batch)
	if err != nil {
		return err
	}
	f.bury(ctx, p)
	f.countIssues(p)
	f.noteGaps(load.batch.Gaps)
	f.warehouse.update(func(d *DestinationStatus) {
		d.Rows, d.LastAt = d.Rows+uint64(p.rows), time.Now().UTC()
		if p.newest.After(d.Newest) {
			d.Newest = p.newest
		}
	})
	f.announce(Applied{Batch: stats.Batch, Newest: f.warehouse.get().Newest})
	f.at.Rows += int64(p.messages)
	if f.progress != nil {
		f.progress(f.at)
	}
	return nil
}
