package mongodb

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// errSplit is a split event whose parts do not follow each other: it has to be read again from its first.
var errSplit = errors.New("parts of a split event are missing")

// assembler puts the parts of split events together. Its zero value is ready.
type assembler struct {
	parts []bson.Raw
	of    int32
}

// pending reports that an event has begun and not ended: the place before it is the last one to go on from.
func (a *assembler) pending() bool { return len(a.parts) > 0 }

func (a *assembler) reset() { a.parts, a.of = nil, 0 }

// add takes an event or a part of one. It returns the whole event once it has all parts; with errEvent one that cannot
// be understood, to be set aside. After errSplit the stream has to be opened again.
func (a *assembler) add(raw bson.Raw) (e event, whole bool, err error) {
	if e, err = parseEvent(raw); err != nil {
		return e, true, err
	}
	if e.of <= 1 {
		if a.pending() {
			return e, false, fmt.Errorf("%w: it ends after %d of %d", errSplit, len(a.parts), a.of)
		}
		return e, true, err
	}
	if int(e.fragment) != len(a.parts)+1 || a.pending() && e.of != a.of {
		return e, false, fmt.Errorf("%w: part %d of %d follows part %d", errSplit, e.fragment, e.of, len(a.parts))
	}
	a.parts, a.of = append(a.parts, raw), e.of
	if e.fragment < e.of {
		return e, false, nil
	}
	joined, err := join(a.parts)
	a.reset()
	if err != nil {
		return e, true, err
	}
	e, err = parseEvent(joined)
	return e, true, err
}

// join makes one event of its parts: their fields, with the last part's token, from which the stream goes on.
func join(parts []bson.Raw) (bson.Raw, error) {
	size := 5
	for _, part := range parts {
		size += len(part)
	}
	out := make([]byte, 4, size)
	for i, part := range parts {
		last := i == len(parts)-1
		err := fields(part, func(key string, value bsoncore.Value) {
			if key == "splitEvent" || key == "_id" && !last {
				return
			}
			out = bsoncore.AppendValueElement(out, key, value)
		})
		if err != nil {
			return nil, err
		}
	}
	out = append(out, 0)
	binary.LittleEndian.PutUint32(out, uint32(len(out)))
	return out, nil
}
