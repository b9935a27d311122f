package sink

import (
	"context"
	"strings"

	"claude-analytics/proto"
	"claude-analytics/sink/bronze"
	"claude-analytics/sink/record"
)

// maxRepeated bounds how many keys with several versions are looked at in one run; versions of others stay for the next.
const maxRepeated = 1_000_000

// versions knows of each document that has several rows in the lake which is the newest, and of each namespace up to
// where it is gone. A document with one row has no entry, so this stays small beside the lake.
type versions struct {
	mirror  bool
	floor   bronze.Order // of the stream's present life: what is below it can no longer come from there
	newest  map[docKey]*newest
	fences  map[namespaceOf]bronze.Order
	partial bool // not all keys were taken in
}

type namespaceOf struct{ source, name string }

type newest struct {
	document, deleted bronze.Order
	// documents counts the rows with one.
	documents int
}

// readVersions looks through the lake twice: first for the keys that come more than once, by hash and in a few bytes
// each (some come along that do not), then for their orders.
func (s *Sink) readVersions(ctx context.Context, floor uint64) (*versions, error) {
	v := &versions{
		mirror: !s.cfg.KeepDeleted, floor: bronze.Order{Epoch: s.Status().Epoch, Seq: floor},
		newest: map[docKey]*newest{}, fences: map[namespaceOf]bronze.Order{},
	}
	var rows int64
	for _, e := range s.lake.Entries() {
		rows += e.Rows()
	}
	once, again := newMarks(rows), newMarks(rows)
	err := s.eachKey(ctx, func(row record.KeyRow) {
		if ofNamespace(row.Operation) {
			return
		}
		if hash := bronze.Key(row.Source, row.ID); !once.set(hash) {
			again.set(hash)
		}
	})
	if err != nil {
		return nil, err
	}
	err = s.eachKey(ctx, func(row record.KeyRow) { v.take(row, again, s.lake.Floor) })
	return v, err
}

func (v *versions) take(row record.KeyRow, again *marks, epochFloor func(uint64) uint64) {
	at := orderOf(row)
	switch row.Operation {
	case proto.Operation_OPERATION_GAP:
		return
	case proto.Operation_OPERATION_DROP, proto.Operation_OPERATION_SNAPSHOT_END:
		if row.Operation == proto.Operation_OPERATION_SNAPSHOT_END {
			if row.Below >= row.Seq || row.Below+1 < epochFloor(row.Epoch) {
				return // it takes nothing out: item.toSnapshotEnd
			}
			at.Seq = row.Below
		}
		key := namespaceOf{strings.Clone(row.Source), strings.Clone(row.Namespace)}
		if v.fences[key].Less(at) {
			v.fences[key] = at
		}
		return
	}
	if !again.has(bronze.Key(row.Source, row.ID)) {
		return
	}
	n := v.newest[docKey{row.Source, row.ID}]
	if n == nil {
		if len(v.newest) == maxRepeated {
			v.partial = true
			return
		}
		n = &newest{}
		v.newest[docKey{strings.Clone(row.Source), strings.Clone(row.ID)}] = n
	}
	switch {
	case row.Operation == proto.Operation_OPERATION_DELETE:
		if n.deleted.Less(at) {
			n.deleted = at
		}
	case hasDocument(row.Operation, row.Session, row.Project):
		n.documents++
		if n.document.Less(at) {
			n.document = at
		}
	default:
		// An update may carry a document without session and project, or none: nothing is superseded by it for sure, and it is
		// a version that a delete must outlive.
		n.documents++
	}
}

// superseded says that nobody needs the row: every reader finds a newer one, here, and the same result without it.
func (v *versions) superseded(row record.KeyRow) bool {
	if ofNamespace(row.Operation) {
		return false
	}
	at := orderOf(row)
	n := v.newest[docKey{row.Source, row.ID}]
	if row.Operation == proto.Operation_OPERATION_DELETE {
		switch {
		case n == nil:
			// Nothing else is here of the document, unless not all were looked at.
			return !v.partial && v.out(at)
		case at.Less(n.deleted):
			return true
		case !v.mirror:
			return false
		}
		// A later version is back, or nothing is left that the delete hides.
		return at.Less(n.document) || n.documents == 0 && v.out(at)
	}
	if n != nil && (at.Less(n.document) || v.mirror && at.Less(n.deleted)) {
		return true
	}
	fence, ok := v.fences[namespaceOf{row.Source, row.Namespace}]
	return v.mirror && ok && !fence.Less(at)
}

// out says that no older version can come from the stream again.
func (v *versions) out(at bronze.Order) bool {
	return at.Epoch != v.floor.Epoch || at.Less(v.floor)
}

// marks remembers hashes in four bytes for each; of one in thirty it says wrongly that it was there.
type marks struct {
	bits []uint64
	size uint64
}

func newMarks(n int64) *marks {
	size := uint64(max(n, 1)) * 32
	return &marks{bits: make([]uint64, size/64+1), size: size}
}

// set remembers a hash and reports whether it was new.
func (m *marks) set(hash uint64) bool {
	at := hash % m.size
	word, bit := at/64, uint64(1)<<(at%64)
	fresh := m.bits[word]&bit == 0
	m.bits[word] |= bit
	return fresh
}

func (m *marks) has(hash uint64) bool {
	at := hash % m.size
	return m.bits[at/64]&(1<<(at%64)) != 0
}
