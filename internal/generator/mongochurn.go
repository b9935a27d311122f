package generator

import (
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// maxChurned is the largest document that is updated, bytes: the event of an update carries what was set and the whole
// document, and an event of more than 16 MB ends a change stream.
const maxChurned = 4 << 20

// churn draws the detours.
type churn struct {
	share float64
	r     *rng
}

// detour returns what is to be inserted for a document now, and notes what follows later.
func (w *mongoWriter) detour(item mongoItem, raw bson.Raw) ([]insert, error) {
	own := insert{raw, &w.result.Documents}
	if item.plain || w.churn.share <= 0 || !w.churn.r.chance(w.churn.share) {
		return []insert{own}, nil
	}
	r := w.churn.r.fork()
	fields, changeable := members(raw)
	kind := r.intn(4)
	if !changeable {
		kind = 3
	}
	id := bson.D{{Key: "_id", Value: raw.Lookup("_id")}}
	switch kind {
	case 0:
		stale, set := outdated(r, fields)
		if set == nil {
			return []insert{own}, nil
		}
		w.owed = append(w.owed, mongo.NewUpdateOneModel().SetFilter(id).SetUpdate(bson.D{{Key: "$set", Value: set}}))
		return encoded(&w.result.Documents, stale)
	case 1:
		w.owed = append(w.owed, mongo.NewReplaceOneModel().SetFilter(id).SetReplacement(raw))
		return encoded(&w.result.Documents, someoneElse(r, raw))
	case 2:
		copied := renamed(r, fields)
		w.owed = append(w.owed, mongo.NewDeleteOneModel().SetFilter(bson.D{copied[0]}))
		extra, err := encoded(nil, copied)
		return append(extra, own), err
	default:
		again := item
		again.plain = true
		w.again = append(w.again, again)
		return []insert{own}, nil
	}
}

func encoded(counts *int64, fields bson.D) ([]insert, error) {
	raw, err := bson.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("encode stale document: %w", err)
	}
	return []insert{{raw, counts}}, nil
}

// members are a document's fields, _id first, with their values untouched. ok is false where an update would not mean
// the field of that name (dots, dollars, no name), where a name repeats, and for documents that are too large.
func members(raw bson.Raw) (fields bson.D, ok bool) {
	elements, err := raw.Elements()
	if err != nil || len(raw) > maxChurned {
		return nil, false
	}
	seen := make(map[string]bool, len(elements))
	for _, e := range elements {
		key := e.Key()
		if key == "" || seen[key] || strings.ContainsAny(key, ".$\x00") {
			return nil, false
		}
		seen[key] = true
		fields = append(fields, bson.E{Key: key, Value: e.Value()})
	}
	return fields, true
}

// identity are the fields that say which record a document is and where it comes from.
var identity = map[string]bool{
	"_id": true, "uuid": true, "sessionId": true, "type": true, "requestId": true, "projectId": true, "sourceFile": true, "ingestedAt": true,
}

// outdated is a document before an update of its content, and the update's $set; set is nil if it has no content.
func outdated(r *rng, fields bson.D) (stale, set bson.D) {
	var content []int
	for i, f := range fields {
		if !identity[f.Key] {
			content = append(content, i)
		}
	}
	if len(content) == 0 {
		return fields, nil
	}
	changed := map[int]bool{pick(r, content): true}
	for i, f := range fields {
		if f.Key == "message" {
			changed[i] = true // what is counted is in there
		}
	}
	stale = append(bson.D{}, fields...)
	for i, f := range fields {
		if !changed[i] {
			continue
		}
		set = append(set, f)
		stale[i].Value = "stale " + r.hex(8)
		if f.Key == "message" {
			stale[i].Value = staleMessage(r)
		}
	}
	return stale, set
}

// someoneElse is a whole other record under a document's _id.
func someoneElse(r *rng, raw bson.Raw) bson.D {
	return bson.D{
		{Key: "_id", Value: raw.Lookup("_id")},
		{Key: "type", Value: "assistant"},
		{Key: "uuid", Value: r.uuid()},
		{Key: "sessionId", Value: r.uuid()},
		{Key: "timestamp", Value: "2026-01-02T03:04:05.678Z"},
		{Key: "message", Value: staleMessage(r)},
		{Key: "projectId", Value: "-stale"},
		{Key: "sourceFile", Value: transcriptsRoot + "-stale/" + r.uuid() + ".jsonl"},
		{Key: "ingestedAt", Value: raw.Lookup("ingestedAt")},
	}
}

// staleMessage is a response that would be missed in no sum.
func staleMessage(r *rng) bson.D {
	return bson.D{
		{Key: "id", Value: r.token("msg_stale", 15)},
		{Key: "type", Value: "message"},
		{Key: "role", Value: "assistant"},
		{Key: "model", Value: "claude-stale"},
		{Key: "content", Value: bson.A{bson.D{{Key: "type", Value: "text"}, {Key: "text", Value: "stale " + r.hex(8)}}}},
		{Key: "usage", Value: bson.D{{Key: "input_tokens", Value: 7_000_000}, {Key: "output_tokens", Value: 7_000_000}}},
	}
}

// renamed is a copy of a document as another record, another response and of another session. Its tool calls keep
// their ids: once the copy is deleted, they have to be found in the original again.
func renamed(r *rng, fields bson.D) bson.D {
	copied := append(bson.D{}, fields...)
	for i, f := range copied {
		switch value := f.Value.(bson.RawValue); f.Key {
		case "_id":
			copied[i].Value = bson.NewObjectID()
		case "uuid", "sessionId":
			copied[i].Value = r.uuid()
		case "requestId":
			copied[i].Value = r.token("req_011C", 20)
		case "message":
			var message bson.D
			if inner, ok := value.DocumentOK(); ok && bson.Unmarshal(inner, &message) == nil {
				for j, f := range message {
					if f.Key == "id" {
						message[j].Value = r.token("msg_01", 22)
					}
				}
				copied[i].Value = message
			}
		}
	}
	return copied
}
