package scripted

import (
	"bytes"
	"cmp"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// compare orders keys as MongoDB does: first by type, numbers together. Types that are no keys in tests compare as bytes.
func compare(a, b bson.RawValue) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	switch a.Type {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble:
		return cmp.Compare(a.AsFloat64(), b.AsFloat64())
	case bson.TypeString:
		return cmp.Compare(a.StringValue(), b.StringValue())
	case bson.TypeDateTime:
		return cmp.Compare(a.DateTime(), b.DateTime())
	default:
		return bytes.Compare(a.Value, b.Value)
	}
}

// rank is the place of a value's type among the types.
func rank(v bson.RawValue) int {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return 1
	case bson.TypeString, bson.TypeSymbol:
		return 2
	case bson.TypeEmbeddedDocument:
		return 3
	case bson.TypeArray:
		return 4
	case bson.TypeBinary:
		return 5
	case bson.TypeObjectID:
		return 6
	case bson.TypeBoolean:
		return 7
	case bson.TypeDateTime:
		return 8
	case bson.TypeTimestamp:
		return 9
	default:
		return 0
	}
}
