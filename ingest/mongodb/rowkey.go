package mongodb

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// rowKey is an _id as text: an ObjectId's 24 hex digits, any other type as canonical Extended JSON. Different ids have
// different texts: what Extended JSON cannot say, such as text that is not UTF-8, stands as its BSON bytes.
func rowKey(id bson.RawValue) (string, error) {
	if oid, ok := id.ObjectIDOK(); ok {
		return oid.Hex(), nil
	}
	if err := id.Validate(); err != nil {
		return "", fmt.Errorf("_id: %w", err)
	}
	if text, ok := id.StringValueOK(); ok && !utf8.ValidString(text) {
		return rawKey(id), nil
	}
	json, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: id}}, true, false)
	if err != nil {
		return rawKey(id), nil //nolint:nilerr // the bytes say it as well
	}
	switch id.Type {
	case bson.TypeString, bson.TypeInt32, bson.TypeInt64:
	default:
		var back bson.Raw
		if err := bson.UnmarshalExtJSON(json, true, &back); err != nil || !bytes.Equal(back, idDocument("v", id)) {
			return rawKey(id), nil //nolint:nilerr // the bytes say it as well
		}
	}
	return string(json[len(`{"v":`) : len(json)-1]), nil
}

// rawKey is for ids that Extended JSON would not keep apart.
func rawKey(id bson.RawValue) string {
	return fmt.Sprintf(`{"$raw":{"type":"%02x","base64":%q}}`, byte(id.Type), base64.StdEncoding.EncodeToString(id.Value))
}

// idDocument is a document of one field.
func idDocument(field string, id bson.RawValue) bson.Raw {
	length := 4 + 1 + len(field) + 1 + len(id.Value) + 1
	doc := make([]byte, 0, length)
	doc = append(doc, byte(length), byte(length>>8), byte(length>>16), byte(length>>24), byte(id.Type))
	doc = append(doc, field...)
	doc = append(doc, 0)
	doc = append(doc, id.Value...)
	return append(doc, 0)
}
