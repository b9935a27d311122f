package sink

import (
	"testing"
	"time"

	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

func TestBeginsLate(t *testing.T) {
	created := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	at := func(seq uint64, after time.Duration, offset int64) stream.Message {
		data, err := protobuf.Marshal(&proto.Change{Source: "host", Id: "a", SourceOffset: offset, Document: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		return stream.Message{Seq: seq, Time: created.Add(after), Subject: proto.DataSubject("host", "s", "p"), Data: data}
	}
	position := at(9, 0, 700)
	position.Subject = proto.PositionSubject("host", "writer")
	for name, c := range map[string]struct {
		first stream.Message
		want  bool
	}{
		"a heartbeat was replaced":         {at(2, 0, 0), false},
		"an hour of heartbeats":            {at(361, time.Hour, -1), false},
		"the middle of a file":             {at(2, 0, 700), true},
		"more than positions can be":       {at(500, time.Second, -1), true},
		"a position first":                 {position, false},
		"nothing is left, after an hour":   {stream.Message{Seq: 5000, Time: created.Add(time.Hour)}, true},
		"nothing was there but heartbeats": {stream.Message{Seq: 300, Time: created.Add(time.Hour)}, false},
	} {
		if got := beginsLate(c.first, created); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
