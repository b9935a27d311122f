package sink

import (
	"fmt"
	"slices"
	"time"

	"claude-analytics/sink/lake"
)

// streamView is the stream as the decision needs it.
type streamView struct {
	Identity lake.Stream
	// First and Last are the sequences that it holds; Last stays when messages are removed.
	First, Last uint64
	// PurgeFloor is the sequence below which retention may have removed changes; 0: it never did.
	PurgeFloor uint64
	// ErasedTo is the newest message that an erasure may have removed.
	ErasedTo uint64
}

// standing is where one destination stands before the decision.
type standing struct {
	// Mark is its own watermark; zero if it is empty.
	Mark lake.Mark
	// At is when the stream took the message that now stands at Mark.Seq; zero if none stands there.
	At time.Time
	// Partial says that it was being filled from the lake, and that this was interrupted.
	Partial bool
}

// plan is the decision: in which epoch the destinations go on, and from where.
type plan struct {
	Epoch  uint64
	Stream lake.Stream
	// Record says that the registry does not hold the epoch yet: it must, before anything of it lands.
	Record bool
	Reason string
	// Floor is the new epoch's lake.EpochRecord.Floor.
	Floor uint64
	// LakeAfter and WarehouseAfter are the messages after which the consumers begin.
	LakeAfter, WarehouseAfter uint64
	// FromLake says that the lake holds what the warehouse can no longer get from the stream, or has never seen: it
	// applies the batches above FromLakeAfter first.
	FromLake      bool
	FromLakeAfter lake.Mark
	// Gaps are changes that a destination will not get.
	Gaps []Gap
}

// Gap is a part of the stream that a destination never got and cannot get from it any more.
type Gap struct {
	Destination string `json:"destination"`
	Epoch       uint64 `json:"epoch"`
	// From and To are the first and last message that may be missing.
	From   uint64    `json:"from"`
	To     uint64    `json:"to"`
	Reason string    `json:"reason"`
	Found  time.Time `json:"found"`
}

func (g Gap) text() string {
	return fmt.Sprintf("%s %d: %d-%d", g.Destination, g.Epoch, g.From, g.To)
}

// decide finds the epoch from what is known. It is pure. The rules:
//
//   - The newest epoch that anybody knows goes on if the stream is still the one it was given to, did not lose its
//     tail, and the message at each watermark of that epoch is the one recorded there, or was purged by retention.
//   - Otherwise a new epoch begins, and everything that the stream holds is applied again: it converges, by key and
//     order, because every order of the new epoch is above every one of the old.
//   - A destination goes on after its own watermark; one whose watermark is of an older epoch, or that has none,
//     begins at the stream's start. What the stream no longer has, the warehouse takes from the lake.
func decide(stream streamView, registry []lake.EpochRecord, lakeAt, warehouseAt standing) plan {
	newest, known := newestEpoch(registry, lakeAt.Mark, warehouseAt.Mark)
	p := plan{Stream: stream.Identity, Epoch: newest}
	if reason := broken(stream, newest, registry, lakeAt, warehouseAt); reason != "" {
		p.Epoch, p.Record, p.Reason = newest+1, true, reason
		if newest > 0 {
			p.Floor = stream.PurgeFloor
		}
	} else {
		p.Record = !known
		p.Reason = "the stream goes on"
	}

	p.LakeAfter = after(p.Epoch, lakeAt.Mark)
	if gap, ok := purged(DestinationLake, p, lakeAt.Mark, stream); ok {
		p.Gaps = append(p.Gaps, gap)
	}
	if lost, ok := lostByLake(p, stream.Last, lakeAt.Mark, warehouseAt.Mark); ok {
		p.Gaps = append(p.Gaps, lost)
	}

	p.WarehouseAfter = after(p.Epoch, warehouseAt.Mark)
	_, gap := purged(DestinationWarehouse, p, warehouseAt.Mark, stream)
	empty, older := warehouseAt.Mark.IsZero(), warehouseAt.Mark.Epoch < p.Epoch
	mark := warehouseAt.Mark
	if lakeAt.Mark.Compare(warehouseAt.Mark) > 0 && (gap || empty || older || warehouseAt.Partial) {
		p.FromLake, p.FromLakeAfter = true, warehouseAt.Mark
		mark = lakeAt.Mark
		p.WarehouseAfter = after(p.Epoch, mark)
	}
	if gap, ok := purged(DestinationWarehouse, p, mark, stream); ok {
		p.Gaps = append(p.Gaps, gap)
	}
	return p
}

