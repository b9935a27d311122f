package document

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// Null is a column's value that may be absent. The zero value is NULL.
type Null[T any] struct {
	V     T
	Valid bool
}

// Some is a value that is there.
func Some[T any](v T) Null[T] { return Null[T]{V: v, Valid: true} }

// Or returns the value, or other where it is NULL.
func (n Null[T]) Or(other T) T {
	if n.Valid {
		return n.V
	}
	return other
}

// MarshalJSON gives null or the value.
func (n Null[T]) MarshalJSON() ([]byte, error) {
	if !n.Valid {
		return []byte("null"), nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(n.V)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

// first returns the first that is not NULL.
func first[T any](of ...Null[T]) Null[T] {
	for _, n := range of {
		if n.Valid {
			return n
		}
	}
	return Null[T]{}
}

// Timestamp is a moment in microseconds since 1970 UTC, as TIMESTAMPTZ holds it.
type Timestamp int64

// microsPerDay is a day without leap seconds, as DuckDB counts.
const microsPerDay = 24 * 60 * 60 * 1_000_000

// Time is the moment as time.Time, in UTC.
func (t Timestamp) Time() time.Time { return time.UnixMicro(int64(t)).UTC() }

// Date is the moment's day in UTC.
func (t Timestamp) Date() Date {
	day := int64(t) / microsPerDay
	if int64(t)%microsPerDay < 0 {
		day--
	}
	return Date(day)
}

// MarshalJSON gives RFC 3339 with microseconds.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, t.Time().Format("2006-01-02T15:04:05.000000Z")), nil
}

// Date is a day, counted from 1970-01-01, as DATE holds it.
type Date int32

// String is the day as YYYY-MM-DD, the form of the lake's folders.
func (d Date) String() string { return time.Unix(int64(d)*86400, 0).UTC().Format(time.DateOnly) }

// MarshalJSON gives the day as a string.
func (d Date) MarshalJSON() ([]byte, error) { return strconv.AppendQuote(nil, d.String()), nil }

// Decimal is a DECIMAL(18,9): billionths of a unit.
type Decimal int64

// MarshalJSON gives the number with nine decimals.
func (d Decimal) MarshalJSON() ([]byte, error) {
	sign, n := "", uint64(d)
	if d < 0 {
		sign, n = "-", -n
	}
	fraction := strconv.FormatUint(1e9+n%1e9, 10)[1:]
	return []byte(sign + strconv.FormatUint(n/1e9, 10) + "." + fraction), nil
}
