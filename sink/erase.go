package sink

import (
	"context"
	"fmt"
	"slices"
	"time"

	"claude-analytics/sink/bronze"
	"claude-analytics/sink/lake"
)

// EraseOptions are what an erasure needs of those around it.
type EraseOptions struct {
	// FileGone says that a file of a lane's folder is no longer at the source; nil: nobody can say.
	FileGone func(lane, folder, path string) bool
	// Progress is called now and then; nil: not.
	Progress func(ErasePhase)
	// DryRun only counts.
	DryRun bool
}

// eraser is one erasure on its way.
type eraser struct {
	*Sink
	subject  Subject
	fileGone func(lane, folder, path string) bool
	progress func(ErasePhase)

	// upTo is the newest change that the erasure covers: what comes later is not its concern.
	upTo bronze.Order
	keys *keySet
	// others are documents of keys that have versions which stay.
	others map[docKey]struct{}
	// deleted are the ends of deleted documents.
	deleted  map[docKey]bronze.Order
	messages []uint64
	letters  []orderPair
	done     Erased
}

// Erase removes a subject from stream, dead letters, lake and bronze: everything that was published before it began. What
// refers to bronze (marts, and the blocks that rows leave in the warehouse's file) is the caller's; so is FinishErasure,
// after which nothing of it is left. It goes from the front to the back: what an earlier place no longer holds cannot
// come to a later one again. It may be interrupted anywhere, and called again with the same subject.
func (s *Sink) Erase(ctx context.Context, subject Subject, opts EraseOptions) (Erased, error) {
	if err := subject.check(); err != nil {
		return Erased{}, err
	}
	s.erasing.Lock()
	defer s.erasing.Unlock()
	e := &eraser{
		Sink: s, subject: subject, fileGone: opts.FileGone, progress: opts.Progress,
		keys: newKeySet(), others: map[docKey]struct{}{}, deleted: map[docKey]bronze.Order{},
	}
	if err := e.run(ctx, opts.DryRun); err != nil {
		return e.done, fmt.Errorf("erase %s: %w", subject.Kind(), err)
	}
	return e.done, nil
}

func (e *eraser) run(ctx context.Context, dry bool) error {
	upTo, err := e.settle(ctx)
	if err != nil {
		return err
	}
	e.upTo = upTo
	record, err := e.unfinished(ctx)
	if err != nil {
		return err
	}
	e.keys.recall(record)
	e.phase("lake: looking", 0, 0)
	if err := e.findKeys(ctx); err != nil {
		return err
	}
	if err := e.findMessages(ctx); err != nil {
		return err
	}
	e.done.Keys = int64(e.keys.size())
	if dry {
		return e.count(ctx)
	}
	record.Kind, record.SubjectHash, record.Keys = e.subject.Kind(), e.subject.Hash(), e.keys.record()
	record.UpToEpoch, record.UpToSeq = upTo.Epoch, upTo.Seq
	// First of all: one that does not end must find again what it has begun.
	if err := e.lake.RecordErasure(ctx, record); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"erase: stream", e.eraseMessages},
		{"erase: lake", e.rewriteLake},
		{"erase: warehouse", e.eraseRows},
	} {
		if err := e.step(step.name); err != nil {
			return err
		}
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	record.Rows += e.done.Lake.Rows
	e.done.Record = &record
	return e.step("erase: done")
}

// FinishErasure records that an erasure is complete, in the lake and in the warehouse.
func (s *Sink) FinishErasure(ctx context.Context, record lake.Erasure) error {
	record.ErasedAt = time.Now().UTC()
	if err := s.lake.RecordErasure(ctx, record); err != nil {
		return err
	}
	return s.keepErasures(ctx)
}

// keepErasures brings the warehouse's record of erasures up to date with the lake's, which outlives it.
func (s *Sink) keepErasures(ctx context.Context) error {
	all, err := s.lake.Erasures(ctx)
	if err != nil {
		return err
	}
	rows := make([]bronze.Erasure, 0, len(all))
	for _, e := range all {
		if !e.ErasedAt.IsZero() {
			rows = append(rows, bronze.Erasure{
				Number: e.Number, Kind: e.Kind, SubjectHash: e.SubjectHash, ErasedAt: e.ErasedAt, Rows: e.Rows,
				UpTo: bronze.Order{Epoch: e.UpToEpoch, Seq: e.UpToSeq}, Keys: e.Keys,
			})
		}
	}
	return s.bronze.KeepErasures(ctx, rows)
}

