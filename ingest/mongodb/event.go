package mongodb

import (
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// event is one change as the server tells it, as far as it is used. Its parts lie in the reply's bytes.
type event struct {
	raw       bson.Raw // all of it, for a dead letter
	token     bson.Raw
	operation string
	// namespace is where it happened, to where a rename leads.
	namespace, to string
	id            bson.RawValue
	document      bson.Raw // nil if there is none, or it is null
	time          uint64   // cluster time
	wall          time.Time
	// fragment and of say which part of a split event it is; of is 0 or 1 for one that was not split.
	fragment, of int32
}

// errEvent is an event that cannot be understood.
var errEvent = errors.New("malformed event")

// parseEvent takes an event, or a part of one, apart.
func parseEvent(raw bson.Raw) (event, error) {
	e := event{raw: raw}
	err := fields(raw, func(key string, value bsoncore.Value) {
		switch key {
		case "_id":
			e.token, _ = documentOf(value)
		case "operationType":
			e.operation, _ = value.StringValueOK()
		case "ns":
			e.namespace = namespaceOf(value)
		case "to":
			e.to = namespaceOf(value)
		case "documentKey":
			if key, ok := documentOf(value); ok {
				e.id = key.Lookup("_id")
			}
		case "fullDocument":
			e.document, _ = documentOf(value)
		case "clusterTime":
			if t, i, ok := value.TimestampOK(); ok {
				e.time = clusterTime(t, i)
			}
		case "wallTime":
			if ms, ok := value.DateTimeOK(); ok {
				e.wall = time.UnixMilli(ms).UTC()
			}
		case "splitEvent":
			if split, ok := documentOf(value); ok {
				e.fragment, _ = split.Lookup("fragment").Int32OK()
				e.of, _ = split.Lookup("of").Int32OK()
			}
		}
	})
	if err == nil && e.token == nil {
		err = fmt.Errorf("%w: it has no resume token", errEvent)
	}
	return e, err
}

// happened is when it happened, microseconds since 1970; 0 if the server does not say.
func (e *event) happened() int64 {
	switch {
	case !e.wall.IsZero():
		return e.wall.UnixMicro()
	case e.time != 0:
		return wall(e.time).UnixMicro()
	}
	return 0
}

// fields calls fn for each field of a document.
func fields(raw bson.Raw, fn func(key string, value bsoncore.Value)) error {
	length, rest, ok := bsoncore.ReadLength(raw)
	if !ok || int(length) != len(raw) || length < 5 {
		return fmt.Errorf("%w: %d bytes", errEvent, len(raw))
	}
	for len(rest) > 1 {
		var element bsoncore.Element
		if element, rest, ok = bsoncore.ReadElement(rest); !ok {
			return fmt.Errorf("%w: a field is cut off", errEvent)
		}
		key, err := element.KeyErr()
		if err != nil {
			return fmt.Errorf("%w: %w", errEvent, err)
		}
		value, err := element.ValueErr()
		if err != nil {
			return fmt.Errorf("%w: field %q: %w", errEvent, key, err)
		}
		fn(key, value)
	}
	return nil
}

func documentOf(value bsoncore.Value) (bson.Raw, bool) {
	doc, ok := value.DocumentOK()
	return bson.Raw(doc), ok
}

func namespaceOf(value bsoncore.Value) string {
	doc, ok := documentOf(value)
	if !ok {
		return ""
	}
	db, _ := doc.Lookup("db").StringValueOK()
	coll, _ := doc.Lookup("coll").StringValueOK()
	return db + "." + coll
}
