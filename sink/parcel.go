package sink

import (
	"time"

	"claude-analytics/internal/document"
)

// parcel is a piece of the stream, converted: what one fetch became.
type parcel struct {
	// messages is how many there were, rows how many of them have a row, bytes how large they were.
	messages, rows int
	bytes          int64
	// first and last are the sequences of its first and last change, 0 if it holds positions only; lastTime is when
	// the stream took the last.
	first, last uint64
	lastTime    time.Time
	// seen is its last message of any kind.
	seen uint64
	// newest is the newest extracted_at; zero if there is none.
	newest time.Time
	issues map[document.Issue]int
	// dead are the items that could not be converted.
	dead []item
	// load is the rest, in the form that its destination takes.
	load load
}

// load gathers converted items in the form that a destination takes.
type load interface {
	// add takes one item, of any kind; it keeps nothing of it but the change, if at all.
	add(it *item)
	// seal ends the gathering; release frees it.
	seal()
	release()
}

// conversion makes parcels, some items at a time, so that little of what stands between a message and its columns is
// held at once. It is not safe for concurrent use.
type conversion struct {
	workers int
	// newConverter makes each worker's; nil: of this release's rules.
	newConverter func() converter
	scratch      []item
}

// convertStep is how many items are held at once.
const convertStep = 1024

// run converts n items, each filled by its number, into the load.
func (c *conversion) run(n int, fill func(i int, it *item), into load) *parcel {
	if c.newConverter == nil {
		c.newConverter = ownRules
	}
	if c.scratch == nil {
		c.scratch = make([]item, convertStep)
	}
	p := &parcel{messages: n, load: into}
	for done := 0; done < n; {
		part := c.scratch[:min(convertStep, n-done)]
		for i := range part {
			part[i] = item{}
			fill(done+i, &part[i])
		}
		convertAll(part, c.workers, c.newConverter)
		for i := range part {
			p.add(&part[i])
		}
		done += len(part)
	}
	clear(c.scratch)
	into.seal()
	return p
}

func (p *parcel) add(it *item) {
	p.seen = it.seq
	p.bytes += int64(it.size)
	if it.kind == kindPosition {
		return
	}
	if p.first == 0 {
		p.first = it.seq
	}
	p.last, p.lastTime = it.seq, it.time
	if it.kind == kindDead {
		p.dead = append(p.dead, *it)
	} else if at := time.UnixMicro(it.change.GetExtractedAtMicros()); p.newest.IsZero() || at.After(p.newest) {
		p.newest = at.UTC()
	}
	if it.kind == kindRow {
		p.rows++
	}
	for issue := range it.row.Issues.All {
		if p.issues == nil {
			p.issues = map[document.Issue]int{}
		}
		p.issues[issue]++
	}
	p.load.add(it)
}
