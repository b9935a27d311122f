package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
	"claude-analytics/sink/bronze"
	"claude-analytics/sink/lake"
)

// LakeRepair is what repairing the lake did.
type LakeRepair struct {
	// Entries were restored from their files, Files written anew, with Rows in them: FromStream of them from the stream,
	// FromWarehouse from documents that the warehouse holds.
	Entries       int   `json:"entries"`
	Files         int   `json:"files"`
	Rows          int64 `json:"rows"`
	FromStream    int64 `json:"from_stream"`
	FromWarehouse int64 `json:"from_warehouse"`
	// Lost are parts that neither has any more.
	Lost []LakeLoss `json:"lost,omitempty"`
	// Accepted says that they were recorded as gaps, and are no longer named by the manifest.
	Accepted bool `json:"accepted,omitempty"`
}

// LakeLoss is a part of the lake that cannot be had any more.
type LakeLoss struct {
	// File is its path below the lake; empty for a part of which nobody knows the file.
	File  string `json:"file,omitempty"`
	Epoch uint64 `json:"epoch"`
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	// Rows is how many are lost; of superseded versions and of documents that stand in the warehouse alike.
	Rows int64 `json:"rows"`
}

// ErrRunningRepair is of a repair while the sink runs: both write the lake.
var ErrRunningRepair = errors.New("the sink is running")

// RepairLake makes the lake whole: entries from their files, files from the stream, and what the stream no longer holds
// from the documents in the warehouse (STORE_RAW). With accept, what nobody holds is recorded as a gap. Run must not
// be running. What is interrupted is done again by the next repair.
func (s *Sink) RepairLake(ctx context.Context, accept bool, progress func(done, of int)) (LakeRepair, error) {
	if s.Status().State != StateStopped {
		return LakeRepair{}, ErrRunningRepair
	}
	r := &repairer{Sink: s, accept: accept}
	if err := r.run(ctx, progress); err != nil {
		return r.out, fmt.Errorf("repair lake: %w", err)
	}
	return r.out, nil
}

type repairer struct {
	*Sink
	accept bool
	out    LakeRepair
	// at is the stream; epoch its life, 0 if the lake does not know this one.
	at    stream.State
	epoch uint64
}

func (r *repairer) run(ctx context.Context, progress func(done, of int)) error {
	found, err := r.lake.Inspect(ctx, true, progress)
	if err != nil {
		return err
	}
	if r.at, err = r.conn.State(ctx); err != nil {
		return err
	}
	for _, record := range found.Epochs {
		if record.Stream.Equal(lake.Stream{Name: r.at.Identity.Name, Created: r.at.Identity.Created}) {
			r.epoch = record.Epoch
		}
	}
	if err := r.entries(ctx, found); err != nil {
		return err
	}
	// The rest is done to the folder as it is now: what an unfinished write left is removed.
	if err := r.lake.Open(ctx); err != nil {
		return err
	}
	if found, err = r.lake.Inspect(ctx, true, nil); err != nil {
		return err
	}
	if err := r.files(ctx, found); err != nil {
		return err
	}
	if err := r.holes(ctx, found.Entries); err != nil {
		return err
	}
	r.out.Accepted = r.accept && len(r.out.Lost) > 0
	return r.lake.Open(ctx)
}

// entries restores those that are lost or cannot be read. Above the watermark only what the stream has no longer: the rest
// comes again, and whole.
func (r *repairer) entries(ctx context.Context, found lake.Inspection) error {
	done := map[[3]uint64]bool{}
	for _, f := range found.Findings {
		batch := [3]uint64{f.Epoch, f.First, f.Last}
		switch f.Kind {
		case lake.EntryLost, lake.EntryUnreadable:
		case lake.BatchUnfinished:
			if r.holdsAll(f.Epoch, f.First) {
				continue
			}
		default:
			continue
		}
		if done[batch] {
			continue
		}
		done[batch] = true
		if _, err := r.lake.RestoreEntry(ctx, f.Epoch, f.First, f.Last); err != nil {
			// Then its files are no help: what the stream holds of it is found as a hole.
			r.log.Warn().Err(err).Msg("a manifest entry cannot be restored from its files")
			if f.Kind == lake.EntryUnreadable {
				return err
			}
			continue
		}
		r.out.Entries++
	}
	return nil
}

// holdsAll is whether the stream still holds what stood from a message on.
func (r *repairer) holdsAll(epoch, first uint64) bool {
	return epoch == r.epoch && first >= max(r.at.PurgeFloor, r.at.FirstSeq)
}

// files writes anew what is missing or damaged, batch by batch.
func (r *repairer) files(ctx context.Context, found lake.Inspection) error {
	bad := map[[3]uint64]map[string]bool{}
	for _, f := range found.Findings {
		if f.Kind != lake.FileMissing && f.Kind != lake.FileDamaged {
			continue
		}
		batch := [3]uint64{f.Epoch, f.First, f.Last}
		if bad[batch] == nil {
			bad[batch] = map[string]bool{}
		}
		bad[batch][f.Path] = true
	}
	for _, e := range found.Entries {
		if paths := bad[[3]uint64{e.Epoch, e.First, e.Last}]; len(paths) > 0 {
			if err := r.batch(ctx, e, paths); err != nil {
				return err
			}
		}
	}
	return nil
}

