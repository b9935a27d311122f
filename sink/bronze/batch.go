package bronze

import (
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/cespare/xxhash/v2"

	"claude-analytics/proto"
)

// ErrBatch means that a batch is not put together as Batch says.
var ErrBatch = errors.New("malformed batch")

// Order is a change's place in the order of the stream: epoch first. Newer is greater.
type Order struct{ Epoch, Seq uint64 }

// Less reports whether o is older than other.
func (o Order) Less(other Order) bool {
	return o.Epoch < other.Epoch || o.Epoch == other.Epoch && o.Seq < other.Seq
}

// Batch is one micro-batch: what a range of the stream does to bronze. The records stay the caller's.
type Batch struct {
	// Rows has the columns of raw.conversations by name, without _key; nil if there are none. Several rows may have
	// one key: the newest counts, and of equal orders the last.
	Rows arrow.RecordBatch
	// Blocks has the columns of raw.content_blocks by name, without _key; nil if there are none.
	Blocks arrow.RecordBatch
	// BlockRows says for each block which of Rows it belongs to.
	BlockRows []int32
	// Findings are the secrets that were replaced in the rows, in the order of these.
	Findings []Finding
	// Links are the keys by which rows' sessions belong together.
	Links []Link

	Deletes []Delete
	Drops   []Drop
	// DeadLetters are the messages of the range that could not be converted.
	DeadLetters []DeadLetter
	// Settled names the letters that are none any more, since what they hold is in this batch.
	Settled []string
	// Gaps are what the range tells of missing history.
	Gaps []SourceGap

	// Watermark is where the consumer stands after the batch; nil for a replay, which moves nothing.
	Watermark *Watermark

	// repair and dryRun are Repair's.
	repair, dryRun bool
}

// Link is a key (document.LinkKeys) of one of the batch's rows.
type Link struct {
	Row int32
	Key uint64
}

// Delete says that a document is gone.
type Delete struct {
	Source, ID, Namespace string
	Order                 Order
	At                    time.Time
}

// Drop says that of a namespace every key at or below the order is gone. For a namespace that was dropped that is the
// order of the drop itself; for one whose snapshot is complete, that of the snapshot's beginning: what stands above it
// stays, even if it came before the message that says so.
type Drop struct {
	Source, Namespace string
	Order             Order
	At                time.Time
}

// Key is the hash that stands in the _key columns for a row's key.
func Key(source, id string) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(source)
	_, _ = d.WriteString("\x00")
	_, _ = d.WriteString(id)
	return d.Sum64()
}

// columns are those of a batch's rows that applying it needs to see.
type columns struct {
	n                              int
	source, namespace, id, session texts
	date                           *array.Date32
	epoch, seq                     *array.Int64

	blocks               int
	blockSource, blockID texts
	blockDate            *array.Date32
}

// texts is what the kinds of Arrow string columns have in common.
type texts interface {
	Value(i int) string
	IsNull(i int) bool
}

// dictionary reads a dictionary-encoded string column.
type dictionary struct {
	*array.Dictionary
	words texts
}

func (d dictionary) Value(i int) string { return d.words.Value(d.GetValueIndex(i)) }

func (b *Batch) columns() (c columns, err error) {
	if b.Rows != nil && b.Rows.NumRows() > 0 {
		c.n = int(b.Rows.NumRows())
		get := column{record: b.Rows, name: "rows"}
		c.source, c.namespace, c.id, c.session = get.texts("source"), get.texts("namespace"), get.texts("_id"), get.texts("session_id")
		c.date, c.epoch, c.seq = typed[*array.Date32](&get, "date"), typed[*array.Int64](&get, "_epoch"), typed[*array.Int64](&get, "_seq")
		if get.err != nil {
			return c, get.err
		}
	}
	if b.Blocks != nil && b.Blocks.NumRows() > 0 {
		c.blocks = int(b.Blocks.NumRows())
		get := column{record: b.Blocks, name: "blocks"}
		c.blockSource, c.blockID = get.texts("source"), get.texts("_id")
		c.blockDate = typed[*array.Date32](&get, "date")
		if get.err != nil {
			return c, get.err
		}
	}
	return c, c.check(b)
}

// check sees to what applying relies on: a block is found again by its row's key and date.
func (c *columns) check(b *Batch) error {
	if w := b.Watermark; w != nil && w.Consumer != proto.WarehouseConsumer {
		return fmt.Errorf("%w: a watermark of consumer %q", ErrBatch, w.Consumer)
	}
	if len(b.BlockRows) != c.blocks {
		return fmt.Errorf("%w: %d blocks, but %d block rows", ErrBatch, c.blocks, len(b.BlockRows))
	}
	for i, row := range b.BlockRows {
		switch {
		case row < 0 || int(row) >= c.n:
			return fmt.Errorf("%w: block %d belongs to row %d of %d", ErrBatch, i, row, c.n)
		case c.blockID.Value(i) != c.id.Value(int(row)) || c.blockSource.Value(i) != c.source.Value(int(row)):
			return fmt.Errorf("%w: block %d has another key than its row", ErrBatch, i)
		case c.blockDate.Value(i) != c.date.Value(int(row)):
			return fmt.Errorf("%w: block %d has another date than its row", ErrBatch, i)
		}
	}
	if err := c.checkFindings(b.Findings); err != nil {
		return err
	}
	for _, link := range b.Links {
		if link.Row < 0 || int(link.Row) >= c.n {
			return fmt.Errorf("%w: a link belongs to row %d of %d", ErrBatch, link.Row, c.n)
		}
	}
	return nil
}

func (c *columns) order(i int) Order {
	return Order{Epoch: uint64(c.epoch.Value(i)), Seq: uint64(c.seq.Value(i))}
}

// sessionOf is ” for a document without a session, as in changed_keys and link_keys.
func sessionOf(session texts, i int) string {
	if session.IsNull(i) {
		return ""
	}
	return session.Value(i)
}

// column finds columns by name and keeps the first error.
type column struct {
	record arrow.RecordBatch
	name   string
	err    error
}

func (c *column) find(name string) arrow.Array {
	at := c.record.Schema().FieldIndices(name)
	if len(at) != 1 {
		if c.err == nil {
			c.err = fmt.Errorf("%w: %s have %d columns %s", ErrBatch, c.name, len(at), name)
		}
		return nil
	}
	return c.record.Column(at[0])
}

func (c *column) texts(name string) texts {
	found := c.find(name)
	if coded, ok := found.(*array.Dictionary); ok {
		if words, ok := coded.Dictionary().(texts); ok {
			return dictionary{coded, words}
		}
	}
	return as[texts](c, name, found)
}

func typed[T any](c *column, name string) T { return as[T](c, name, c.find(name)) }

func as[T any](c *column, name string, found arrow.Array) T {
	value, ok := found.(T)
	if !ok && c.err == nil {
		c.err = fmt.Errorf("%w: column %s of the %s is %T", ErrBatch, name, c.name, found)
	}
	return value
}
