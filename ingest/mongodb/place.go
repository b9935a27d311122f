package mongodb

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"claude-analytics/proto"
)

// place is how far the collection has been read: all changes up to the token, and of a snapshot all documents up to last.
type place struct {
	// token is where the change stream goes on; nil: at time, or from now if that is not known either.
	token bson.Raw
	// time is a cluster time up to which the changes have been read: seconds << 32 | ordinal; 0: not known.
	time uint64

	snapshot bool // one is under way
	// began is the sequence in the stream at which it began, 0 while that is not published; since is when.
	began uint64
	since time.Time
	// last is the last _id, of type 0 before the first; documents is how many that were.
	last      bson.RawValue
	documents int64
}

// errPosition is a position in the stream that cannot be gone on from.
var errPosition = errors.New("position cannot be used")

// recall is the place that a position says.
func recall(position *proto.CollectionPosition, token []byte) (place, error) {
	p := place{time: position.GetClusterTime()}
	if len(token) > 0 {
		p.token = bson.Raw(bytes.Clone(token))
	}
	if snapshot := position.GetSnapshot(); snapshot != nil {
		p.snapshot, p.began, p.documents = true, snapshot.GetBeganSeq(), snapshot.GetDocuments()
		p.since = time.UnixMicro(snapshot.GetBeganMicros()).UTC()
		if last := bson.Raw(snapshot.GetLastId()); len(last) > 0 {
			id, err := last.LookupErr("_id")
			if err != nil {
				return place{}, fmt.Errorf("%w: last _id of the snapshot: %w", errPosition, err)
			}
			p.last = bson.RawValue{Type: id.Type, Value: bytes.Clone(id.Value)}
		}
	}
	return p, nil
}

// position is the place as it is published.
func (p *place) position(namespace string) *proto.Position {
	collection := &proto.CollectionPosition{Namespace: namespace, ClusterTime: p.time}
	if p.snapshot {
		collection.Snapshot = &proto.SnapshotPosition{BeganSeq: p.began, Documents: p.documents, BeganMicros: p.since.UnixMicro()}
		if p.last.Type != 0 {
			collection.Snapshot.LastId = idDocument("_id", p.last)
		}
	}
	return &proto.Position{ResumeToken: p.token, Collection: collection}
}

// begin starts a snapshot of the whole collection.
func (p *place) begin(now time.Time) {
	p.snapshot, p.began, p.since = true, 0, now.UTC()
	p.last, p.documents = bson.RawValue{}, 0
}

// end ends it.
func (p *place) end() {
	p.snapshot, p.began, p.since = false, 0, time.Time{}
	p.last, p.documents = bson.RawValue{}, 0
}

// clusterTime is a BSON timestamp in one number, which orders as the timestamp does.
func clusterTime(t, i uint32) uint64 { return uint64(t)<<32 | uint64(i) }

// timestamp is the reverse of clusterTime.
func timestamp(time uint64) bson.Timestamp {
	return bson.Timestamp{T: uint32(time >> 32), I: uint32(time)}
}

// wall is a cluster time as a moment; zero if it is not known.
func wall(cluster uint64) time.Time {
	if cluster == 0 {
		return time.Time{}
	}
	return time.Unix(int64(cluster>>32), 0).UTC()
}

// tokenTime reads the cluster time that a token of mongod begins with: 0x82, then the timestamp. Other servers' tokens
// hold it in other ways: then it is 0. It is for waiting and for showing, never for ordering tokens.
func tokenTime(token bson.Raw) uint64 {
	const digits = 2 + 16
	data, ok := token.Lookup("_data").StringValueOK()
	if !ok || len(data) < digits || data[:2] != "82" {
		return 0
	}
	var b [8]byte
	if _, err := hex.Decode(b[:], []byte(data[2:digits])); err != nil {
		return 0
	}
	return binary.BigEndian.Uint64(b[:])
}
