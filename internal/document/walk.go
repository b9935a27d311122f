package document

import (
	"math"
	"strings"
)

// value is one BSON value: its type byte and its bytes. A document is walked as a Go string, copied once from the
// change, so that every text of a row is a piece of that string and nothing is copied twice.
type value struct {
	kind byte
	data string
}

// absent is the value of a field that is not there.
var absent = value{}

func (v value) isNull() bool {
	return v.kind == 0 || v.kind == typeNull || v.kind == typeUndefined
}

// cursor walks the members of one document or array.
type cursor struct {
	key string
	val value

	rest string
	err  error
}

// open begins to walk a document's bytes.
func open(doc string) cursor {
	if len(doc) < 5 || int(le32(doc)) != len(doc) || doc[len(doc)-1] != 0 {
		return cursor{err: ErrMalformed}
	}
	return cursor{rest: doc[4 : len(doc)-1]}
}

// next moves to the next member. After false, err says whether the document ended well.
func (c *cursor) next() bool {
	if len(c.rest) == 0 || c.err != nil {
		return false
	}
	end := strings.IndexByte(c.rest[1:], 0)
	if end < 0 {
		c.err = ErrMalformed
		return false
	}
	kind, data := c.rest[0], c.rest[end+2:]
	size := valueSize(kind, data)
	if size < 0 || size > len(data) {
		c.err = ErrMalformed
		return false
	}
	c.key = c.rest[1 : end+1]
	c.val = value{kind: kind, data: data[:size]}
	c.rest = data[size:]
	return true
}

// members opens an embedded document or array; anything else has no members.
func (v value) members() cursor {
	if v.kind != typeDocument && v.kind != typeArray {
		return cursor{}
	}
	return open(v.data)
}

// valueSize is how many bytes of data the value takes, -1 if it cannot be told. It may exceed len(data).
func valueSize(kind byte, data string) int {
	switch kind {
	case typeString, typeJavaScript, typeSymbol:
		return stringSize(data)
	case typeDocument, typeArray, typeScope:
		if len(data) < 4 {
			return -1
		}
		return atLeast(int(int32(le32(data))), 5)
	case typeInt32:
		return 4
	case typeInt64, typeDouble, typeDate, typeTimestamp:
		return 8
	case typeBoolean:
		return 1
	case typeNull, typeUndefined, typeMinKey, typeMaxKey:
		return 0
	case typeObjectID:
		return 12
	case typeDecimal:
		return 16
	case typeBinary:
		if len(data) < 5 {
			return -1
		}
		if size := atLeast(int(int32(le32(data))), 0); size >= 0 {
			return size + 5
		}
	case typeRegex:
		pattern := strings.IndexByte(data, 0)
		options := strings.IndexByte(data[pattern+1:], 0)
		if pattern >= 0 && options >= 0 {
			return pattern + options + 2
		}
	case typeDBPointer:
		if size := stringSize(data); size >= 0 {
			return size + 12
		}
	}
	return -1
}

// stringSize is the size of a BSON string: length, bytes, NUL.
func stringSize(data string) int {
	if len(data) < 5 {
		return -1
	}
	n := int(int32(le32(data)))
	if n < 1 || n > len(data)-4 || data[4+n-1] != 0 {
		return -1
	}
	return n + 4
}

func atLeast(n, least int) int {
	if n < least {
		return -1
	}
	return n
}

func le32(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func le64(s string) uint64 { return uint64(le32(s)) | uint64(le32(s[4:]))<<32 }

// str is the text of a string or symbol value, unchecked.
func (v value) str() string { return v.data[4 : len(v.data)-1] }

// isText reports whether str may be called.
func (v value) isText() bool { return v.kind == typeString || v.kind == typeSymbol }

// integer reads any number that is whole and fits.
func (v value) integer() (int64, bool) {
	switch v.kind {
	case typeInt32:
		return int64(int32(le32(v.data))), true
	case typeInt64:
		return int64(le64(v.data)), true
	}
	if f, ok := v.float(); ok && f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		return int64(f), true
	}
	return 0, false
}

// float reads any number; a Decimal128 loses what double cannot hold. Not a number and infinities are none.
func (v value) float() (float64, bool) {
	var f float64
	switch v.kind {
	case typeInt32:
		return float64(int32(le32(v.data))), true
	case typeInt64:
		return float64(int64(le64(v.data))), true
	case typeDouble:
		f = math.Float64frombits(le64(v.data))
	case typeDecimal:
		var ok bool
		if f, ok = decimalFloat(v.data); !ok {
			return 0, false
		}
	default:
		return 0, false
	}
	return f, !math.IsNaN(f) && !math.IsInf(f, 0)
}
