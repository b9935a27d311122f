package sink

import (
	"errors"
	"fmt"
	"time"

	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/document"
	"claude-analytics/internal/spread"
	"claude-analytics/proto"
)

// kind is what a message turned out to be.
type kind uint8

const (
	// kindPosition is no change: it only moves what was seen.
	kindPosition kind = iota
	// kindRow is a document with its row.
	kindRow
	// kindEmpty is an update whose document was gone before it could be read: it changes nothing, a delete follows.
	kindEmpty
	kindDelete
	// kindDrop is a namespace that is gone, up to its fence.
	kindDrop
	// kindVoid is a snapshot's end that must not take effect: it neither lands nor is applied.
	kindVoid
	// kindGap tells of history that is missing.
	kindGap
	// kindDead is a message that becomes a dead letter.
	kindDead
)

// item is one message on its way: first as it came, then as what it was converted to.
type item struct {
	epoch, seq uint64
	// time is when the stream took it; zero where it comes from the lake.
	time    time.Time
	subject string
	// data is the encoded change, until it is converted; size is its length. Of an item from the lake, change is
	// given instead.
	data []byte
	size int

	// brief asks for no more than the lake holds.
	brief bool
	// floor is the lake.EpochRecord.Floor of the epoch; 0 for what comes from the lake.
	floor uint64

	kind   kind
	change *proto.Change
	row    document.Row
	blocks []document.Block
	links  []uint64
	gap    proto.Gap
	// reason and detail say why it is dead.
	reason, detail string
}

// errMalformed is a message that decodes, but says nothing of a document.
var errMalformed = errors.New("not a change")

// converter is document.Converter.
type converter interface {
	Convert(c *proto.Change, epoch, seq uint64) (document.Row, []document.Block, error)
	Brief(c *proto.Change, epoch, seq uint64) (document.Row, error)
}

// convert finds out what the item is. It never fails: what cannot be converted is dead, even if it makes us panic.
func (it *item) convert(v converter) {
	defer func() {
		if p := recover(); p != nil {
			it.die(proto.ReasonNotConvertible, fmt.Sprintf("conversion panicked: %v", p))
		}
		if it.kind != kindDead {
			it.data = nil // the change has its own copy
		}
	}()
	if it.kind == kindDead {
		return
	}
	if it.change == nil {
		if proto.IsPosition(it.subject) {
			it.kind = kindPosition
			return
		}
		if err := it.decode(); err != nil {
			it.die(proto.ReasonNotDecodable, err.Error())
			return
		}
	}
	if it.change.GetVersion() > proto.Version {
		it.die(proto.ReasonVersion, fmt.Sprintf("the change is of version %d, this release reads up to %d", it.change.GetVersion(), proto.Version))
		return
	}
	switch it.change.GetOperation() {
	case proto.Operation_OPERATION_INSERT, proto.Operation_OPERATION_REPLACE, proto.Operation_OPERATION_SNAPSHOT:
		it.toRow(v)
	case proto.Operation_OPERATION_UPDATE:
		if len(it.change.GetDocument()) == 0 {
			it.withoutDocument(kindEmpty)
			return
		}
		it.toRow(v)
	case proto.Operation_OPERATION_DELETE:
		it.withoutDocument(kindDelete)
	case proto.Operation_OPERATION_DROP:
		it.withoutDocument(kindDrop)
	case proto.Operation_OPERATION_SNAPSHOT_END:
		it.toSnapshotEnd()
	case proto.Operation_OPERATION_GAP:
		it.toGap()
	default:
		it.die(proto.ReasonOperation, fmt.Sprintf("operation %s", it.change.GetOperation()))
	}
}

func (it *item) decode() error {
	change := &proto.Change{}
	if err := protobuf.Unmarshal(it.data, change); err != nil {
		return err
	}
	it.change = change
	if change.GetSource() == "" {
		return fmt.Errorf("%w: it names no source", errMalformed)
	}
	if change.GetId() == "" && !ofNamespace(change.GetOperation()) {
		return fmt.Errorf("%w: it names no document", errMalformed)
	}
	return nil
}

func (it *item) toRow(v converter) {
	var err error
	if it.brief {
		it.row, err = v.Brief(it.change, it.epoch, it.seq)
	} else {
		it.row, it.blocks, err = v.Convert(it.change, it.epoch, it.seq)
	}
	switch {
	case errors.Is(err, document.ErrNewer):
		it.die(proto.ReasonVersion, err.Error())
	case err != nil:
		it.die(proto.ReasonNotConvertible, err.Error())
	default:
		it.kind = kindRow
		if !it.brief {
			it.links = document.LinkKeys(&it.row, it.blocks)
		}
	}
}

func (it *item) withoutDocument(k kind) {
	it.kind, it.row = k, document.WithoutDocument(it.change, it.epoch, it.seq)
}

func (it *item) die(reason, detail string) {
	it.kind, it.reason, it.detail = kindDead, reason, detail
	it.row, it.blocks, it.links = document.Row{}, nil, nil
}

// happened is when a delete or drop was, as well as that is known: by the server's clock, else when it was published.
func (it *item) happened() time.Time {
	if at := it.change.GetHappenedAtMicros(); at != 0 {
		return time.UnixMicro(at).UTC()
	}
	return time.UnixMicro(it.change.GetExtractedAtMicros()).UTC()
}

// maxDetail bounds what a dead letter says of its reason, bytes.
const maxDetail = 1 << 10

// deadLetter is what becomes of a dead item.
func (it *item) deadLetter(part string) proto.DeadLetter {
	data := it.data
	if data == nil && it.change != nil {
		// From the lake, which holds its parts.
		data, _ = protobuf.Marshal(it.change)
	}
	letter := proto.DeadLetter{
		Lane: it.change.GetSource(), Part: part, Reason: it.reason, Detail: it.detail[:min(len(it.detail), maxDetail)],
		Namespace: it.change.GetNamespace(), ID: it.change.GetId(), Offset: it.change.GetSourceOffset(),
		Size: int64(len(data)), Epoch: it.epoch, Seq: it.seq, Payload: data, At: time.Now().UTC(),
	}
	letter.Session, letter.Project = document.Identify(it.change.GetDocument())
	if subject, err := proto.ParseSubject(it.subject); err == nil {
		letter.Lane = subject.Lane
	}
	if letter.Lane == "" {
		letter.Lane = proto.LaneName("")
	}
	return letter
}

// ownRules converts by this release's rules.
func ownRules() converter { return new(document.Converter) }

// convertChunk is how many items a worker takes at a time: enough to be worth the hand-over, few enough to share out.
const convertChunk = 64

// convertAll converts all items in place, spread over a few workers, each with a converter of its own; their order stays.
func convertAll(list []item, workers int, newConverter func() converter) {
	spread.Over(len(list), convertChunk, workers, func() func(int) {
		v := newConverter()
		return func(i int) { list[i].convert(v) }
	})
}
