package sink

import (
	"fmt"
	"strings"
	"time"

	"claude-analytics/proto"
	"claude-analytics/sink/bronze"
)

// ofNamespace says that an operation is about a namespace or a lane, and names no document.
func ofNamespace(op proto.Operation) bool {
	switch op {
	case proto.Operation_OPERATION_DROP, proto.Operation_OPERATION_SNAPSHOT_END, proto.Operation_OPERATION_GAP:
		return true
	}
	return false
}

// toSnapshotEnd makes the item a drop of what the snapshot did not see.
//
// Its fence is above every older epoch, and rightly so if all that the snapshot saw stands in this one. An epoch that
// began on a stream which retention had cut short in the middle of a snapshot holds that snapshot's end, but not all that
// it saw: the rest is in older epochs, and must stay. What that end had to take out, it took out in the older epoch.
func (it *item) toSnapshotEnd() {
	switch below := it.change.GetBelow(); {
	case below >= it.seq:
		it.die(proto.ReasonNotConvertible, fmt.Sprintf("message %d ends a snapshot that began at %d", it.seq, below))
	case below+1 < it.floor:
		it.withoutDocument(kindVoid)
	default:
		it.withoutDocument(kindDrop)
	}
}

// fence is the order up to which a drop takes out the namespace's keys.
func (it *item) fence() bronze.Order {
	if it.change.GetOperation() == proto.Operation_OPERATION_SNAPSHOT_END {
		return bronze.Order{Epoch: it.epoch, Seq: it.change.GetBelow()}
	}
	return bronze.Order{Epoch: it.epoch, Seq: it.seq}
}

// toGap reads the gap. What a table cannot hold must not get near it: the batch would fail for ever.
func (it *item) toGap() {
	gap, err := proto.ParseGap(it.change.GetDocument())
	if err != nil {
		it.die(proto.ReasonNotConvertible, err.Error())
		return
	}
	for _, at := range []time.Time{gap.From, gap.To} {
		if year := at.UTC().Year(); year < 1 || year > 9999 {
			it.die(proto.ReasonNotConvertible, fmt.Sprintf("a gap in the year %d", year))
			return
		}
	}
	for _, text := range []*string{&gap.Reason, &gap.Action, &gap.Detail} {
		*text = strings.ToValidUTF8(*text, "\uFFFD")
	}
	it.withoutDocument(kindGap)
	it.gap = gap
}

// sourceGap is the gap as the warehouse keeps it. It was found when the source said so: a rebuild must agree.
func (it *item) sourceGap() bronze.SourceGap {
	return bronze.SourceGap{
		Source: it.change.GetSource(), Namespace: it.change.GetNamespace(), Gap: it.gap,
		Epoch: it.epoch, Seq: it.seq, Found: time.UnixMicro(it.change.GetExtractedAtMicros()).UTC(),
	}
}
