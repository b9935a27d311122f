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
	// deleted is the delete's; nil if a row is the newest.
	deleted *Delete
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
		event := touch{rowKey: key, order: columns.order(i), row: int32(i)}
		if first, known := at[key]; !known {
			event.hash = p.hash(key.source, key.id)
			at[key] = int32(len(p.touched))
			p.touched = append(p.touched, event)
		} else {
			p.touched[first].advance(event)
		}
		p.hashes[i] = p.touched[at[key]].hash
	}
	if mirror {
		p.addDeletes(at)
		p.addDrops()
	}
	for i := range p.touched {
		if row := p.touched[i].row; row >= 0 {
			p.keep[row] = true
			p.kept++
		}
	}
	return p, nil
}

// advance takes the event if it is not older than what is there.
func (t *touch) advance(event touch) {
	if !event.order.Less(t.order) {
		event.hash = t.hash
		*t = event
	}
}

func (p *plan) addDeletes(at map[rowKey]int32) {
	for i := range p.batch.Deletes {
		deleted := &p.batch.Deletes[i]
		key := rowKey{deleted.Source, deleted.ID}
		event := touch{rowKey: key, order: deleted.Order, row: -1, deleted: deleted}
		if first, known := at[key]; !known {
			event.hash = p.hash(key.source, key.id)
			at[key] = int32(len(p.touched))
			p.touched = append(p.touched, event)
		} else {
			p.touched[first].advance(event)
		}
	}
}

func (p *plan) addDrops() {
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

// gone says whether neither a row nor a delete is left of it.
func (t *touch) struck() bool { return t.row < 0 && t.deleted == nil }

// strikeDropped takes out the rows that a dropped namespace held, whether it was dropped in this batch or before.
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
