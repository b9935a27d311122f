package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"claude-analytics/proto"

	"go.mongodb.org/mongo-driver/v2/bson"
)

var update = flag.Bool("update", false, "write the golden files anew")

// change wraps a document as a source would.
func change(doc []byte) *proto.Change {
	return &proto.Change{
		Version: proto.Version, Source: "host", Namespace: "home", Id: "0a0000000000000000000000", Operation: proto.Operation_OPERATION_INSERT,
		Document: doc, ExtractedAtMicros: 1770900000000001, SourceOffset: 4096, RedactionVersion: 1,
	}
}

// transcriptExtra is what a source adds to a line of a transcript.
func transcriptExtra() Extra {
	return Extra{
		ID: [12]byte{10}, ProjectID: "-home-dev-app", SourceFile: "/home/dev/.claude/projects/-home-dev-app/bbbbbbbb.jsonl",
		IngestedAt: time.UnixMilli(1770899999500),
	}
}

// columns writes a row's columns in order, without those that are NULL or false.
func columns(row any) string {
	var b strings.Builder
	v := reflect.ValueOf(row)
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("col")
		if name == "doc_raw" || name == "-" {
			continue
		}
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(v.Field(i).Interface()); err != nil {
			panic(err)
		}
		if s := text.String(); s != "null\n" && s != "false\n" {
			fmt.Fprintf(&b, "  %-24s %s", name, s)
		}
	}
	return b.String()
}

// Each file of testdata/convert is a line of a transcript, or, if its name starts with mongo, a document in Extended
// JSON; the golden file beside it is the row and blocks that it becomes.
func TestConvertGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/convert/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no test data", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var doc []byte
			if strings.HasPrefix(name, "mongo") {
				doc = fromExtJSON(t, string(in))
			} else if doc, err = FromJSON(nil, in, transcriptExtra()); err != nil {
				t.Fatal(err)
			}
			row, blocks, err := Convert(change(doc), 1, 42)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			got.WriteString("row\n" + columns(row))
			for _, b := range blocks {
				got.WriteString("block\n" + columns(b))
			}
			for issue := range row.Issues.All {
				got.WriteString("issue " + issue.String() + "\n")
			}
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("differs from %s (-update writes it anew):\n%s", golden, got.String())
			}
		})
	}
}

func TestConvertErrors(t *testing.T) {
	good, err := FromJSON(nil, []byte(`{"message":{"a":[1,{"b":"text"}]},"x":{"y":"text"}}`), Extra{})
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(find func(s, sep []byte) int) []byte {
		doc := bytes.Clone(good)
		doc[find(doc, []byte("text"))-4] = 200 // a length beyond the document
		return doc
	}
	deep := []byte("\x05\x00\x00\x00\x00")
	for range MaxBSONDepth {
		inner := deep
		deep = make([]byte, 4, len(inner)+16)
		deep = append(append(append(deep, typeArray, '0', 0), inner...), 0)
		putUint32(deep, uint32(len(deep)))
	}
	newer := change(good)
	newer.Version = proto.Version + 1
	for _, c := range []struct {
		name   string
		change *proto.Change
		want   error
		field  string
	}{
		{"no document", change(nil), ErrNoDocument, ""},
		{"newer", newer, ErrNewer, ""},
		{"no BSON", change([]byte("no BSON")), ErrMalformed, "document"},
		{"cut", change(good[:len(good)-3]), ErrMalformed, "document"},
		{"damaged below message", change(damaged(bytes.Index)), ErrMalformed, "message"},
		{"damaged elsewhere", change(damaged(bytes.LastIndex)), ErrMalformed, "x"},
		{"too deep", change(deep), ErrTooDeep, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := Convert(c.change, 1, 1)
			if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.field) {
				t.Errorf("%v, want %v in %q", err, c.want, c.field)
			}
		})
	}
}

func TestConvertKeepsNoMemory(t *testing.T) {
	doc, err := FromJSON(nil, []byte(`{"uuid":"u","message":{"content":[{"type":"tool_use","input":{"a":"b"}}]},"x":"y"}`), transcriptExtra())
	if err != nil {
		t.Fatal(err)
	}
	var v Converter
	row, blocks, err := v.Convert(change(doc), 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	before := columns(row) + columns(blocks[0])
	if _, _, err := v.Convert(change(bytes.Clone(doc)), 2, 2); err != nil {
		t.Fatal(err)
	}
	clear(doc)
	if after := columns(row) + columns(blocks[0]); after != before {
		t.Errorf("the row changed with the document:\n%s\n%s", before, after)
	}
}

func TestResultIsCut(t *testing.T) {
	text := strings.Repeat("é", MaxResultText) // two bytes each; the cut falls between characters
	line, err := json.Marshal(map[string]any{"type": "user", "message": map[string]any{"content": []any{
		map[string]any{"type": "tool_result", "tool_use_id": "t", "content": "x" + text},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := FromJSON(nil, line, Extra{})
	if err != nil {
		t.Fatal(err)
	}
	row, blocks, err := Convert(change(doc), 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	b := blocks[0]
	if want := ("x" + text)[:MaxResultText-1]; b.ResultText.V != want {
		t.Errorf("kept %d bytes, want %d", len(b.ResultText.V), len(want))
	}
	if b.ResultLength.V != MaxResultText+1 || b.CharLen != MaxResultText+1 || row.ContentLength.V != MaxResultText+1 {
		t.Errorf("lengths %d, %d, %d", b.ResultLength.V, b.CharLen, row.ContentLength.V)
	}
	if len(b.ResultSHA256.V) != 64 {
		t.Errorf("hash %q", b.ResultSHA256.V)
	}
}

func TestInvalidTextIsReplaced(t *testing.T) {
	raw, err := bson.Marshal(bson.D{{Key: "type", Value: "user"}, {Key: "uuid", Value: "u\xff"}, {Key: "k\xff", Value: "v\xc3"}, {Key: "message", Value: "m\xe4\xb8"}})
	if err != nil {
		t.Fatal(err)
	}
	row, blocks, err := Convert(change(raw), 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if row.UUID.V != "u\uFFFD" || row.Attributes.V != "{\"k\uFFFD\":\"v\uFFFD\"}" || row.MessageRaw.V != "\"m\uFFFD\uFFFD\"" || blocks[0].Text.V != "m\uFFFD\uFFFD" {
		t.Errorf("%s", columns(row))
	}
	if !row.Issues.Has(IssueText) {
		t.Error("not noted")
	}
}

func TestWithoutDocument(t *testing.T) {
	c := change(nil)
	c.Operation, c.SourceOffset = proto.Operation_OPERATION_DELETE, -1
	row := WithoutDocument(c, 3, 7)
	if row.ID != c.Id || row.Epoch != 3 || row.Seq != 7 || row.Date.String() != "2026-02-12" || row.Type != typeUnknown || row.SourceOffset.Valid || row.DocRaw != nil {
		t.Errorf("%s", columns(row))
	}
}
