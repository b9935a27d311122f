package sink

import (
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"claude-analytics/internal/document"
	"claude-analytics/proto"
	"claude-analytics/sink/bronze"
	"claude-analytics/sink/lake"
	"claude-analytics/sink/record"
)

// bronzeLoad is a parcel as the warehouse takes it.
type bronzeLoad struct {
	rows   *record.Builder[document.Row]
	blocks *record.Builder[document.Block]
	batch  bronze.Batch
}

func newBronzeLoad(messages int, storeRaw bool) *bronzeLoad {
	l := &bronzeLoad{
		rows:   record.NewConversations(memory.DefaultAllocator, storeRaw),
		blocks: record.NewBlocks(memory.DefaultAllocator),
	}
	l.rows.Reserve(messages)
	l.batch.Links = make([]bronze.Link, 0, 4*messages)
	return l
}

func (l *bronzeLoad) add(it *item) {
	b := &l.batch
	order := bronze.Order{Epoch: it.epoch, Seq: it.seq}
	switch it.kind {
	case kindRow:
		at := int32(l.rows.Rows())
		l.rows.Append(&it.row)
		for k := range it.blocks {
			l.blocks.Append(&it.blocks[k])
			b.BlockRows = append(b.BlockRows, at)
		}
		for _, f := range it.change.GetFindings() {
			b.Findings = append(b.Findings, bronze.Finding{
				Row: at, Rule: f.GetRule(), Path: strings.ToValidUTF8(f.GetPath(), "\uFFFD"), Hash: f.GetHash(), Version: it.row.RedactionVersion,
			})
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
			Source: it.change.GetSource(), Namespace: it.change.GetNamespace(), Order: it.fence(), At: it.happened(),
		})
	case kindGap:
		b.Gaps = append(b.Gaps, it.sourceGap())
	case kindDead:
		b.DeadLetters = append(b.DeadLetters, letterRow(it.deadLetter(proto.PartWarehouse), 0))
	case kindPosition, kindEmpty, kindVoid:
	}
}

func (l *bronzeLoad) seal() {
	l.batch.Rows, l.batch.Blocks = l.rows.Build(), l.blocks.Build()
	l.rows.Release()
	l.blocks.Release()
	l.rows, l.blocks = nil, nil
}

func (l *bronzeLoad) release() {
	l.batch.Rows.Release()
	l.batch.Blocks.Release()
}

// lakeLoad is a parcel as the lake takes it: rows by date. Documents and events land alike; a dead
// message does not, nor one without effect, which a rebuild could not tell from others.
type lakeLoad struct {
	builders map[document.Date]*record.Builder[record.LakeRow]
	dates    map[document.Date]arrow.RecordBatch
	rows     int
	bytes    int64
}

func newLakeLoad() *lakeLoad {
	return &lakeLoad{builders: map[document.Date]*record.Builder[record.LakeRow]{}, dates: map[document.Date]arrow.RecordBatch{}}
}

func (l *lakeLoad) add(it *item) {
	if it.kind == kindDead || it.kind == kindPosition || it.kind == kindVoid {
		return
	}
	rows := l.builders[it.row.Date]
	if rows == nil {
		rows = record.NewLake(memory.DefaultAllocator)
		l.builders[it.row.Date] = rows
	}
	rows.Append(&record.LakeRow{Change: it.change, Row: &it.row})
	l.rows++
}

func (l *lakeLoad) seal() {
	for date, rows := range l.builders {
		l.bytes += rows.Bytes()
		l.dates[date] = rows.Build()
		rows.Release()
	}
	l.builders = nil
}

func (l *lakeLoad) release() {
	for _, rows := range l.dates {
		rows.Release()
	}
}

// landing gathers parcels for the lake until they are worth a file.
type landing struct {
	loads []*lakeLoad
	first uint64
	mark  lake.Mark
	// messages counts all, rows those that land, bytes what they hold before compression.
	messages, rows int
	bytes          int64
	newest         time.Time
	// landed says that it is in the lake.
	landed bool
}

func (g *landing) add(p *parcel) {
	g.messages += p.messages
	g.mark.Seen = p.seen
	if p.first == 0 {
		return
	}
	if g.first == 0 {
		g.first = p.first
	}
	g.mark.Seq, g.mark.Time = p.last, p.lastTime
	if p.newest.After(g.newest) {
		g.newest = p.newest
	}
	if l, ok := p.load.(*lakeLoad); ok {
		g.loads = append(g.loads, l)
		g.rows += l.rows
		g.bytes += l.bytes
	}
}

// empty reports that there is no change to land, only positions if anything.
func (g *landing) empty() bool { return g.first == 0 }

// batch is what lands, its dates in order.
func (g *landing) batch() lake.Batch {
	b := lake.Batch{Mark: g.mark, First: g.first}
	at := map[document.Date]int{}
	var dates []document.Date
	for _, l := range g.loads {
		for date := range l.dates {
			if _, known := at[date]; !known {
				at[date] = 0
				dates = append(dates, date)
			}
		}
	}
	slices.Sort(dates)
	for i, date := range dates {
		at[date] = i
		b.Parts = append(b.Parts, lake.Part{Date: date.String()})
	}
	for _, l := range g.loads {
		for date, rows := range l.dates {
			part := &b.Parts[at[date]]
			part.Rows = append(part.Rows, rows)
		}
	}
	return b
}

func (g *landing) release() {
	for _, l := range g.loads {
		l.release()
	}
}
