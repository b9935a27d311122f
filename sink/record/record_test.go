package record

import (
	"fmt"
	"reflect"
	"testing"

	"claude-analytics/internal/document"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// arrowType is the column that a field of a row must become.
func arrowType(t reflect.Type) (arrow.DataType, bool) {
	if t.Kind() == reflect.Struct { // document.Null
		typ, _ := arrowType(t.Field(0).Type)
		return typ, true
	}
	switch t {
	case reflect.TypeFor[document.Timestamp]():
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, false
	case reflect.TypeFor[document.Date]():
		return arrow.FixedWidthTypes.Date32, false
	case reflect.TypeFor[document.Decimal]():
		return &arrow.Decimal128Type{Precision: 18, Scale: 9}, false
	case reflect.TypeFor[[]byte]():
		return arrow.BinaryTypes.Binary, true
	}
	switch t.Kind() {
	case reflect.String:
		return arrow.BinaryTypes.String, false
	case reflect.Bool:
		return arrow.FixedWidthTypes.Boolean, false
	case reflect.Int32:
		return arrow.PrimitiveTypes.Int32, false
	default:
		return arrow.PrimitiveTypes.Int64, false
	}
}

// fill gives every field of a row a value of its own.
func fill(v reflect.Value, n int) {
	switch {
	case v.Kind() == reflect.Struct:
		fill(v.Field(0), n)
		v.Field(1).SetBool(true)
	case v.Kind() == reflect.Slice:
		v.SetBytes([]byte(fmt.Sprint("bytes ", n)))
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprint("text ", n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(int64(n))
	}
}

// shown is a value of an array as fill would have made it.
func shown(column arrow.Array, row int) any {
	if column.IsNull(row) {
		return nil
	}
	switch a := column.(type) {
	case *array.String:
		return a.Value(row)
	case *array.Binary:
		return string(a.Value(row))
	case *array.Boolean:
		return a.Value(row)
	case *array.Timestamp:
		return int64(a.Value(row))
	case *array.Date32:
		return int64(a.Value(row))
	case *array.Int32:
		return int64(a.Value(row))
	case *array.Int64:
		return a.Value(row)
	case *array.Decimal128:
		if a.Value(row) != decimal128.FromI64(int64(a.Value(row).LowBits())) {
			return "too large"
		}
		return int64(a.Value(row).LowBits())
	}
	return fmt.Sprintf("%T", column)
}

// checkTable proves that every field of a row stands in the column that its tag names, at its place and in its type,
// both filled and empty.
func checkTable[T any](t *testing.T, newBuilder func(memory.Allocator) *Builder[T]) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	b := newBuilder(mem)
	defer b.Release()
	var full, empty T
	v := reflect.ValueOf(&full).Elem()
	var fields []int
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("col") != "-" {
			fill(v.Field(i), i+1)
			fields = append(fields, i)
		}
	}
	b.Append(&full)
	b.Append(&empty)
	if b.Rows() != 2 || b.Bytes() == 0 {
		t.Errorf("%d rows, %d bytes", b.Rows(), b.Bytes())
	}
	batch := b.Build()
	defer batch.Release()
	if b.Rows() != 0 || b.Bytes() != 0 {
		t.Errorf("after Build %d rows, %d bytes", b.Rows(), b.Bytes())
	}
	if int(batch.NumCols()) != len(fields) {
		t.Fatalf("%d columns for %d fields", batch.NumCols(), len(fields))
	}
	for c, i := range fields {
		field, column := v.Type().Field(i), batch.Schema().Field(c)
		typ, nullable := arrowType(field.Type)
		if column.Name != field.Tag.Get("col") || !arrow.TypeEqual(column.Type, typ) || column.Nullable != nullable {
			t.Errorf("field %s is column %v", field.Name, column)
			continue
		}
		want := any(int64(i + 1))
		switch typ.ID() {
		case arrow.STRING:
			want = fmt.Sprint("text ", i+1)
		case arrow.BINARY:
			want = fmt.Sprint("bytes ", i+1)
		case arrow.BOOL:
			want = true
		}
		if got := shown(batch.Column(c), 0); got != want {
			t.Errorf("%s holds %v, want %v", column.Name, got, want)
		}
		if batch.Column(c).IsNull(1) != nullable {
			t.Errorf("%s, empty: %v", column.Name, shown(batch.Column(c), 1))
		}
	}
}

func TestConversations(t *testing.T) {
	checkTable(t, func(mem memory.Allocator) *Builder[document.Row] { return NewConversations(mem, true) })
}

func TestBlocks(t *testing.T) { checkTable(t, NewBlocks) }

func TestConversationsWithoutRaw(t *testing.T) {
	b := NewConversations(memory.DefaultAllocator, false)
	defer b.Release()
	b.Append(&document.Row{DocRaw: []byte("x")})
	batch := b.Build()
	defer batch.Release()
	if raw := batch.Column(int(batch.NumCols()) - 1); batch.ColumnName(int(batch.NumCols())-1) != "doc_raw" || !raw.IsNull(0) {
		t.Errorf("doc_raw is kept")
	}
}

func TestBuilderIsUsedAgain(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	b := NewBlocks(mem)
	defer b.Release()
	for batch := range 3 {
		b.Reserve(10)
		for i := range 10 {
			b.Append(&document.Block{ID: fmt.Sprint(batch), BlockIndex: int32(i), BlockType: "text"})
		}
		record := b.Build()
		if record.NumRows() != 10 || record.Column(1).(*array.String).Value(9) != fmt.Sprint(batch) {
			t.Errorf("batch %d: %v", batch, record)
		}
		record.Release()
	}
	b.Append(&document.Block{}) // what is not built is freed too
}