// newestEpoch is the highest epoch that anybody knows, and whether the registry does; 0 for a first start.
func newestEpoch(registry []lake.EpochRecord, marks ...lake.Mark) (epoch uint64, known bool) {
	for _, r := range registry {
		epoch = max(epoch, r.Epoch)
	}
	registered := epoch
	for _, m := range marks {
		epoch = max(epoch, m.Epoch)
	}
	return epoch, epoch != 0 && registered == epoch
}

// broken says why the newest epoch cannot go on; empty if it can.
func broken(stream streamView, epoch uint64, registry []lake.EpochRecord, lakeAt, warehouseAt standing) string {
	if epoch == 0 {
		return "first start"
	}
	for _, r := range registry {
		if r.Epoch == epoch && !r.Stream.Equal(stream.Identity) {
			return recreated(r.Stream, stream.Identity)
		}
	}
	for _, d := range []struct {
		name string
		standing
	}{{DestinationLake, lakeAt}, {DestinationWarehouse, warehouseAt}} {
		mark := d.Mark
		switch {
		case mark.Epoch != epoch:
			// It has nothing of this epoch yet, so nothing of it can contradict the stream.
		case !mark.Stream.Equal(stream.Identity):
			return recreated(mark.Stream, stream.Identity)
		case stream.Last < max(mark.Seen, mark.Seq):
			return fmt.Sprintf("the stream lost its tail: it ends at %d, the %s had seen %d", stream.Last, d.name, max(mark.Seen, mark.Seq))
		case !d.At.IsZero() && (mark.Time.IsZero() || lake.SameTime(d.At, mark.Time)):
			// The very message, or one at a watermark whose time nobody recorded.
		case d.At.IsZero() && mark.Seq < stream.PurgeFloor:
			// Retention took it: absent is not lost.
		case d.At.IsZero() && mark.Seq <= stream.ErasedTo:
			// An erasure may have taken it.
		case d.At.IsZero():
			return fmt.Sprintf("the %s's last change, message %d, is no longer in the stream, and retention did not remove it", d.name, mark.Seq)
		default:
			return fmt.Sprintf("another message stands at %d than the %s's last change", mark.Seq, d.name)
		}
	}
	return ""
}

func recreated(before, now lake.Stream) string {
	if before.Name != now.Name {
		return fmt.Sprintf("the stream is another one: %s, before %s", now.Name, before.Name)
	}
	return fmt.Sprintf("the stream was recreated at %s; the one known was of %s",
		now.Created.UTC().Format(time.RFC3339Nano), before.Created.UTC().Format(time.RFC3339Nano))
}

// after is the message after which a destination goes on in an epoch.
func after(epoch uint64, mark lake.Mark) uint64 {
	if mark.Epoch != epoch {
		return 0
	}
	return max(mark.Seq, mark.Seen)
}

// purged tells what a destination with this watermark can no longer get from the stream.
func purged(destination string, p plan, mark lake.Mark, stream streamView) (Gap, bool) {
	from := after(p.Epoch, mark) + 1
	if stream.PurgeFloor <= from {
		return Gap{}, false
	}
	return Gap{
		Destination: destination, Epoch: p.Epoch, From: from, To: stream.PurgeFloor - 1,
		Reason: "these messages were removed from the stream: by retention, unless somebody else did",
	}, true
}

// lostByLake tells what the warehouse had applied of a life of the stream that ended before the lake landed it. The
// sources publish again what they still have; only what they no longer have stays missing.
func lostByLake(p plan, last uint64, lakeMark, warehouse lake.Mark) (Gap, bool) {
	if warehouse.Epoch == 0 || warehouse.Epoch == p.Epoch || warehouse.Compare(lakeMark) <= 0 {
		return Gap{}, false
	}
	from := uint64(1)
	if lakeMark.Epoch == warehouse.Epoch {
		from = lakeMark.Seq + 1
	}
	if warehouse.Stream.Equal(p.Stream) {
		// Only the tail was lost.
		from = max(from, last+1)
	}
	if from > warehouse.Seq {
		return Gap{}, false
	}
	return Gap{
		Destination: DestinationLake, Epoch: warehouse.Epoch, From: from, To: warehouse.Seq,
		Reason: "the stream ended before the lake had landed these messages; the sources publish anew what they still have",
	}, true
}

// addGaps adds those that are not yet known; newest last.
func addGaps(known, found []Gap) (all, fresh []Gap) {
	for _, g := range found {
		if !slices.ContainsFunc(known, func(k Gap) bool { return k.text() == g.text() }) {
			known, fresh = append(known, g), append(fresh, g)
		}
	}
	return known, fresh
}
