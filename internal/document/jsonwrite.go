package document

import (
	"encoding/hex"
	"math"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"
)

// jsonWriter writes BSON values as relaxed Extended JSON. Documents that came from JSON get back the same JSON, but
// for white space, escapes and the spelling of numbers. A finite Decimal128 is written as a plain number, so that it
// can be reckoned with; the other types that JSON lacks look as MongoDB's tools write them.
type jsonWriter struct {
	buf []byte
	// replaced is set when a text was not UTF-8.
	replaced bool
}

// value appends one value. depth is the number of objects and arrays that are open around it.
func (w *jsonWriter) value(v value, depth int) error {
	switch v.kind {
	case typeString:
		w.text(v.str())
	case typeDocument:
		return w.object(v.data, depth)
	case typeArray:
		return w.array(v.data, depth)
	case typeInt32:
		w.buf = strconv.AppendInt(w.buf, int64(int32(le32(v.data))), 10)
	case typeInt64:
		w.buf = strconv.AppendInt(w.buf, int64(le64(v.data)), 10)
	case typeDouble:
		w.double(math.Float64frombits(le64(v.data)))
	case typeBoolean:
		w.buf = strconv.AppendBool(w.buf, v.data[0] != 0)
	case 0, typeNull:
		w.buf = append(w.buf, "null"...)
	case typeObjectID:
		w.buf = append(w.buf, `{"$oid":"`...)
		w.buf = append(hex.AppendEncode(w.buf, []byte(v.data)), `"}`...)
	case typeDate:
		w.date(int64(le64(v.data)))
	default:
		return w.exotic(v)
	}
	return nil
}

func (w *jsonWriter) exotic(v value) error {
	if v.kind == typeDecimal {
		if text, ok := decimalText(v.data); ok {
			w.buf = append(w.buf, text...)
			return nil
		}
	}
	text, err := extended(v.kind, v.data, false)
	if err != nil {
		return err
	}
	if !utf8.Valid(text) {
		w.replaced = true
		text = []byte(validText(string(text)))
	}
	w.buf = append(w.buf, text...)
	return nil
}

func (w *jsonWriter) object(doc string, depth int) error {
	if depth == MaxBSONDepth {
		return ErrTooDeep
	}
	c := open(doc)
	w.buf = append(w.buf, '{')
	for n := 0; c.next(); n++ {
		if err := w.member(c.key, c.val, n, depth+1); err != nil {
			return err
		}
	}
	w.buf = append(w.buf, '}')
	return c.err
}

// member appends a key and its value, the nth of the object.
func (w *jsonWriter) member(key string, v value, n, depth int) error {
	if n > 0 {
		w.buf = append(w.buf, ',')
	}
	w.text(key)
	w.buf = append(w.buf, ':')
	return w.value(v, depth)
}

func (w *jsonWriter) array(doc string, depth int) error {
	if depth == MaxBSONDepth {
		return ErrTooDeep
	}
	c := open(doc)
	w.buf = append(w.buf, '[')
	for n := 0; c.next(); n++ {
		if n > 0 {
			w.buf = append(w.buf, ',')
		}
		if err := w.value(c.val, depth+1); err != nil {
			return err
		}
	}
	w.buf = append(w.buf, ']')
	return c.err
}

func (w *jsonWriter) double(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		name := "NaN"
		if f > 0 {
			name = "Infinity"
		} else if f < 0 {
			name = "-Infinity"
		}
		w.buf = append(w.buf, `{"$numberDouble":"`+name+`"}`...)
		return
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	start := len(w.buf)
	w.buf = strconv.AppendFloat(w.buf, f, format, -1, 64)
	for _, c := range w.buf[start:] {
		if c == '.' || c == 'e' {
			return
		}
	}
	w.buf = append(w.buf, ".0"...) // so that it is seen to be no integer
}

func (w *jsonWriter) date(millis int64) {
	t := time.UnixMilli(millis).UTC()
	if year := t.Year(); year < 1970 || year > 9999 || millis < 0 {
		w.buf = append(w.buf, `{"$date":{"$numberLong":"`...)
		w.buf = append(strconv.AppendInt(w.buf, millis, 10), `"}}`...)
		return
	}
	w.buf = append(w.buf, `{"$date":"`...)
	w.buf = append(t.AppendFormat(w.buf, "2006-01-02T15:04:05.999Z"), `"}`...)
}

const hexDigits = "0123456789abcdef"

// text appends a string in quotes.
func (w *jsonWriter) text(s string) {
	w.buf = append(w.buf, '"')
	start, i := 0, 0
	var wide uint64
	for {
		for i+8 <= len(s) {
			x := le64(s[i:])
			quote := x ^ lowBits*'"'
			slash := x ^ lowBits*'\\'
			hit := ((quote-lowBits)&^quote | (slash-lowBits)&^slash | (x-lowBits*' ')&^x) & highBits
			wide |= x
			if hit != 0 {
				i += bits.TrailingZeros64(hit) / 8
				goto special
			}
			i += 8
		}
		for i < len(s) {
			c := s[i]
			if c == '"' || c == '\\' || c < ' ' {
				goto special
			}
			wide |= uint64(c)
			i++
		}
		w.piece(s[start:], wide)
		w.buf = append(w.buf, '"')
		return
	special:
		w.piece(s[start:i], wide)
		w.escape(s[i])
		i++
		start, wide = i, 0
	}
}

// piece appends text that needs no escapes. wide has a high bit if a byte of it may be outside ASCII.
func (w *jsonWriter) piece(s string, wide uint64) {
	if wide&highBits != 0 && !utf8.ValidString(s) {
		w.replaced = true
		s = validText(s)
	}
	w.buf = append(w.buf, s...)
}

func (w *jsonWriter) escape(c byte) {
	switch c {
	case '"', '\\':
		w.buf = append(w.buf, '\\', c)
	case '\n':
		w.buf = append(w.buf, '\\', 'n')
	case '\r':
		w.buf = append(w.buf, '\\', 'r')
	case '\t':
		w.buf = append(w.buf, '\\', 't')
	default:
		w.buf = append(w.buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}
