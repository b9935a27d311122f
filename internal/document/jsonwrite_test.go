package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

func written(t interface{ Fatalf(string, ...any) }, doc []byte) []byte {
	var w jsonWriter
	if err := w.value(value{typeDocument, string(doc)}, 0); err != nil {
		t.Fatalf("%v", err)
	}
	return w.buf
}

func decoded(t interface{ Fatalf(string, ...any) }, text []byte) map[string]any {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	delete(object, "_id")
	return object
}

// sameJSON fails if a JSON object differs after its way through BSON.
func sameJSON(t interface{ Fatalf(string, ...any) }, line []byte) {
	doc, err := FromJSON(nil, line, Extra{})
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	got := written(t, doc)
	if a, b := fmt.Sprint(plain(decoded(t, got))), fmt.Sprint(plain(decoded(t, line))); a != b {
		t.Fatalf("%s\nbecame\n%s", line, got)
	}
}

func TestJSONComesBack(t *testing.T) {
	lines := append(madeLines(200),
		[]byte(`{"a":[0,-0,1.0,1e21,1e-7,123456789.125,1e400,2147483648,-9223372036854775808,0.1]}`),
		[]byte(`{"\"\\\b\f\n\r\t\u0001\u007f":"\"\\\b\f\n\r\t\u0001\u007f <&>\u2028"}`),
	)
	for _, line := range lines {
		sameJSON(t, line)
	}
}

func TestRealJSONComesBack(t *testing.T) {
	for _, line := range realLines(t) {
		sameJSON(t, line)
	}
}

func TestAnyJSONComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line, err := json.Marshal(map[string]any{"k": anyJSON(3).Draw(t, "value")})
		if err != nil {
			t.Fatal(err)
		}
		sameJSON(t, line)
	})
}

// anyJSON draws a JSON value of some depth.
func anyJSON(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.IntRange(-9, 9).AsAny(),
		rapid.Float64().AsAny(), rapid.StringN(0, 20, -1).AsAny(), rapid.StringMatching(`[a-z"\\ ]{0,40}`).AsAny(),
	}
	if depth > 0 {
		inner := rapid.Deferred(func() *rapid.Generator[any] { return anyJSON(depth - 1) })
		key := rapid.StringMatching(`[a-zé"\\/]{0,12}`)
		leaves = append(leaves, rapid.SliceOfN(inner, 0, 4).AsAny(), rapid.MapOfN(key, inner, 0, 4).AsAny())
	}
	return rapid.OneOf(leaves...)
}

// What JSON lacks is written as the driver writes relaxed Extended JSON, but for a finite Decimal128.
func TestExoticTypes(t *testing.T) {
	for _, v := range []any{
		bson.ObjectID{1, 2, 3},
		bson.DateTime(1700000000123), bson.DateTime(1700000000000), bson.DateTime(1700000000100), bson.DateTime(-1),
		bson.DateTime(math.MaxInt64), bson.DateTime(253402300800000),
		bson.Binary{Subtype: 2, Data: []byte("x")},
		bson.Regex{Pattern: `a"b`, Options: "i"},
		bson.Timestamp{T: 1, I: 2},
		bson.MinKey{},
		bson.MaxKey{},
		bson.Undefined{},
		bson.JavaScript("x"), bson.Symbol("s"),
		bson.CodeWithScope{Code: "x", Scope: bson.D{{Key: "a", Value: 1}}},
		bson.DBPointer{DB: "d", Pointer: bson.ObjectID{1}},
		math.NaN(), math.Inf(1), math.Inf(-1), 1.0, -0.5, int64(1) << 60,
	} {
		raw, err := bson.Marshal(bson.D{{Key: "v", Value: v}})
		if err != nil {
			t.Fatal(err)
		}
		want, err := bson.MarshalExtJSON(bson.Raw(raw), false, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := written(t, raw); string(got) != string(want) {
			t.Errorf("%T: %s, want %s", v, got, want)
		}
	}
	for in, want := range map[string]string{"1.50": `{"v":1.50}`, "1E+6000": `{"v":1E+6000}`, "NaN": `{"v":{"$numberDecimal":"NaN"}}`, "-Infinity": `{"v":{"$numberDecimal":"-Infinity"}}`} {
		d, err := bson.ParseDecimal128(in)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := bson.Marshal(bson.D{{Key: "v", Value: d}})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(written(t, raw)); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
