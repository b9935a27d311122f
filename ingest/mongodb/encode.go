package mongodb

import (
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/document"
	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// item is what was read: an event, a document of a snapshot, or neither: a mark that only moves the place.
type item struct {
	event event
	// document is one that a snapshot or a second reading found; again says that it was the second reading, which takes
	// only what Config.Reread accepts.
	document bson.Raw
	again    bool
	// fault is why an event could not be understood.
	fault error
	// mark is a change that the tailer itself has to say: a snapshot's end, a gap.
	mark *proto.Change
	// begins says that this is the beginning of a snapshot, which waits until it is durable.
	begins bool
	// after is the place behind it.
	after place
}

// encoder makes changes of items.
type encoder struct {
	lane, namespace string
	maxMessage      int64
	counters        *Counters
	accept          func(*proto.Change) bool
	redact          Redactor // nil: none
}

// errUnknownOperation is an event of a kind that this release does not know.
var errUnknownOperation = errors.New("operation is not known")

// quiet are the operations that change no document.
var quiet = map[string]bool{
	"invalidate": true, "create": true, "createIndexes": true, "dropIndexes": true, "modify": true,
	"shardCollection": true, "reshardCollection": true, "refineCollectionShardKey": true,
	"startIndexBuild": true, "abortIndexBuild": true, "commitIndexBuild": true, "endOfTransaction": true,
}

// entry makes an item publishable. What cannot be is a dead letter; now is when it is published.
func (c *encoder) entry(it *item, now time.Time) entry {
	out := entry{after: it.after, begins: it.begins, ends: it.mark.GetOperation() == proto.Operation_OPERATION_SNAPSHOT_END}
	var change *proto.Change
	var err error
	switch {
	case it.fault != nil:
		out.letter = c.letter(it.event.raw, nil, proto.ReasonNotDecodable, it.fault.Error(), now)
		return out
	case it.mark != nil:
		change = it.mark
	case it.document != nil:
		change, err = c.fromDocument(it.document)
	case it.event.raw != nil:
		change, err = c.fromEvent(&it.event)
	}
	if err != nil {
		reason := proto.ReasonNotDecodable
		if errors.Is(err, errUnknownOperation) {
			reason = proto.ReasonOperation
		}
		raw := it.event.raw
		if it.document != nil {
			raw = it.document
		}
		out.letter = c.letter(raw, change, reason, err.Error(), now)
		return out
	}
	if change == nil {
		return out
	}
	change.Version, change.Source, change.SourceOffset = proto.Version, c.lane, -1
	change.ExtractedAtMicros = now.UnixMicro()
	if change.Namespace == "" {
		change.Namespace = c.namespace
	}
	if it.again && !c.accept(change) {
		return out
	}
	if c.redact != nil && it.mark == nil {
		change.Document, change.Findings = c.redact.Document(change.Document)
		change.RedactionVersion = c.redact.Version()
	}
	c.count(change)
	size := protobuf.Size(change)
	if int64(size) > c.maxMessage {
		out.letter = c.letter(change.Document, change, proto.ReasonTooLarge,
			fmt.Sprintf("the change has %d bytes, the stream takes %d", size, c.maxMessage), now)
		return out
	}
	data, err := (protobuf.MarshalOptions{UseCachedSize: true}).MarshalAppend(make([]byte, 0, size), change)
	if err != nil {
		out.letter = c.letter(change.Document, change, proto.ReasonNotConvertible, err.Error(), now)
		return out
	}
	out.size = int64(len(change.Document))
	out.change = stream.Outgoing{Subject: c.subject(change), Data: data}
	return out
}

// subject is the session's; that of changes without a document is shared.
func (c *encoder) subject(change *proto.Change) string {
	if len(change.Document) == 0 || change.Operation == proto.Operation_OPERATION_GAP {
		return proto.EventSubject(c.lane)
	}
	session, project := document.Identify(change.Document)
	if session == "" {
		session = change.Id
	}
	return proto.DataSubject(c.lane, session, project)
}

func (c *encoder) fromDocument(doc bson.Raw) (*proto.Change, error) {
	id, err := doc.LookupErr("_id")
	if err != nil {
		return nil, fmt.Errorf("%w: a document without _id: %w", errEvent, err)
	}
	key, err := rowKey(id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errEvent, err)
	}
	return &proto.Change{Id: key, Operation: proto.Operation_OPERATION_SNAPSHOT, Document: doc}, nil
}

