package record

import (
	"claude-analytics/internal/document"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// column is one column of rows of type T: its Arrow field, and how a row's value is added. append returns the size of
// the value where that varies.
type column[T any] struct {
	field  arrow.Field
	append func(b array.Builder, row *T) int
}

func timestampType() arrow.DataType {
	return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
}

// required is a column that is never NULL.
func required[T, V any](name string, typ arrow.DataType, get func(*T) V, add func(array.Builder, V) int) column[T] {
	return column[T]{
		field:  arrow.Field{Name: name, Type: typ},
		append: func(b array.Builder, row *T) int { return add(b, get(row)) },
	}
}

// nullable is a column that may be NULL.
func nullable[T, V any](name string, typ arrow.DataType, get func(*T) document.Null[V], add func(array.Builder, V) int) column[T] {
	return column[T]{
		field: arrow.Field{Name: name, Type: typ, Nullable: true},
		append: func(b array.Builder, row *T) int {
			if v := get(row); v.Valid {
				return add(b, v.V)
			}
			b.AppendNull()
			return 0
		},
	}
}

func addText(b array.Builder, v string) int {
	b.(*array.StringBuilder).Append(v)
	return len(v)
}

func addTime(b array.Builder, v document.Timestamp) int {
	b.(*array.TimestampBuilder).Append(arrow.Timestamp(v))
	return 0
}

func addDate(b array.Builder, v document.Date) int {
	b.(*array.Date32Builder).Append(arrow.Date32(v))
	return 0
}

func addBigint(b array.Builder, v int64) int {
	b.(*array.Int64Builder).Append(v)
	return 0
}

func addInteger(b array.Builder, v int32) int {
	b.(*array.Int32Builder).Append(v)
	return 0
}

func addFlag(b array.Builder, v bool) int {
	b.(*array.BooleanBuilder).Append(v)
	return 0
}

func addDecimal(b array.Builder, v document.Decimal) int {
	b.(*array.Decimal128Builder).Append(decimal128.FromI64(int64(v)))
	return 0
}

// The SQL types: NOT NULL, and with OrNull as they come.

func varchar[T any](name string, get func(*T) string) column[T] {
	return required(name, arrow.BinaryTypes.String, get, addText)
}

func varcharOrNull[T any](name string, get func(*T) document.Null[string]) column[T] {
	return nullable(name, arrow.BinaryTypes.String, get, addText)
}

func timestamptz[T any](name string, get func(*T) document.Timestamp) column[T] {
	return required(name, timestampType(), get, addTime)
}

func timestamptzOrNull[T any](name string, get func(*T) document.Null[document.Timestamp]) column[T] {
	return nullable(name, timestampType(), get, addTime)
}

func date[T any](name string, get func(*T) document.Date) column[T] {
	return required(name, arrow.FixedWidthTypes.Date32, get, addDate)
}

func bigint[T any](name string, get func(*T) int64) column[T] {
	return required(name, arrow.PrimitiveTypes.Int64, get, addBigint)
}

func bigintOrNull[T any](name string, get func(*T) document.Null[int64]) column[T] {
	return nullable(name, arrow.PrimitiveTypes.Int64, get, addBigint)
}

func integer[T any](name string, get func(*T) int32) column[T] {
	return required(name, arrow.PrimitiveTypes.Int32, get, addInteger)
}

func integerOrNull[T any](name string, get func(*T) document.Null[int32]) column[T] {
	return nullable(name, arrow.PrimitiveTypes.Int32, get, addInteger)
}

func boolean[T any](name string, get func(*T) bool) column[T] {
	return required(name, arrow.FixedWidthTypes.Boolean, get, addFlag)
}

func booleanOrNull[T any](name string, get func(*T) document.Null[bool]) column[T] {
	return nullable(name, arrow.FixedWidthTypes.Boolean, get, addFlag)
}

// decimalOrNull is a DECIMAL(18,9).
func decimalOrNull[T any](name string, get func(*T) document.Null[document.Decimal]) column[T] {
	return nullable(name, &arrow.Decimal128Type{Precision: 18, Scale: 9}, get, addDecimal)
}

// blobOrNull is a BLOB; nil is NULL.
func blobOrNull[T any](name string, get func(*T) []byte) column[T] {
	return column[T]{
		field: arrow.Field{Name: name, Type: arrow.BinaryTypes.Binary, Nullable: true},
		append: func(b array.Builder, row *T) int {
			v := get(row)
			if v == nil {
				b.AppendNull()
				return 0
			}
			b.(*array.BinaryBuilder).Append(v)
			return len(v)
		},
	}
}
