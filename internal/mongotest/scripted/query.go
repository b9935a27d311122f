package scripted

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// find reads the collection in the order of _id. It knows the filters that a snapshot needs and refuses all others, lest a
// test passes on documents that it did not ask for.
func (s *Set) find(node int, cmd bson.Raw) (bson.D, *refusal) {
	if refused := s.readable(node, cmd); refused != nil {
		return nil, refused
	}
	filter, _ := cmd.Lookup("filter").DocumentOK()
	selects, ok := parseFilter(filter)
	if !ok {
		return nil, &refusal{code: 2, name: "BadValue", message: "scripted: no such filter: " + filter.String()}
	}
	c := &cursor{node: node, ns: namespace(cmd)}
	if c.ns == Database+"."+Collection {
		for _, doc := range s.log.docs {
			if selects(doc.Lookup("_id")) {
				c.docs = append(c.docs, doc)
			}
		}
	}
	if direction, ok := cmd.Lookup("sort", "_id").AsInt64OK(); ok && direction < 0 {
		slices.Reverse(c.docs)
	}
	if limit := limitOf(cmd.Lookup("limit"), 0); limit > 0 && limit < len(c.docs) {
		c.docs = c.docs[:limit]
	}
	s.open(c)
	size := limitOf(cmd.Lookup("batchSize"), firstBatch)
	if single, ok := cmd.Lookup("singleBatch").BooleanOK(); ok && single {
		c.docs = fits(c.docs, size)
	}
	return s.queryBatch(c, "firstBatch", size), nil
}

func (s *Set) queryBatch(c *cursor, name string, size int) bson.D {
	var batch []bson.Raw
	if name == "nextBatch" || size > 0 { // a first batch of 0 is an empty one
		batch = fits(c.docs, size)
	}
	c.docs = c.docs[len(batch):]
	id := c.id
	if len(c.docs) == 0 {
		delete(s.cursors, c.id)
		id = 0
	}
	return bson.D{{Key: "cursor", Value: bson.D{
		{Key: name, Value: append([]bson.Raw{}, batch...)},
		{Key: "id", Value: id},
		{Key: "ns", Value: c.ns},
	}}}
}

// parseFilter knows {}, {_id: x}, {_id: {$gt: x}} and {$expr: {$gt: ['$_id', {$literal: x}]}}. As on a server, the third
// sees only keys of x's type, the last those of every type.
func parseFilter(filter bson.Raw) (selects func(id bson.RawValue) bool, ok bool) {
	elements, err := filter.Elements()
	if len(filter) == 0 || err == nil && len(elements) == 0 {
		return func(bson.RawValue) bool { return true }, true
	}
	if err != nil || len(elements) != 1 {
		return nil, false
	}
	operand := elements[0].Value()
	switch elements[0].Key() {
	case "$expr":
		path, _ := filter.Lookup("$expr", "$gt", "0").StringValueOK()
		least, err := filter.LookupErr("$expr", "$gt", "1", "$literal")
		return func(id bson.RawValue) bool { return compare(id, least) > 0 }, err == nil && path == "$_id"
	case "_id":
		operators, isDocument := operand.DocumentOK()
		if !isDocument {
			return func(id bson.RawValue) bool { return compare(id, operand) == 0 }, true
		}
		least, err := operators.LookupErr("$gt")
		several, _ := operators.Elements()
		return func(id bson.RawValue) bool { return rank(id) == rank(least) && compare(id, least) > 0 }, err == nil && len(several) == 1
	default:
		return nil, false
	}
}
