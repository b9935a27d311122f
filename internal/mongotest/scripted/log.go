package scripted

import (
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// changeLog is the collection and its history. The Set's lock guards it.
type changeLog struct {
	now    bson.Timestamp
	floor  bson.Timestamp // changes up to here are forgotten
	docs   []bson.Raw     // sorted by _id
	events []event
}

// event is a change as a change stream shows it, except for the looked up document.
type event struct {
	at     bson.Timestamp
	op     string
	id     bson.RawValue
	full   bson.Raw
	fields []bson.E
}

// tick moves the cluster time on: whole seconds are the clock's, within one it counts. Each change has a time of its own.
func (l *changeLog) tick() bson.Timestamp {
	if now := uint32(time.Now().Unix()); now > l.now.T {
		l.now = bson.Timestamp{T: now}
	}
	l.now.I++
	return l.now
}

// idle moves the cluster time on where nothing happens, as a server's periodic no-ops do.
func (l *changeLog) idle() {
	if uint32(time.Now().Unix()) > l.now.T {
		l.tick()
	}
}

func (l *changeLog) insert(doc bson.Raw) bson.Timestamp {
	if _, err := doc.LookupErr("_id"); err != nil {
		fields := bson.D{{Key: "_id", Value: bson.NewObjectID()}}
		elements, _ := doc.Elements()
		for _, e := range elements {
			fields = append(fields, bson.E{Key: e.Key(), Value: e.Value()})
		}
		doc = mustMarshal(fields)
	}
	l.put(doc)
	return l.append("insert", doc, nil)
}

func (l *changeLog) update(doc bson.Raw) bson.Timestamp {
	l.put(doc)
	updated := bson.D{}
	elements, _ := doc.Elements()
	for _, e := range elements {
		if e.Key() != "_id" {
			updated = append(updated, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	return l.append("update", doc, []bson.E{{Key: "updateDescription", Value: bson.D{
		{Key: "updatedFields", Value: updated},
		{Key: "removedFields", Value: bson.A{}},
		{Key: "truncatedArrays", Value: bson.A{}},
	}}})
}

func (l *changeLog) remove(id any) bson.Timestamp {
	doc := mustMarshal(bson.D{{Key: "_id", Value: id}})
	if i, found := l.search(doc.Lookup("_id")); found {
		l.docs = slices.Delete(l.docs, i, i+1)
	}
	return l.append("delete", doc, nil)
}

// append records a change. doc holds the _id, and is shown as the whole document where the operation has one.
func (l *changeLog) append(op string, doc bson.Raw, fields []bson.E) bson.Timestamp {
	e := event{at: l.tick(), op: op, fields: fields}
	if doc != nil {
		e.id = doc.Lookup("_id")
	}
	if op == "insert" {
		e.full = doc
	}
	l.events = append(l.events, e)
	return e.at
}

func (l *changeLog) truncate() {
	l.floor = l.now
	l.events = nil
}

func (l *changeLog) put(doc bson.Raw) {
	i, found := l.search(doc.Lookup("_id"))
	if found {
		l.docs[i] = doc
	} else {
		l.docs = slices.Insert(l.docs, i, doc)
	}
}

func (l *changeLog) search(id bson.RawValue) (int, bool) {
	return slices.BinarySearchFunc(l.docs, id, func(doc bson.Raw, id bson.RawValue) int {
		return compare(doc.Lookup("_id"), id)
	})
}

// after is the history from just after a time.
func (l *changeLog) after(at bson.Timestamp) []event {
	i, found := slices.BinarySearchFunc(l.events, at, func(e event, at bson.Timestamp) int { return e.at.Compare(at) })
	if found {
		i++
	}
	return l.events[i:]
}

// render is the change as the stream's reader gets it. Like a server, it looks the document up when it is read.
func (l *changeLog) render(e event, lookup bool) bson.Raw {
	out := bson.D{
		{Key: "_id", Value: eventToken(e)},
		{Key: "operationType", Value: e.op},
		{Key: "clusterTime", Value: e.at},
		{Key: "wallTime", Value: time.Unix(int64(e.at.T), 0)},
	}
	switch {
	case e.full != nil:
		out = append(out, bson.E{Key: "fullDocument", Value: e.full})
	case e.op == "update" && lookup:
		var current any // null: it is gone by now
		if i, found := l.search(e.id); found {
			current = l.docs[i]
		}
		out = append(out, bson.E{Key: "fullDocument", Value: current})
	}
	if e.op != "invalidate" {
		out = append(out, bson.E{Key: "ns", Value: bson.D{{Key: "db", Value: Database}, {Key: "coll", Value: Collection}}})
	}
	if e.id.Type != 0 {
		out = append(out, bson.E{Key: "documentKey", Value: bson.D{{Key: "_id", Value: e.id}}})
	}
	return mustMarshal(append(out, e.fields...))
}
