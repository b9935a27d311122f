package transcript

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"claude-analytics/proto"
)

// pieces is a file that grows: each read returns at most the next piece.
type pieces struct {
	data  []byte
	sizes []int
	limit int64
}

func (p *pieces) grow() bool {
	if p.limit >= int64(len(p.data)) {
		return false
	}
	n := len(p.data)
	if len(p.sizes) > 0 {
		n, p.sizes = max(1, p.sizes[0]), append(p.sizes[1:], p.sizes[0])
	}
	p.limit = min(p.limit+int64(n), int64(len(p.data)))
	return true
}

func (p *pieces) ReadAt(b []byte, at int64) (int, error) {
	if at >= p.limit {
		return 0, io.EOF
	}
	n := copy(b, p.data[at:p.limit])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// readAll reads data arriving in pieces of the given sizes, and returns a copy of each item.
func readAll(t testing.TB, data []byte, maxObject int64, sizes ...int) ([]Item, *Reader) {
	t.Helper()
	src := &pieces{data: data, sizes: sizes}
	r := NewReader(maxObject)
	r.Reset(0)
	var items []Item
	for src.grow() {
		for {
			n, err := r.Fill(src)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			for {
				item, ok := r.Next()
				if !ok {
					break
				}
				if end := item.Offset + item.Size; r.Offset() < end {
					t.Fatalf("offset %d is before the end %d of an item", r.Offset(), end)
				}
				if want := digestOf(data[max(0, r.Offset()-digestSize):r.Offset()]); r.Tail() != want {
					t.Fatalf("wrong digest before %d", r.Offset())
				}
				item.Data = bytes.Clone(item.Data)
				items = append(items, item)
			}
		}
	}
	return items, r
}

// show writes items as the table below does: objects as they are, broken parts as !reason:text.
func show(items []Item) []string {
	out := []string{}
	for _, item := range items {
		text := string(item.Data)
		if item.Kind == Broken {
			text = "!" + item.Reason + ":" + text
		}
		out = append(out, text)
	}
	return out
}

const (
	recordA = `{"type":"user","uuid":"a"}`
	recordB = `{"type":"assistant","sessionId":"b","message":{"content":[{"type":"text","text":"}{\\\""}]}}`
)

func TestReader(t *testing.T) {
	t.Parallel()
	const cut = `{"type":"user","mess`
	for _, tt := range []struct {
		name, in string
		want     []string
		half     int64
	}{
		{name: "nothing", in: ""},
		{name: "one object", in: recordA + "\n", want: []string{recordA}},
		{name: "no line feed yet", in: recordA, want: []string{recordA}},
		{name: "two lines", in: recordA + "\n" + recordB + "\n", want: []string{recordA, recordB}},
		{name: "two on a line", in: recordA + recordB + "\n", want: []string{recordA, recordB}},
		{name: "three on a line, spaces between", in: "{} \t{}  {} \n", want: []string{"{}", "{}", "{}"}},
		{name: "CRLF", in: recordA + "\r\n" + recordB + "\r\n", want: []string{recordA, recordB}},
		{name: "blank lines", in: "\n\n  \n\t\r\n" + recordA + "\n\n", want: []string{recordA}},
		{name: "byte order mark", in: "\xEF\xBB\xBF" + recordA + "\n\xEF\xBB\xBF" + recordB, want: []string{recordA, recordB}},
		{name: "half a byte order mark", in: recordA + "\n\xEF\xBB", want: []string{recordA}},
		{name: "NUL run before", in: "\x00\x00\x00" + recordA + "\n", want: []string{recordA}},
		{name: "NUL run behind", in: recordA + "\x00\x00\n" + recordB + "\x00", want: []string{recordA, recordB}},
		{name: "NUL line", in: "\x00\x00\x00\n" + recordA, want: []string{recordA}},
		{name: "NUL run between two on a line", in: recordA + "\x00\x00" + recordB, want: []string{recordA, recordB}},
		{name: "half line", in: recordA + "\n" + cut, want: []string{recordA}, half: int64(len(cut))},
		{name: "half line behind an object", in: recordA + cut, want: []string{recordA}, half: int64(len(cut))},
		{name: "object, then a cut one", in: recordA + cut + "\n" + recordB, want: []string{recordA, "!broken_line:" + cut, recordB}},
		{name: "cut, rest goes on", in: cut + "\n" + recordB + "\n", want: []string{"!broken_line:" + cut, recordB}},
		{name: "cut, whole one behind it", in: cut + recordB + "\n", want: []string{"!broken_line:" + cut, recordB}},
		{
			name: "cut, two whole ones behind it", in: cut + recordA + " " + recordB + "\n" + recordA,
			want: []string{"!broken_line:" + cut, recordA, recordB, recordA},
		},
		{name: "cut, NULs, whole one", in: cut + "\x00\x00\x00" + recordA + "\r\n", want: []string{"!broken_line:" + cut, recordA}},
		{
			name: "cut inside a nested object", in: `{"type":"user","message":{"content":[{"type":"text","text":"x` + recordB + "\n",
			want: []string{`!broken_line:{"type":"user","message":{"content":[{"type":"text","text":"x`, recordB},
		},
		{name: "cut, then no record", in: cut + `{"type":"text","text":"x"}` + "\n", want: []string{"!broken_line:" + cut + `{"type":"text","text":"x"}`}},
		{name: "cut, then a type that is no string", in: cut + `{"type":1,"uuid":"x"}` + "\n", want: []string{"!broken_line:" + cut + `{"type":1,"uuid":"x"}`}},
		{name: "cut, a record, then garbage", in: cut + recordA + "x\n", want: []string{"!broken_line:" + cut + recordA + "x"}},
		{
			name: "a nested record is not salvaged", in: `{"a":tru,"b":` + recordA + "}\n",
			want: []string{`!broken_line:{"a":tru,"b":` + recordA + "}"},
		},
		{name: "cut twice", in: cut + cut + "\n", want: []string{"!broken_line:" + cut + cut}},
		{name: "garbage", in: "hello\n" + recordA, want: []string{"!broken_line:hello", recordA}},
		{name: "garbage before a record", in: "hello " + recordA + "\n", want: []string{"!broken_line:hello", recordA}},
		{name: "garbage behind an object", in: "{}garbage\n{}", want: []string{"{}", "!broken_line:garbage", "{}"}},
		{name: "garbage waits for its line", in: "{}garbage", want: []string{"{}"}, half: 7},
		{name: "a stray brace", in: "}\n{}", want: []string{"!broken_line:}", "{}"}},
		{name: "number", in: "12\n{}", want: []string{"!not_object:12", "{}"}},
		{name: "number at the end", in: "12", half: 2},
		{name: "scalars", in: "null\ntrue\n\"x\"\n-0.5e+3\n", want: []string{"!not_object:null", "!not_object:true", `!not_object:"x"`, "!not_object:-0.5e+3"}},
		{name: "array", in: `[1,{"a":[]}]` + "\n", want: []string{`!not_object:[1,{"a":[]}]`}},
		{name: "array before an object", in: `[]{}`, want: []string{`!not_object:[]`, "{}"}},
		{name: "string that is the rest of a cut record", in: `"mess` + recordA + "\n", want: []string{`!broken_line:"mess`, recordA}},
		{name: "object over two lines", in: "{\"a\":\n1}\n{}", want: []string{`!broken_line:{"a":`, "!broken_line:1}", "{}"}},
		{name: "raw control character", in: "{\"a\":\"\x01\"}\n", want: []string{"!broken_line:{\"a\":\"\x01\"}"}},
		{name: "invalid UTF-8 is no fault", in: "{\"a\":\"\xff\xfe\"}\n", want: []string{"{\"a\":\"\xff\xfe\"}"}},
		{name: "duplicate keys, huge numbers", in: `{"a":1,"a":1e999,"b":123456789012345678901234567890}`, want: []string{`{"a":1,"a":1e999,"b":123456789012345678901234567890}`}},
		{name: "bad escape", in: `{"a":"\x"}` + "\n", want: []string{`!broken_line:{"a":"\x"}`}},
		{name: "trailing comma", in: `{"a":1,}` + "\n", want: []string{`!broken_line:{"a":1,}`}},
		{name: "leading zero", in: `{"a":01}` + "\n", want: []string{`!broken_line:{"a":01}`}},
		{name: "lone surrogate", in: `{"a":"\ud800"}`, want: []string{`{"a":"\ud800"}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1 << 20, 1, 2, 3, 7, 64} {
				items, r := readAll(t, []byte(tt.in), 1<<20, size)
				if got, want := fmt.Sprintf("%q", show(items)), fmt.Sprintf("%q", tt.want); got != want {
					t.Fatalf("in pieces of %d:\n got %s\nwant %s", size, got, want)
				}
				if r.Half() != tt.half {
					t.Errorf("in pieces of %d: half is %d, want %d", size, r.Half(), tt.half)
				}
			}
		})
	}
}

// The mark after an object is behind its line feed where that has been read, and behind the object where it has not.
func TestReaderOffset(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{
		"{}": 2, "{}\n": 3, "{}\r\n": 4, "{} ": 2, "{}\x00\x00": 2, "{}\n\x00": 3, "{}\n\n\n": 5, "\n\n": 2, "{}\n{\"a": 3, "x\n": 2,
	} {
		_, r := readAll(t, []byte(in), 100)
		if r.Offset() != want {
			t.Errorf("%q: offset %d, want %d", in, r.Offset(), want)
		}
	}
}

func TestReaderLargeLines(t *testing.T) {
	t.Parallel()
	const limit = 100_000
	fits := `{"a":"` + strings.Repeat("x", limit-8) + `"}`
	over := `{"a":"` + strings.Repeat("x", limit-7) + `"}`
	huge := `{"a":"` + strings.Repeat(`y\n`, 2_000_000) + `"}`
	cutHuge := huge[:len(huge)-2]
	for _, tt := range []struct {
		name, in string
		want     string // kind of each item, with its size
	}{
		{"at the limit", fits + "\n", fmt.Sprintf("object %d", limit)},
		{"one byte over", over + "\n{}\n", fmt.Sprintf("too_large %d, object 2", limit+1)},
		{"far over, more on the line", huge + "{}\n{}", fmt.Sprintf("too_large %d, object 2, object 2", len(huge))},
		{"far over and cut", cutHuge + "\n{}", fmt.Sprintf("too_large %d, object 2", len(cutHuge))},
		{
			"far over, cut, a record behind it", cutHuge + recordA + "\n{}",
			fmt.Sprintf("too_large %d, object %d, object 2", len(cutHuge), len(recordA)),
		},
		{"garbage far over", strings.Repeat("z", 5_000_000) + "\n{}", "broken_line 5000000, object 2"},
		{"NULs far over", strings.Repeat("\x00", 5_000_000) + "{}", "object 2"},
		{"array far over", "[" + strings.Repeat("1,", 2_000_000) + "1]\n{}", "not_object 4000003, object 2"},
		{"depth bomb", strings.Repeat(`{"a":`, 1_000_000) + "\n{}", "broken_line 5000000, object 2"},
		{"deep but whole", strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000) + "{}", "object 30001, object 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1 << 30, 50_000, 4096} {
				items, r := readAll(t, []byte(tt.in), limit, size)
				var got []string
				for _, item := range items {
					kind := "object"
					if item.Kind == Broken {
						kind = item.Reason
						want := tt.in[item.Offset : item.Offset+min(item.Size, proto.MaxDeadLetterPayload)]
						if string(item.Data) != want {
							t.Errorf("payload of %d bytes is not the part's beginning", len(item.Data))
						}
					}
					got = append(got, fmt.Sprintf("%s %d", kind, item.Size))
				}
				if strings.Join(got, ", ") != tt.want {
					t.Errorf("in pieces of %d: got %v, want %s", size, got, tt.want)
				}
				if c := cap(r.buf); c > limit+digestSize+2*readSize {
					t.Errorf("the buffer grew to %d bytes", c)
				}
			}
		})
	}
}

// A reader that starts where another stopped goes on as if it had not been interrupted.
func TestReaderResumes(t *testing.T) {
	t.Parallel()
	alphabet := []string{recordA, recordB, "\n", "\r\n", "\x00", " ", `{"type":"user","mess`, "12", "x", "{}", "\xEF\xBB\xBF"}
	rapid.Check(t, func(t *rapid.T) {
		data := []byte(strings.Join(rapid.SliceOf(rapid.SampledFrom(alphabet)).Draw(t, "parts"), ""))
		src := &pieces{data: data, limit: int64(len(data))}
		var want, got []string
		read := func(r *Reader, out *[]string, most int) {
			for n := 0; n < most; {
				item, ok := r.Next()
				if !ok {
					if filled, _ := r.Fill(src); filled == 0 {
						return
					}
					continue
				}
				*out = append(*out, fmt.Sprintf("%d+%d %s", item.Offset, item.Size, show([]Item{item})))
				n++
			}
		}
		whole := NewReader(1000)
		whole.Reset(0)
		read(whole, &want, 1<<30)
		for offset := int64(0); ; {
			r := NewReader(1000)
			r.Reset(offset)
			before := len(got)
			read(r, &got, rapid.IntRange(1, 3).Draw(t, "items"))
			offset = r.Offset()
			if len(got) == before {
				break
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%q:\n got %q\nwant %q", data, got, want)
		}
	})
}

func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		recordA + "\n" + recordB, `{"type":"user","mess` + recordA + "\n", "\x00\x00{}\n[]\n12\n", "\xEF\xBB\xBF{}\r\n", `{"a":"\ud83d"}x`,
		strings.Repeat(`{"a":`, 50) + "\n", `{"a":"` + strings.Repeat("x", 200) + "\"}\n",
	} {
		f.Add([]byte(seed), 3, 5, 60)
	}
	f.Fuzz(func(t *testing.T, data []byte, one, two, limit int) {
		limit = min(max(limit, 1), 1<<16)
		whole, r := readAll(t, data, int64(limit))
		parts, p := readAll(t, data, int64(limit), min(max(one, 1), 1<<12), min(max(two, 1), 1<<12))
		if fmt.Sprint(whole) != fmt.Sprint(parts) || r.Offset() != p.Offset() || r.Half() != p.Half() {
			t.Fatalf("pieces change the result\n got %q\nwant %q", show(parts), show(whole))
		}
		end := int64(0)
		blank := func(to int64) {
			rest := bytes.ReplaceAll(data[end:to], bom, nil)
			if len(bytes.Trim(rest, blanks)) > 0 {
				t.Fatalf("%q was passed over", data[end:to])
			}
			end = to
		}
		for _, item := range whole {
			if item.Size <= 0 || item.Offset < end {
				t.Fatalf("item at %d+%d overlaps or is empty", item.Offset, item.Size)
			}
			blank(item.Offset)
			end = item.Offset + item.Size
			text := data[item.Offset:end]
			if item.Kind == Object && (int64(len(text)) > int64(limit) || !json.Valid(text) || text[0] != '{' || !bytes.Equal(text, item.Data)) {
				t.Fatalf("%q is no object", text)
			}
			if item.Kind == Broken && (!bytes.HasPrefix(text, item.Data) || len(item.Data) < min(len(text), proto.MaxDeadLetterPayload)) {
				t.Fatalf("payload %q of %q", item.Data, text)
			}
		}
		left := int64(len(data)) - r.Half()
		if rest := bytes.TrimRight(data[end:left], "\xEF\xBB"); len(rest) < len(data[end:left]) && r.Half() == 0 {
			left = end + int64(len(rest)) // a byte order mark that has not arrived whole
		}
		blank(left)
		if rest := data[left:]; r.Half() > 0 && bytes.IndexByte(rest, '\n') >= 0 {
			t.Fatalf("a whole line is kept waiting: %q", rest)
		}
	})
}

// The scanner must agree with encoding/json on what is JSON.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-0,2.5e-3,true,false,null,"\u00e9\\"]}`, `{"a":01}`, `[]`, `{"":{}}`, `"x`, `-`, `1.`, `1e`, "\"\x1f\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.ContainsAny(data, "\n") || bytes.Count(data, []byte{'['})+bytes.Count(data, []byte{'{'}) > 9000 {
			return
		}
		var s scanner
		s.reset()
		n, v := s.feed(append(bytes.Clone(data), ' '))
		valid := v == scanDone && len(bytes.Trim(data[min(n, len(data)):], " \t\r")) == 0
		if valid != json.Valid(data) {
			t.Fatalf("%q: JSON is %v, verdict %d at %d", data, json.Valid(data), v, n)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	line := []byte(`{"type":"assistant","uuid":"x","message":{"content":[{"type":"text","text":"` + strings.Repeat(`some \"text\" and words `, 40) + "\"}]}}\n")
	data := bytes.Repeat(line, 4096)
	r := NewReader(31 << 20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		r.Reset(0)
		for {
			if _, ok := r.Next(); ok {
				continue
			}
			if n, err := r.Fill(bytes.NewReader(data)); n == 0 || err != nil {
				break
			}
		}
	}
}