// batch writes the bad files of one batch anew.
func (r *repairer) batch(ctx context.Context, e lake.Entry, bad map[string]bool) error {
	load, had, err := r.gather(ctx, e.Epoch, e.First, e.Last)
	if err != nil {
		return err
	}
	defer load.release()
	var parts []lake.Part
	drop := map[string]bool{}
	lost := false
	for _, f := range e.Files {
		if !bad[f.Path] {
			continue
		}
		part := lake.Part{Date: lake.DateOf(f.Path)}
		for date, rows := range load.dates {
			if date.String() == part.Date {
				part.Rows = []arrow.RecordBatch{rows}
				r.out.Rows += rows.NumRows()
			}
		}
		var have int64
		for _, rows := range part.Rows {
			have += rows.NumRows()
		}
		if missing := max(f.Rows, 0) - have; missing > 0 {
			r.out.Lost = append(r.out.Lost, LakeLoss{File: f.Path, Epoch: e.Epoch, First: e.First, Last: e.Last, Rows: missing})
			lost = true
			if !r.accept && have == 0 {
				continue // it stays as it is: what is in it may yet be had from a backup
			}
		}
		if have == 0 {
			drop[f.Path] = true
			continue
		}
		r.out.Files++
		parts = append(parts, part)
	}
	r.out.FromStream, r.out.FromWarehouse = r.out.FromStream+had.stream, r.out.FromWarehouse+had.warehouse
	if lost && r.accept {
		if err := r.record(ctx, e.Epoch, e.First, e.Last); err != nil {
			return err
		}
	}
	if len(parts) == 0 && len(drop) == 0 {
		return nil
	}
	_, err = r.lake.Mend(ctx, e, parts, drop)
	return err
}

func (r *repairer) record(ctx context.Context, epoch, first, last uint64) error {
	return r.bronze.RecordGaps(ctx, []bronze.StreamGap{{
		Destination: DestinationLake, Epoch: epoch, From: first, To: last, Found: time.Now().UTC(),
		Reason: "files of the lake were lost, and the stream no longer held what was in them; accepted",
	}})
}

// gathered is where the changes of a range came from, and which are the first and the last.
type gathered struct {
	stream, warehouse int64
	first, last       uint64
}

// gather has all changes of a range as the lake takes them: from the stream, and what it lacks from the warehouse.
func (r *repairer) gather(ctx context.Context, epoch, first, last uint64) (load *lakeLoad, had gathered, err error) {
	var items []item
	seen := map[uint64]bool{}
	if epoch == r.epoch {
		err = r.conn.ReadChanges(ctx, first, last, func(m stream.Message) error {
			seen[m.Seq] = true
			items = append(items, item{epoch: epoch, seq: m.Seq, time: m.Time, subject: m.Subject, data: m.Data, size: len(m.Data)})
			return nil
		})
		if err != nil {
			return nil, had, err
		}
		had.stream = int64(len(items))
	}
	err = r.bronze.Documents(ctx, epoch, first, last, func(seq uint64, change *proto.Change) {
		if !seen[seq] {
			had.warehouse++
			items = append(items, item{epoch: epoch, seq: seq, change: change})
		}
	})
	if err != nil {
		return nil, had, err
	}
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.seq, b.seq) })
	if n := len(items); n > 0 {
		had.first, had.last = items[0].seq, items[n-1].seq
	}
	load = newLakeLoad()
	converting := conversion{workers: r.cfg.Workers}
	floor := r.lake.Floor(epoch)
	converting.run(len(items), func(i int, it *item) {
		*it = items[i]
		it.floor = floor
	}, load)
	return load, had, nil
}

// holes looks between the entries for changes that the stream or the warehouse holds and the lake does not, and lands
// them as batches of their own. What lies above the last entry comes by itself.
func (r *repairer) holes(ctx context.Context, entries []lake.Entry) error {
	after := map[uint64]uint64{}
	for _, e := range entries {
		from, to := after[e.Epoch]+1, e.First-1
		after[e.Epoch] = max(after[e.Epoch], e.Last, e.Seen)
		if from > to {
			continue
		}
		if err := r.hole(ctx, e, from, to); err != nil {
			return err
		}
	}
	return nil
}

func (r *repairer) hole(ctx context.Context, before lake.Entry, from, to uint64) error {
	for from <= to {
		// In pieces, so that a hole of any size is filled in bounded memory.
		end := min(to, from+holeStep-1)
		load, had, err := r.gather(ctx, before.Epoch, from, end)
		if err != nil {
			return err
		}
		if load.rows > 0 {
			e := lake.Entry{Stream: before.Stream, Epoch: before.Epoch, First: had.first, Last: had.last, Seen: end}
			landing := &landing{loads: []*lakeLoad{load}}
			_, err = r.lake.Mend(ctx, e, landing.batch().Parts, nil)
			r.out.Files += len(load.dates)
			r.out.Rows += int64(load.rows)
			r.out.FromStream, r.out.FromWarehouse = r.out.FromStream+had.stream, r.out.FromWarehouse+had.warehouse
		}
		load.release()
		if err != nil {
			return err
		}
		from = end + 1
	}
	return nil
}

// holeStep is how many sequences of a hole are looked at at once.
const holeStep = 20_000

// String says in a line what was done.
func (r LakeRepair) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d manifest entries restored, %d files written anew with %d rows (%d from the stream, %d from the warehouse)",
		r.Entries, r.Files, r.Rows, r.FromStream, r.FromWarehouse)
	return b.String()
}
