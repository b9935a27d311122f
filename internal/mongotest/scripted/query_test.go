package scripted

import (
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func TestFind(t *testing.T) {
	ctx := testContext(t)
	s := NewSet(t, 1)
	coll := connect(t, s)
	id := bson.NewObjectID()
	for _, key := range []any{"b", id, 2.5, "a", int64(3), 1} {
		s.Insert(doc(key))
	}
	s.Insert(bson.D{{Key: "text", Value: "without a key"}})
	s.Delete("b")
	s.Delete("absent")
	keys := func(filter any, opts ...options.Lister[options.FindOptions]) string {
		cursor, err := coll.Find(ctx, filter, opts...)
		if err != nil {
			t.Fatalf("find %v: %v", filter, err)
		}
		var out []string
		for cursor.Next(ctx) {
			switch id := cursor.Current.Lookup("_id"); id.Type {
			case bson.TypeObjectID:
				out = append(out, "id")
			case bson.TypeString:
				out = append(out, id.StringValue())
			default:
				out = append(out, fmt.Sprint(id.AsFloat64()))
			}
		}
		if err := cursor.Err(); err != nil {
			t.Fatalf("find %v: %v", filter, err)
		}
		return strings.Join(out, " ")
	}
	greater := func(v any) bson.D {
		return bson.D{{Key: "$expr", Value: bson.D{{Key: "$gt", Value: bson.A{"$_id", bson.D{{Key: "$literal", Value: v}}}}}}}
	}
	least := func(v any) bson.D { return bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: v}}}} }
	byKey := bson.D{{Key: "_id", Value: 1}}
	for _, test := range []struct{ got, want string }{
		{keys(bson.D{}), "1 2.5 3 a id id"},
		{keys(bson.D{}, options.Find().SetSort(byKey).SetBatchSize(2)), "1 2.5 3 a id id"},
		{keys(bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(3)), "id id a"},
		{keys(greater(2.5), options.Find().SetSort(byKey).SetLimit(2)), "3 a"},
		{keys(greater("a")), "id id"},
		{keys(greater(id)), "id"},
		{keys(least(1)), "2.5 3"},
		{keys(least(1), options.Find().SetLimit(1)), "2.5"},
		{keys(bson.D{{Key: "_id", Value: "a"}}), "a"},
	} {
		if test.got != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
	}
	_, err := coll.Find(ctx, bson.D{{Key: "text", Value: "hello"}})
	if code(err) != 2 {
		t.Errorf("another filter: got %v, want code 2", err)
	}
}
