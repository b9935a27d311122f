package bronze

import (
	"slices"
	"time"
)

// rowKey is a document's identity.
type rowKey struct{ source, id string }

// namespaceKey is a namespace's.
type namespaceKey struct{ source, namespace string }

// touch is what the batch, taken by itself, does to one key: its newest event.
type touch struct {
	rowKey
	hash  uint64
	order Order
	// row is the row that is to stand in the table, -1 if the key is deleted.
	row int32
	// deleted is the delete's; nil if a row is the newest. buried says that its tombstone stands already.
	deleted *Delete
	buried  bool
}

// plan is what a batch comes to before the table is looked at. Looking at the table then strikes rows out of it.
type plan struct {
	batch   *Batch
	columns columns
	hash    func(source, id string) uint64
	// touched has one entry a key, in the order in which the keys first appear.
	touched []touch
	hashes  []uint64 // of rows
	keep    []bool   // rows that go into the table
	kept    int
	drops   []Drop // newest a namespace
}

// newPlan finds the newest event of each key, and of each namespace.
func newPlan(batch *Batch, mirror bool, hash func(source, id string) uint64) (*plan, error) {
	columns, err := batch.columns()
	if err != nil {
		return nil, err
	}
	p := &plan{batch: batch, columns: columns, hash: hash, hashes: make([]uint64, columns.n), keep: make([]bool, columns.n)}
	at := make(map[rowKey]int32, columns.n)
	for i := range columns.n {
		key := rowKey{columns.source.Value(i), columns.id.Value(i)}
		p.hashes[i] = p.note(at, touch{rowKey: key, order: columns.order(i), row: int32(i)})
	}
	if mirror {
		for i := range batch.Deletes {
			deleted := &batch.Deletes[i]
			p.note(at, touch{rowKey: rowKey{deleted.Source, deleted.ID}, order: deleted.Order, row: -1, deleted: deleted})
		}
		p.noteDrops()
	}
	for i := range p.touched {
		if row := p.touched[i].row; row >= 0 {
			p.keep[row] = true
			p.kept++
		}
	}
	return p, nil
}

// note keeps the event if it is not older than what is known of its key, and returns the key's hash.
func (p *plan) note(at map[rowKey]int32, event touch) uint64 {
	i, known := at[event.rowKey]
	if !known {
		event.hash = p.hash(event.source, event.id)
		at[event.rowKey] = int32(len(p.touched))
		p.touched = append(p.touched, event)
		return event.hash
	}
	event.hash = p.touched[i].hash
	if !event.order.Less(p.touched[i].order) {
		p.touched[i] = event
	}
	return event.hash
}

func (p *plan) noteDrops() {
	for _, drop := range p.batch.Drops {
		same := slices.IndexFunc(p.drops, func(d Drop) bool { return d.Source == drop.Source && d.Namespace == drop.Namespace })
		switch {
		case same < 0:
			p.drops = append(p.drops, drop)
		case p.drops[same].Order.Less(drop.Order):
			p.drops[same] = drop
		}
	}
}

// strike takes a key's row out of the plan: the table, or a tombstone, is newer.
func (p *plan) strike(t *touch) {
	if t.row >= 0 {
		p.keep[t.row] = false
		p.kept--
	}
	t.row, t.deleted = -1, nil
}

// struck says that neither a row nor a delete is left of it.
func (t *touch) struck() bool { return t.row < 0 && t.deleted == nil }

// strikeDropped takes out the rows that a dropped namespace held, whether it was dropped in this batch or before. Rows
// above the drop's order stay.
func (p *plan) strikeDropped(dropped map[namespaceKey]Order) {
	if len(dropped) == 0 && len(p.drops) == 0 {
		return
	}
	for i := range p.touched {
		t := &p.touched[i]
		if t.row < 0 {
			continue
		}
		key := namespaceKey{t.source, p.columns.namespace.Value(int(t.row))}
		fence, known := dropped[key]
		if at := slices.IndexFunc(p.drops, func(d Drop) bool { return d.Source == key.source && d.Namespace == key.namespace }); at >= 0 {
			if drop := p.drops[at].Order; !known || fence.Less(drop) {
				fence, known = drop, true
			}
		}
		if known && !fence.Less(t.order) {
			p.strike(t)
		}
	}
}

// tombstone is what stays of a key or a namespace.
type tombstone struct {
	rowKey
	namespace string
	whole     bool // the namespace, not a key of it
	order     Order
	at        time.Time
	hash      uint64
}

// tombstones are those that the deletes still in the plan leave.
func (p *plan) tombstones() []tombstone {
	var left []tombstone
	for i := range p.touched {
		if t := &p.touched[i]; t.deleted != nil {
			left = append(left, tombstone{rowKey: t.rowKey, namespace: t.deleted.Namespace, order: t.order, at: t.deleted.At, hash: t.hash})
		}
	}
	return left
}

// change is a pair of meta.changed_keys.
type change struct {
	session string
	date    int32 // days since 1970
}

// addKept adds what the rows that go into the table change.
func (p *plan) addKept(changes map[change]struct{}) {
	var last change
	for i := range p.columns.n {
		if !p.keep[i] {
			continue
		}
		// Rows of one session come together, so most are like the one before.
		if c := (change{sessionOf(p.columns.session, i), int32(p.columns.date.Value(i))}); c != last || len(changes) == 0 {
			changes[c] = struct{}{}
			last = c
		}
	}
}
