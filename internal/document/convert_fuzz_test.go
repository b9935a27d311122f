package document

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// checkConvert fails if a document that converts gives a row or blocks that break what readers of the tables rely on.
func checkConvert(t interface{ Fatalf(string, ...any) }, doc []byte) error {
	row, blocks, err := Convert(change(doc), 1, 2)
	checkBrief(t, doc, row, err)
	if err != nil {
		return err
	}
	if row.ID == "" || row.Type == "" || row.ResponseKey == "" || row.TimestampSource == "" || row.Date != row.EffectiveTimestamp.Date() {
		t.Fatalf("incomplete: %s", columns(row))
	}
	checkTexts(t, reflect.ValueOf(row))
	for i := range blocks {
		b := &blocks[i]
		checkTexts(t, reflect.ValueOf(*b))
		if b.BlockType == "" || b.ID != row.ID || b.Date != row.Date || i > 0 && b.BlockIndex <= blocks[i-1].BlockIndex {
			t.Fatalf("block %d: %s", i, columns(*b))
		}
		if b.Input.Valid && !json.Valid([]byte(b.Input.V)) {
			t.Fatalf("input: %q", b.Input.V)
		}
	}
	for _, text := range []Null[string]{row.MessageRaw, row.ToolUseResult, row.Attributes} {
		if text.Valid && !json.Valid([]byte(text.V)) {
			t.Fatalf("not JSON: %q", text.V)
		}
	}
	if keys := LinkKeys(&row, blocks); len(keys) == 0 {
		t.Fatalf("no link keys")
	}
	if session, project := Identify(doc); session != row.SessionID.V || project != row.ProjectID.V {
		t.Fatalf("Identify says %q, %q, the row %q, %q", session, project, row.SessionID.V, row.ProjectID.V)
	}
	return nil
}

// checkBrief fails if Brief does not say of the document what Convert says of it.
func checkBrief(t interface{ Fatalf(string, ...any) }, doc []byte, row Row, want error) {
	var v Converter
	brief, err := v.Brief(change(doc), 1, 2)
	if (err == nil) != (want == nil) { // which of several faults is told may differ
		t.Fatalf("Brief: %v, Convert: %v", err, want)
	}
	if err != nil {
		return
	}
	got, all := reflect.ValueOf(brief), reflect.ValueOf(row)
	for i := range got.NumField() {
		switch field := got.Type().Field(i); {
		case slices.Contains(briefly, field.Tag.Get("col")) || field.Name == "DocRaw":
			if !reflect.DeepEqual(got.Field(i).Interface(), all.Field(i).Interface()) {
				t.Fatalf("%s: %v, of Convert %v", field.Name, got.Field(i), all.Field(i))
			}
		case field.Name == "Issues" && brief.Issues != 0:
			t.Fatalf("issues: %v", brief.Issues)
		}
	}
}

// briefly are the columns that Brief fills, which are those of the lake.
var briefly = strings.Fields(`_id type session_id project_id timestamp ingested_at extracted_at message_role message_content source_file date
	source namespace source_type source_offset _epoch _seq uuid is_sidechain agent_id model cwd git_branch cli_version
	effective_timestamp response_key redaction_version`)

func checkTexts(t interface{ Fatalf(string, ...any) }, row reflect.Value) {
	for i := range row.NumField() {
		text := ""
		switch v := row.Field(i).Interface().(type) {
		case string:
			text = v
		case Null[string]:
			text = v.V
		}
		if !utf8.ValidString(text) {
			t.Fatalf("%s: %q", row.Type().Field(i).Name, text)
		}
	}
}

func seedDocuments(tb testing.TB) [][]byte {
	tb.Helper()
	files, err := filepath.Glob("testdata/convert/*.json")
	if err != nil {
		tb.Fatal(err)
	}
	var docs [][]byte
	for _, file := range files {
		in, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		doc := []byte(nil)
		if strings.HasPrefix(filepath.Base(file), "mongo") {
			doc = fromExtJSON(tb, string(in))
		} else if doc, err = FromJSON(nil, in, transcriptExtra()); err != nil {
			tb.Fatal(err)
		}
		docs = append(docs, doc)
	}
	return docs
}

