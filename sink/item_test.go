package sink

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"go.mongodb.org/mongo-driver/v2/bson"
	protobuf "google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"claude-analytics/internal/document"
	"claude-analytics/proto"
)

// failing converts nothing.
type failing struct {
	panics any
	err    error
}

func (f failing) Convert(*proto.Change, uint64, uint64) (document.Row, []document.Block, error) {
	if f.panics != nil {
		panic(f.panics)
	}
	return document.Row{}, nil, f.err
}

func (f failing) Brief(c *proto.Change, epoch, seq uint64) (document.Row, error) {
	row, _, err := f.Convert(c, epoch, seq)
	return row, err
}

func bsonOf(t testing.TB, value any) []byte {
	t.Helper()
	raw, err := bson.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestConvertNeverFails(t *testing.T) {
	insert := &proto.Change{Version: 1, Source: "s", Id: "i", Namespace: "n", Operation: proto.Operation_OPERATION_INSERT, Document: []byte("x")}
	newer := protobuf.Clone(insert).(*proto.Change)
	newer.Version = proto.Version + 1
	event := func(op proto.Operation, change *proto.Change) *proto.Change {
		change.Version, change.Source, change.Id, change.Namespace, change.Operation = 1, "s", "i", "n", op
		return change
	}
	for _, c := range []struct {
		name   string
		change *proto.Change
		with   converter
		reason string
		detail string
	}{
		{"panic", insert, failing{panics: "index out of range"}, proto.ReasonNotConvertible, "panicked: index out of range"},
		{"error", insert, failing{err: document.ErrMalformed}, proto.ReasonNotConvertible, "malformed"},
		{"newer document", insert, failing{err: fmt.Errorf("field: %w", document.ErrNewer)}, proto.ReasonVersion, "newer"},
		{"newer change", newer, failing{}, proto.ReasonVersion, "version 2"},
		{"unknown operation", event(9, &proto.Change{}), failing{}, proto.ReasonOperation, "operation 9"},
		{"end of a snapshot to come", event(proto.Operation_OPERATION_SNAPSHOT_END, &proto.Change{Below: 3}), failing{}, proto.ReasonNotConvertible, "message 3 ends a snapshot that began at 3"},
		{"gap without document", event(proto.Operation_OPERATION_GAP, &proto.Change{}), failing{}, proto.ReasonNotConvertible, "decode gap"},
		{"gap that is not BSON", event(proto.Operation_OPERATION_GAP, &proto.Change{Document: []byte("x")}), failing{}, proto.ReasonNotConvertible, "decode gap"},
		{"gap of other types", event(proto.Operation_OPERATION_GAP, &proto.Change{Document: bsonOf(t, bson.M{"reason": 7})}), failing{}, proto.ReasonNotConvertible, "decode gap"},
		{"gap of no year", event(proto.Operation_OPERATION_GAP, &proto.Change{Document: bsonOf(t, bson.M{"from": bson.DateTime(1 << 62)})}), failing{}, proto.ReasonNotConvertible, "a gap in the year"},
		{"long detail", insert, failing{err: errors.New(strings.Repeat("x", 5000))}, proto.ReasonNotConvertible, "xxx"},
	} {
		data, err := protobuf.Marshal(c.change)
		if err != nil {
			t.Fatal(err)
		}
		it := item{epoch: 2, seq: 3, subject: proto.DataSubject("lane", "k", "p"), data: data, size: len(data)}
		it.convert(c.with)
		letter := it.deadLetter(proto.PartLake)
		if it.kind != kindDead || letter.Reason != c.reason || !strings.Contains(letter.Detail, c.detail) || len(letter.Detail) > maxDetail {
			t.Errorf("%s: kind %d, letter %+v", c.name, it.kind, letter)
		}
		if letter.Lane != "lane" || letter.ID != "i" || letter.Namespace != "n" || letter.Epoch != 2 || letter.Seq != 3 || string(letter.Payload) != string(data) {
			t.Errorf("%s: letter %+v", c.name, letter)
		}
	}
}

// Whatever stands in the stream, conversion comes to an end, in order, and says what it is.
func FuzzConvert(f *testing.F) {
	good, err := protobuf.Marshal(&proto.Change{Version: 1, Source: "s", Id: "i", Operation: proto.Operation_OPERATION_DELETE})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{})
	for _, event := range []*proto.Change{
		{Version: 1, Source: "s", Operation: proto.Operation_OPERATION_SNAPSHOT_END, Below: 1},
		{Version: 1, Source: "s", Operation: proto.Operation_OPERATION_GAP, Document: bsonOf(f, proto.Gap{Reason: proto.GapHistoryLost})},
	} {
		data, err := protobuf.Marshal(event)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fill := func(_ int, it *item) {
			*it = item{epoch: 1, seq: 1, subject: "conversations.s.00.p", data: data, size: len(data)}
		}
		var c conversion
		p := c.run(1, fill, newLakeLoad())
		if p.first != 1 || p.seen != 1 || p.messages != 1 {
			t.Fatalf("%+v", p)
		}
		gathered := &landing{}
		gathered.add(p)
		gathered.batch()
		gathered.release()
		c.run(1, fill, newBronzeLoad(1, true)).load.release()
	})
}

func TestConvertAllKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 3000).Draw(t, "messages")
		list := make([]item, n)
		changes := 0
		var first, last uint64
		for i := range list {
			list[i] = item{epoch: 1, seq: uint64(i + 1), subject: proto.PositionSubject("l", "x")}
			if rapid.Bool().Draw(t, "change") {
				change := &proto.Change{Version: 1, Source: "l", Id: fmt.Sprint(i), Operation: proto.Operation_OPERATION_DELETE, ExtractedAtMicros: int64(i)}
				list[i].subject = proto.EventSubject("l")
				list[i].data, _ = protobuf.Marshal(change)
				changes++
				if first == 0 {
					first = uint64(i + 1)
				}
				last = uint64(i + 1)
			}
		}
		c := conversion{workers: rapid.IntRange(1, 5).Draw(t, "workers")}
		p := c.run(n, func(i int, it *item) { *it = list[i] }, newBronzeLoad(n, false))
		if p.first != first || p.last != last || p.messages != n || p.seen != uint64(n) {
			t.Fatalf("%+v", p)
		}
		defer p.load.release()
		deletes := p.load.(*bronzeLoad).batch.Deletes
		if len(deletes) != changes {
			t.Fatalf("%d deletes of %d", len(deletes), changes)
		}
		for i := 1; i < changes; i++ {
			if !deletes[i-1].Order.Less(deletes[i].Order) {
				t.Fatal("out of order")
			}
		}
	})
}

// A row lands the same, column by column, whether its document was converted in brief or whole.
func TestBriefLandsTheSame(t *testing.T) {
	usage := bson.M{"input_tokens": 3, "output_tokens": 4}
	for name, doc := range map[string]bson.M{
		"prompt":   {"type": "user", "sessionId": "s", "uuid": "u", "cwd": "/w", "version": "2.1.0", "message": bson.M{"role": "user", "content": "fix it"}},
		"response": {"type": "assistant", "requestId": "r", "message": bson.M{"id": "m", "role": "assistant", "model": "x", "usage": usage, "content": bson.A{bson.M{"type": "text", "text": "done"}, bson.M{"type": "tool_use", "id": "t", "input": bson.M{"a": 1}}}}},
		"result":   {"type": "user", "toolUseResult": bson.M{"stdout": "ok"}, "message": bson.M{"content": bson.A{bson.M{"type": "tool_result", "tool_use_id": "t", "content": "ok"}}}},
		"nested":   {"type": "progress", "uuid": "u", "data": bson.M{"type": "agent_progress", "agentId": "a", "message": bson.M{"uuid": "n", "requestId": "r", "message": bson.M{"role": "assistant", "content": "in a sub-agent"}}}},
		"queued":   {"type": "attachment", "attachment": bson.M{"type": "queued_command", "prompt": "and this"}},
		"summary":  {"type": "summary", "summary": "a title", "leafUuid": "u"},
		"bare":     {"other": 1},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := protobuf.Marshal(&proto.Change{
				Version: 1, Source: "s", Id: "i", Namespace: "n", Operation: proto.Operation_OPERATION_INSERT, ExtractedAtMicros: 1, Document: bsonOf(t, doc),
			})
			if err != nil {
				t.Fatal(err)
			}
			var landed []arrow.RecordBatch
			for _, brief := range []bool{true, false} {
				load := newLakeLoad()
				var c conversion
				c.run(1, func(_ int, it *item) {
					*it = item{epoch: 1, seq: 1, subject: "conversations.s.00.p", data: data, size: len(data), brief: brief}
				}, load)
				defer load.release()
				for _, rows := range load.dates {
					landed = append(landed, rows)
				}
			}
			if len(landed) != 2 || landed[0].NumRows() != 1 || !array.RecordEqual(landed[0], landed[1]) {
				t.Errorf("in brief and whole: %v", landed)
			}
		})
	}
}
