package sink

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"claude-analytics/internal/document"
	"claude-analytics/sink/bronze"
	"claude-analytics/sink/lake"
	"claude-analytics/sink/record"
)

// parcel is a piece of the stream, converted: what one fetch became.
type parcel struct {
	// items are nil once the parcel is built for its destination.
	items []item
	// messages is how many there were, rows how many of them have a row.
	messages, rows int
	// first and last are the sequences of its first and last change, 0 if it holds positions only; lastTime is when
	// the stream took the last.
	first, last uint64
	lastTime    time.Time
	// seen is its last message of any kind.
	seen uint64
	// bytes is the size of its messages.
	bytes int64
	// newest is the newest extracted_at.
	newest time.Time
	issues map[document.Issue]int

	// batch is filled for the warehouse alone; release frees what it holds.
	batch   bronze.Batch
	release func()
}

func newParcel(list []item) *parcel {
	p := &parcel{items: list, messages: len(list)}
	newest := int64(-1 << 63)
	for i := range list {
		it := &list[i]
		p.seen = it.seq
		p.bytes += int64(it.size)
		if !it.isChange() {
			continue
		}
		if p.first == 0 {
			p.first = it.seq
		}
		p.last, p.lastTime = it.seq, it.time
		if it.kind == kindRow {
			p.rows++
		}
		if it.kind != kindDead {
			newest = max(newest, it.change.GetExtractedAtMicros())
		}
		for issue := range it.row.Issues.All {
			if p.issues == nil {
				p.issues = map[document.Issue]int{}
			}
			p.issues[issue]++
		}
	}
	if newest != -1<<63 {
		p.newest = time.UnixMicro(newest).UTC()
	}
	return p
}

// toBronze fills the batch for the warehouse.
func (p *parcel) toBronze(storeRaw bool) {
	rows := record.NewConversations(memory.DefaultAllocator, storeRaw)
	blocks := record.NewBlocks(memory.DefaultAllocator)
	defer rows.Release()
	defer blocks.Release()
	rows.Reserve(p.rows)
	b := &p.batch
	b.Links = make([]bronze.Link, 0, 4*p.rows)
	for i := range p.items {
		it := &p.items[i]
		order := bronze.Order{Epoch: it.epoch, Seq: it.seq}
		switch it.kind {
		case kindRow:
			at := int32(rows.Rows())
			rows.Append(&it.row)
			for k := range it.blocks {
				blocks.Append(&it.blocks[k])
				b.BlockRows = append(b.BlockRows, at)
			}
			for _, key := range it.links {
				b.Links = append(b.Links, bronze.Link{Row: at, Key: key})
			}
		case kindDelete:
			b.Deletes = append(b.Deletes, bronze.Delete{
				Source: it.change.GetSource(), ID: it.change.GetId(), Namespace: it.change.GetNamespace(), Order: order, At: it.happened(),
			})
		case kindDrop:
			b.Drops = append(b.Drops, bronze.Drop{
				Source: it.change.GetSource(), Namespace: it.change.GetNamespace(), Order: order, At: it.happened(),
			})
		case kindDead:
			b.DeadLetters = append(b.DeadLetters, bronze.DeadLetter{Order: order, Reason: it.reason})
		case kindPosition, kindEmpty:
		}
	}
	b.Rows, b.Blocks = rows.Build(), blocks.Build()
	p.items = nil
	p.release = func() {
		b.Rows.Release()
		b.Blocks.Release()
	}
}

// landing gathers parcels for the lake until they are worth a file.
type landing struct {
	dates map[document.Date]*record.Builder[record.LakeRow]
	first uint64
	mark  lake.Mark
	// messages counts all, rows those that have one, bytes what the files will hold before compression.
	messages, rows int
	bytes          int64
	newest         time.Time
	// landed says that it is in the lake.
	landed bool
}

// add takes a parcel in. Documents and events land alike; a message that is dead does not.
func (l *landing) add(p *parcel) {
	l.messages += p.messages
	l.mark.Seen = p.seen
	if p.first == 0 {
		return
	}
	if l.first == 0 {
		l.first = p.first
	}
	l.mark.Seq, l.mark.Time = p.last, p.lastTime
	if p.newest.After(l.newest) {
		l.newest = p.newest
	}
	if l.dates == nil {
		l.dates = map[document.Date]*record.Builder[record.LakeRow]{}
	}
	for i := range p.items {
		it := &p.items[i]
		if it.kind == kindDead || it.kind == kindPosition {
			continue
		}
		rows := l.dates[it.row.Date]
		if rows == nil {
			rows = record.NewLake(memory.DefaultAllocator)
			l.dates[it.row.Date] = rows
		}
		before := rows.Bytes()
		rows.Append(&record.LakeRow{Change: it.change, Row: &it.row})
		l.bytes += rows.Bytes() - before
		l.rows++
	}
}

// empty reports that there is no change to land, only positions if anything.
func (l *landing) empty() bool { return l.first == 0 }

// batch is what lands; release frees it.
func (l *landing) batch() (b lake.Batch, release func()) {
	b = lake.Batch{Mark: l.mark, First: l.first}
	for date, rows := range l.dates {
		b.Parts = append(b.Parts, lake.Part{Date: date.String(), Rows: []arrow.RecordBatch{rows.Build()}})
		rows.Release()
	}
	return b, func() {
		for _, part := range b.Parts {
			for _, rows := range part.Rows {
				rows.Release()
			}
		}
	}
}