// settle waits until all that the stream held when it was called is durable in both destinations, and returns the order
// up to which that is.
func (s *Sink) settle(ctx context.Context) (bronze.Order, error) {
	status := s.Status()
	if status.State != StateRunning {
		return bronze.Order{}, fmt.Errorf("%w: it is %s", ErrNotRunning, status.State)
	}
	state, err := s.conn.State(ctx)
	if err != nil {
		return bronze.Order{}, err
	}
	tick := time.NewTicker(drainInterval)
	defer tick.Stop()
	for {
		passed, err := s.passed(ctx, state.LastSeq)
		if err != nil {
			return bronze.Order{}, err
		}
		if passed {
			return bronze.Order{Epoch: status.Epoch, Seq: state.LastSeq}, nil
		}
		select {
		case <-ctx.Done():
			return bronze.Order{}, ctx.Err()
		case <-tick.C:
		}
	}
}

// passed reports whether both destinations hold all messages up to seq, and brings that about.
func (s *Sink) passed(ctx context.Context, seq uint64) (bool, error) {
	s.mu.Lock()
	running, consumers := s.state == StateRunning, s.consumers
	s.mu.Unlock()
	if !running {
		return false, nil
	}
	all := true
	for name, at := range map[string]*progress{DestinationLake: &s.landed, DestinationWarehouse: &s.warehouse} {
		if at.get().Seen >= seq {
			continue
		}
		pending, err := consumers[name].Pending(ctx)
		if err != nil {
			return false, err
		}
		// The last messages may have been erased: then none is left to come.
		all = at.quietFor(pending == 0, 2*s.lakeFetchLinger()+100*time.Millisecond) && all
	}
	if !all && s.landed.inHand() > 0 && s.warehouse.get().Seen >= seq {
		return false, s.FlushLake(ctx)
	}
	return all, nil
}

// unfinished is the record of an erasure of the same subject that did not end, or a new one.
func (e *eraser) unfinished(ctx context.Context) (lake.Erasure, error) {
	all, err := e.lake.Erasures(ctx)
	if err != nil {
		return lake.Erasure{}, err
	}
	next := 1
	for _, known := range all {
		if known.ErasedAt.IsZero() && known.Kind == e.subject.Kind() && known.SubjectHash == e.subject.Hash() {
			return known, nil
		}
		next = known.Number + 1
	}
	return lake.Erasure{Number: next, Began: time.Now().UTC()}, nil
}

// eraseRows takes the subject out of bronze.
func (e *eraser) eraseRows(ctx context.Context) error {
	e.phase("warehouse: rows", 0, 0)
	request := bronze.ErasedSubject{Session: e.subject.Session, Project: e.subject.Project, UpTo: e.upTo}
	if e.subject.Kind() == ErasureDeleted {
		for key := range e.keys.keys {
			request.Keys = append(request.Keys, bronze.ErasedKey{Source: key.source, ID: key.id})
		}
	} else {
		request.Hashes = e.keys.record()
		for key := range e.others {
			request.Hashes[key.source] = slices.DeleteFunc(request.Hashes[key.source], func(hash string) bool { return hash == hashOf(key.id) })
		}
	}
	for _, at := range e.letters {
		request.Letters = append(request.Letters, bronze.Order{Epoch: at.epoch, Seq: at.seq})
	}
	done, err := e.bronze.Erase(ctx, request)
	e.done.Rows, e.done.Blocks, e.done.Tombstones, e.done.Sessions = done.Rows, done.Blocks, done.Tombstones, done.Sessions
	if err == nil && done.Batch > 0 {
		e.announce(Applied{Batch: done.Batch, Newest: e.warehouse.get().Newest})
	}
	return err
}

// count fills in what an erasure would remove.
func (e *eraser) count(ctx context.Context) error {
	e.done.Messages = int64(len(e.messages))
	files := map[string]int64{}
	err := e.eachKeyOfFile(ctx, func(file string, takes bool) {
		if takes {
			files[file]++
		}
	})
	for _, rows := range files {
		e.done.Lake.Rows += rows
	}
	for _, entry := range e.lake.Entries() {
		for _, f := range entry.Files {
			if files[f.Path] > 0 {
				e.done.Lake.Files++
				e.done.Lake.Bytes += f.Bytes
			}
		}
	}
	return err
}

func (e *eraser) phase(name string, done, total int64) {
	if e.progress != nil {
		e.progress(ErasePhase{Name: name, Done: done, Total: total})
	}
}

// counted is a phase that counts pieces.
func (e *eraser) counted(name string, total int64) func(int) {
	var done int64
	return func(n int) {
		done += int64(n)
		e.phase(name, done, total)
	}
}