func FuzzConvert(f *testing.F) {
	for _, doc := range seedDocuments(f) {
		f.Add(doc)
	}
	for _, line := range madeLines(9) {
		f.Add(line)
	}
	// As bytes of BSON, which may be damaged anywhere; and as JSON, which mutates into more shapes.
	f.Fuzz(func(t *testing.T, doc []byte) {
		if fromJSON, err := FromJSON(nil, doc, transcriptExtra()); err == nil {
			if err := checkConvert(t, fromJSON); err != nil {
				t.Fatal(err)
			}
		}
		err := checkConvert(t, doc)
		if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooDeep) && !errors.Is(err, ErrNoDocument) {
			t.Fatal(err)
		}
	})
}

// Any field may hold anything, at the top, in message, in its blocks, in a tool's result.
func TestConvertTakesAnything(t *testing.T) {
	keys := []string{
		"_id", "type", "sessionId", "projectId", "sourceFile", "timestamp", "ingestedAt", "uuid", "isSidechain", "message", "toolUseResult", "data",
		"attachment", "snapshot", "origin", "costUSD", "subtype", "content", "role", "id", "usage", "input", "tool_use_id", "text", "agentId", "other",
	}
	words := []string{"user", "assistant", "tool_use", "tool_result", "progress", "agent_progress", "attachment", "queued_command", "text", "thinking", "", "2026-02-12T00:00:00Z", "/a/projects/b/c.jsonl", "\xff"}
	var draw func(t *rapid.T, depth int) any
	draw = func(t *rapid.T, depth int) any {
		kind := rapid.IntRange(0, 12).Draw(t, "kind")
		if depth == 0 {
			kind = kind % 9
		}
		switch kind {
		case 0:
			return bson.Null{}
		case 1:
			return rapid.Bool().Draw(t, "flag")
		case 2:
			return rapid.Int64().Draw(t, "int")
		case 3:
			return rapid.Float64().Draw(t, "float")
		case 4:
			return bson.DateTime(rapid.Int64().Draw(t, "date"))
		case 5:
			return bson.NewDecimal128(rapid.Uint64().Draw(t, "high"), rapid.Uint64().Draw(t, "low"))
		case 6:
			return bson.Binary{Data: []byte("x")}
		case 7, 8:
			return rapid.SampledFrom(words).Draw(t, "word")
		case 9:
			list := bson.A{}
			for range rapid.IntRange(0, 3).Draw(t, "length") {
				list = append(list, draw(t, depth-1))
			}
			return list
		}
		doc := bson.D{}
		for range rapid.IntRange(0, 6).Draw(t, "size") {
			doc = append(doc, bson.E{Key: rapid.SampledFrom(keys).Draw(t, "key"), Value: draw(t, depth-1)})
		}
		return doc
	}
	rapid.Check(t, func(t *rapid.T) {
		doc := bson.D{}
		for _, key := range []string{"type", "message", "data", rapid.SampledFrom(keys).Draw(t, "key")} {
			doc = append(doc, bson.E{Key: key, Value: draw(t, 4)})
		}
		raw, err := bson.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkConvert(t, raw); err != nil {
			t.Fatal(err)
		}
	})
}

func TestConvertTakesRealLines(t *testing.T) {
	for _, c := range changesOf(t, realLines(t)) {
		if err := checkConvert(t, c.Document); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLinkKeys(t *testing.T) {
	row := Row{UUID: Some("x"), ResponseKey: "x", SourceToolUseID: Some("t")}
	if got := LinkKeys(&row, []Block{{ToolUseID: Some("t")}, {}, {ToolUseID: Some("x")}}); len(got) != 4 {
		t.Errorf("%d keys, want those of u:x r:x t:t t:x", len(got))
	}
	if got, want := LinkKeys(&Row{ResponseKey: "a"}, nil), xxhash.Sum64String("r:a"); len(got) != 1 || got[0] != want {
		t.Errorf("r:a is %#x", got)
	}
}
