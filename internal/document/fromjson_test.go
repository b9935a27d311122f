package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

func extJSON(t *testing.T, raw []byte) string {
	t.Helper()
	if err := bson.Raw(raw).Validate(); err != nil {
		t.Fatalf("not BSON: %v", err)
	}
	text, err := bson.MarshalExtJSON(bson.Raw(raw), true, false)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFromJSON(t *testing.T) {
	const id = `{"_id":{"$oid":"010000000000000000000000"}`
	for _, c := range []struct{ name, in, want string }{
		{"empty", `{}`, id + `}`},
		{"order is kept", `{"b":1,"a":2}`, id + `,"b":{"$numberInt":"1"},"a":{"$numberInt":"2"}}`},
		{"white space", " \t\r\n{ \"a\" :\n[ 1 , true ,\tnull ] } ", id + `,"a":[{"$numberInt":"1"},true,null]}`},
		{"32 bits", `{"a":[2147483647,-2147483648]}`, id + `,"a":[{"$numberInt":"2147483647"},{"$numberInt":"-2147483648"}]}`},
		{"64 bits", `{"a":[2147483648,9223372036854775807,-9223372036854775808]}`, id + `,"a":[{"$numberLong":"2147483648"},{"$numberLong":"9223372036854775807"},{"$numberLong":"-9223372036854775808"}]}`},
		{"beyond 64 bits", `{"a":9223372036854775808}`, id + `,"a":{"$numberDouble":"9.223372036854776E+18"}}`},
		{"fractions", `{"a":[1.5,1.0,1e3,-0,-0.0]}`, id + `,"a":[{"$numberDouble":"1.5"},{"$numberDouble":"1.0"},{"$numberDouble":"1000.0"},{"$numberDouble":"-0.0"},{"$numberDouble":"-0.0"}]}`},
		{"beyond double", `{"a":1e400}`, id + `,"a":{"$numberDecimal":"1E+400"}}`},
		{"beyond decimal", `{"a":1e99999}`, id + `,"a":"1e99999"}`},
		{"below double", `{"a":1e-400}`, id + `,"a":{"$numberDouble":"0.0"}}`},
		{"escapes", `{"a\n":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`, id + `,"a\n":"\"\\/\b\f\n\r\té😀"}`},
		{"half a pair", `{"a":"\ud83dx\ude00\ud83d\u0041"}`, id + `,"a":"�x��A"}`},
		{"NUL in a text", `{"a":"x\u0000y"}`, id + `,"a":"x\u0000y"}`},
		{"NUL in a key", `{"x\u0000y\u0000":1}`, id + `,"x�y�":{"$numberInt":"1"}}`},
		{"not UTF-8", "{\"a\":\"x\xff\xc3y\"}", id + `,"a":"x��y"}`},
		{"repeated key", `{"a":1,"a":2}`, id + `,"a":{"$numberInt":"1"},"a":{"$numberInt":"2"}}`},
		{"_id of its own", `{"a":1,"_id":{"x":[1]},"b":2}`, id + `,"a":{"$numberInt":"1"},"b":{"$numberInt":"2"}}`},
		{"nested _id", `{"a":{"_id":1}}`, id + `,"a":{"_id":{"$numberInt":"1"}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := FromJSON([]byte("before"), []byte(c.in), Extra{ID: [12]byte{1}})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(got, []byte("before")) {
				t.Fatalf("dst was not kept: %q", got)
			}
			if text := extJSON(t, got[6:]); !strings.EqualFold(text, c.want) {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
}

func TestFromJSONExtra(t *testing.T) {
	extra := Extra{ID: [12]byte{1}, ProjectID: "-p", SourceFile: "/f\xff.jsonl", IngestedAt: time.UnixMilli(1700000000123)}
	const id, project, file, at = `{"_id":{"$oid":"010000000000000000000000"}`, `"projectId":"-p"`, `"sourceFile":"/f�.jsonl"`, `"ingestedAt":{"$date":{"$numberLong":"1700000000123"}}`
	for _, c := range []struct{ name, in, want string }{
		{"at the end", `{"a":true}`, id + `,"a":true,` + project + `,` + file + `,` + at + `}`},
		{"in place", `{"ingestedAt":"x","a":true,"projectId":{"b":[1]}}`, id + `,` + at + `,"a":true,` + project + `,` + file + `}`},
		{"once", `{"projectId":1,"projectId":2}`, id + `,` + project + `,` + file + `,` + at + `}`},
		{"top level only", `{"a":{"projectId":true}}`, id + `,"a":{"projectId":true},` + project + `,` + file + `,` + at + `}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := FromJSON(nil, []byte(c.in), extra)
			if err != nil {
				t.Fatal(err)
			}
			if text := extJSON(t, got); text != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
	got, err := FromJSON(nil, []byte(`{"projectId":"own"}`), Extra{ID: [12]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	if text := extJSON(t, got); text != id+`,"projectId":"own"}` {
		t.Errorf("without a project of the watcher's: %s", text)
	}
}

func TestFromJSONErrors(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n-1) + "{}" + strings.Repeat("}", n-1) }
	for _, c := range []struct {
		in     string
		want   error
		offset int
	}{
		{``, ErrIncomplete, -1},
		{"  \n", ErrIncomplete, -1},
		{`{`, ErrIncomplete, -1},
		{`{"a`, ErrIncomplete, -1},
		{`{"a\`, ErrIncomplete, -1},
		{`{"a":"\ud83d\`, ErrIncomplete, -1},
		{`{"a":"\ud83d\u12`, ErrIncomplete, -1},
		{`{"a"`, ErrIncomplete, -1},
		{`{"a":`, ErrIncomplete, -1},
		{`{"a":tr`, ErrIncomplete, -1},
		{`{"a":1`, ErrIncomplete, -1},
		{`{"a":1.`, ErrIncomplete, -1},
		{`{"a":1e+`, ErrIncomplete, -1},
		{`{"a":[1,`, ErrIncomplete, -1},
		{`[1]`, ErrNotObject, -1},
		{`"x"`, ErrNotObject, -1},
		{`12`, ErrNotObject, -1},
		{`null`, ErrNotObject, -1},
		{"\x00\x00", ErrSyntax, 0},
		{`}`, ErrSyntax, 0},
		{`{,}`, ErrSyntax, 1},
		{`{"a":1,}`, ErrSyntax, 7},
		{`{"a" 1}`, ErrSyntax, 5},
		{`{"a":1 "b"}`, ErrSyntax, 7},
		{`{"a":[1,]}`, ErrSyntax, 8},
		{`{"a":[1 2]}`, ErrSyntax, 8},
		{`{"a":trux}`, ErrSyntax, 8},
		{`{"a":01}`, ErrSyntax, 6},
		{`{"a":-}`, ErrSyntax, 6},
		{`{"a":1.x}`, ErrSyntax, 7},
		{`{"a":+1}`, ErrSyntax, 5},
		{`{"a":NaN}`, ErrSyntax, 5},
		{"{\"a\":\"x\ny\"}", ErrSyntax, 7},
		{`{"a":"\x"}`, ErrSyntax, 7},
		{`{"a":"\u12g4"}`, ErrSyntax, 10},
		{`{} x`, ErrSyntax, 3},
		{deep(MaxJSONDepth + 1), ErrTooDeep, -1},
	} {
		dst := []byte("kept")
		got, err := FromJSON(dst, []byte(c.in), Extra{})
		if !errors.Is(err, c.want) {
			t.Errorf("%.40q: %v, want %v", c.in, err, c.want)
		}
		if string(got) != "kept" {
			t.Errorf("%.40q: dst is %q", c.in, got)
		}
		if at := new(SyntaxError); c.offset >= 0 && (!errors.As(err, &at) || at.Offset != c.offset) {
			t.Errorf("%.40q: %v, want offset %d", c.in, err, c.offset)
		}
	}
	if _, err := FromJSON(nil, []byte(deep(MaxJSONDepth)), Extra{}); err != nil {
		t.Errorf("at the limit: %v", err)
	}
}

func TestFromJSONPrefix(t *testing.T) {
	in := []byte(` {"a":1}{"b":"x\ud800"} {"c"`)
	var d Decoder
	var consumed []int
	for range 2 {
		out, n, err := d.Prefix(nil, in, Extra{})
		if err != nil || bson.Raw(out).Validate() != nil {
			t.Fatal(err)
		}
		consumed = append(consumed, n, d.Replaced)
		in = in[n:]
	}
	if want := []int{8, 0, 15, 1}; fmt.Sprint(consumed) != fmt.Sprint(want) {
		t.Errorf("consumed, replaced: %v, want %v", consumed, want)
	}
	if _, _, err := FromJSONPrefix(nil, in, Extra{}); !errors.Is(err, ErrIncomplete) {
		t.Errorf("half an object: %v", err)
	}
}

// Every beginning of an object is incomplete, never wrong.
func TestFromJSONEveryPrefixIsIncomplete(t *testing.T) {
	for _, line := range madeLines(20) {
		for end := range len(line) {
			if _, _, err := FromJSONPrefix(nil, line[:end], Extra{}); !errors.Is(err, ErrIncomplete) {
				t.Fatalf("%s: %v", line[:end], err)
			}
		}
	}
}

// agrees fails if FromJSON accepts other inputs than encoding/json does, or reads other values.
func agrees(t interface{ Fatalf(string, ...any) }, in []byte) {
	raw, err := FromJSON(nil, in, Extra{})
	if errors.Is(err, ErrTooDeep) {
		return
	}
	decoder := json.NewDecoder(bytes.NewReader(in))
	decoder.UseNumber()
	var want any
	wantErr := decoder.Decode(&want)
	if !json.Valid(in) {
		wantErr = errors.New("invalid")
	}
	object, isObject := want.(map[string]any)
	if accepted := wantErr == nil && isObject; accepted != (err == nil) {
		t.Fatalf("%q: %v; encoding/json: %v", in, err, wantErr)
	}
	if err != nil {
		if wantErr == nil && !errors.Is(err, ErrNotObject) {
			t.Fatalf("%q is no object: %v", in, err)
		}
		return
	}
	if err := bson.Raw(raw).Validate(); err != nil {
		t.Fatalf("%q: %v", in, err)
	}
	if bytes.Contains(in, []byte(`\u0000`)) {
		return // a NUL in a key is replaced, and may then meet another key
	}
	delete(object, "_id")
	got := value{typeDocument, string(raw)}.plain().(map[string]any)
	delete(got, "_id")
	if a, b := fmt.Sprint(got), fmt.Sprint(plain(object)); a != b {
		t.Fatalf("%q:\n%s\n%s", in, a, b)
	}
}

// plain is a BSON value as Go values; numbers as what their text says, so that both sides can be compared.
func (v value) plain() any {
	switch v.kind {
	case typeDocument:
		m := map[string]any{}
		for c := v.members(); c.next(); {
			m[c.key] = c.val.plain()
		}
		return m
	case typeArray:
		list := []any{}
		for c := v.members(); c.next(); {
			list = append(list, c.val.plain())
		}
		return list
	case typeString:
		return "s:" + v.str()
	case typeBoolean:
		return v.data[0] != 0
	case typeNull:
		return nil
	case typeDecimal:
		text, _ := decimalText(v.data)
		return "d:" + text
	case typeDouble:
		f, _ := v.float()
		return "n:" + strconv.FormatFloat(f, 'g', -1, 64)
	default:
		n, _ := v.integer()
		return "n:" + strconv.FormatInt(n, 10)
	}
}

func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case string:
		return "s:" + v
	case json.Number:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil && v != "-0" {
			return "n:" + strconv.FormatInt(n, 10)
		}
		f, err := strconv.ParseFloat(string(v), 64)
		if err == nil {
			return "n:" + strconv.FormatFloat(f, 'g', -1, 64)
		}
		if d, err := bson.ParseDecimal128(string(v)); err == nil && math.IsInf(f, 0) && d.IsInf() == 0 {
			return "d:" + d.String()
		}
		return "s:" + string(v)
	}
	return v
}