// fromEvent is the change that an event says; nil if it changes no document.
func (c *encoder) fromEvent(e *event) (*proto.Change, error) {
	change := &proto.Change{HappenedAtMicros: e.happened()}
	switch e.operation {
	case "insert":
		change.Operation = proto.Operation_OPERATION_INSERT
	case "update":
		change.Operation = proto.Operation_OPERATION_UPDATE
	case "replace":
		change.Operation = proto.Operation_OPERATION_REPLACE
	case "delete":
		change.Operation = proto.Operation_OPERATION_DELETE
	case "drop", "dropDatabase", "rename":
		// Renamed away, or another collection took its name: what it held is gone either way.
		change.Operation = proto.Operation_OPERATION_DROP
		return change, nil
	default:
		if quiet[e.operation] {
			return nil, nil
		}
		return change, fmt.Errorf("%w: %q", errUnknownOperation, e.operation)
	}
	if e.id.Type == 0 {
		return change, fmt.Errorf("%w: operation %s without documentKey._id", errEvent, e.operation)
	}
	key, err := rowKey(e.id)
	if err != nil {
		return change, fmt.Errorf("%w: %w", errEvent, err)
	}
	change.Id = key
	if change.Operation == proto.Operation_OPERATION_DELETE {
		return change, nil
	}
	if e.document == nil && change.Operation != proto.Operation_OPERATION_UPDATE {
		return change, fmt.Errorf("%w: operation %s without its document", errEvent, e.operation)
	}
	change.Document = e.document
	return change, nil
}

func (c *encoder) count(change *proto.Change) {
	switch change.Operation {
	case proto.Operation_OPERATION_INSERT:
		c.counters.Inserts.Add(1)
	case proto.Operation_OPERATION_UPDATE:
		c.counters.Updates.Add(1)
		if len(change.Document) == 0 {
			c.counters.WithoutDocument.Add(1)
		}
	case proto.Operation_OPERATION_REPLACE:
		c.counters.Replaces.Add(1)
	case proto.Operation_OPERATION_DELETE:
		c.counters.Deletes.Add(1)
	case proto.Operation_OPERATION_DROP:
		c.counters.Drops.Add(1)
	case proto.Operation_OPERATION_SNAPSHOT:
		c.counters.Snapshots.Add(1)
	default:
	}
}

// letter sets something aside. Its payload is a copy, with its secrets replaced.
func (c *encoder) letter(raw bson.Raw, change *proto.Change, reason, detail string, now time.Time) *proto.DeadLetter {
	shown := raw
	if c.redact != nil {
		shown, _ = c.redact.Document(raw)
		text, _ := c.redact.Text([]byte(detail))
		detail = string(text)
	}
	payload := shown[:min(len(shown), proto.MaxDeadLetterPayload)]
	letter := &proto.DeadLetter{
		Lane: c.lane, Part: proto.PartIngest, Reason: reason, Detail: detail, Namespace: c.namespace, ID: change.GetId(),
		Offset: -1, Size: int64(len(raw)), Payload: append([]byte(nil), payload...), Truncated: len(payload) < len(shown), At: now,
	}
	if letter.ID == "" {
		// What has no key of its own is told apart by its place in the change stream.
		token, _ := raw.Lookup("_id").DocumentOK()
		letter.ID, _ = token.Lookup("_data").StringValueOK()
	}
	return letter
}
