package document

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// KeyText is the text form of a document's _id, the row key within its source: an ObjectId's 24 hex digits, any other
// type as canonical Extended JSON (a string in quotes).
func KeyText(id bson.RawValue) (string, error) {
	if oid, ok := id.ObjectIDOK(); ok {
		return oid.Hex(), nil
	}
	text, err := extended(byte(id.Type), string(id.Value), true)
	if err != nil {
		return "", fmt.Errorf("text form of _id: %w", err)
	}
	return string(text), nil
}

// extended is the driver's Extended JSON of one value: for the types that JSON does not have.
func extended(kind byte, data string, canonical bool) ([]byte, error) {
	doc := make([]byte, 0, len(data)+8)
	doc = append(doc, 0, 0, 0, 0, kind, 'v', 0)
	doc = append(append(doc, data...), 0)
	putUint32(doc, uint32(len(doc)))
	if err := bson.Raw(doc).Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	text, err := bson.MarshalExtJSON(bson.Raw(doc), canonical, false)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	text = bytes.TrimSuffix(bytes.TrimPrefix(text, []byte(`{"v":`)), []byte("}"))
	return text, nil
}

func decimalValue(data string) bson.Decimal128 { return bson.NewDecimal128(le64(data[8:]), le64(data)) }

// decimalText is a Decimal128 as digits; false for what is no number.
func decimalText(data string) (string, bool) {
	d := decimalValue(data)
	if d.IsNaN() || d.IsInf() != 0 {
		return "", false
	}
	return d.String(), true
}

func decimalFloat(data string) (float64, bool) {
	text, ok := decimalText(data)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

func objectIDText(data string) string { return hex.EncodeToString([]byte(data)) }