func FuzzFromJSON(f *testing.F) {
	for _, line := range madeLines(6) {
		f.Add(line)
	}
	for _, s := range []string{`{"a":[1,-2.5e3,"\u00e9\ud83d\ude00",{"b":null}],"_id":1}`, `{"a":1e400,"b":123456789012345678901}`, `{"":{"":[[]]}} `, "{\"\xff\":\"\xff\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		agrees(t, in)
		_, consumed, err := FromJSONPrefix(nil, in, Extra{ProjectID: "p", SourceFile: "f", IngestedAt: time.Unix(1, 0)})
		if err == nil && (consumed < 2 || consumed > len(in) || in[consumed-1] != '}' || !json.Valid(in[:consumed])) {
			t.Fatalf("%q: consumed %d", in, consumed)
		}
	})
}

func TestFromJSONAgreesOnMadeText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.SampledFrom([]string{`{`, `}`, `[`, `]`, `,`, `:`, `"a"`, `"\n"`, `"\ud800"`, `1`, `-0.5e-7`, `12345678901234567890`, `true`, `null`, ` `, `"é😀 long enough to take more than eight bytes"`}), 0, 20)
		agrees(t, []byte(`{"k":`+strings.Join(pieces.Draw(t, "pieces"), "")+`}`))
	})
}

func TestFromJSONAgreesOnRealLines(t *testing.T) {
	for _, line := range realLines(t) {
		agrees(t, line)
	}
}
