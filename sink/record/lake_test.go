package record

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"

	"claude-analytics/internal/document"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	contract "claude-analytics/proto"
)

// anyChange draws a change as a source could have published it.
func anyChange(t *rapid.T) *contract.Change {
	c := &contract.Change{
		Version:           rapid.Uint32Range(0, contract.Version).Draw(t, "version"),
		Source:            rapid.SampledFrom([]string{"mongo", "host-1"}).Draw(t, "source"),
		Id:                rapid.SampledFrom([]string{"0a0000000000000000000000", `"text"`, ""}).Draw(t, "id"),
		Operation:         contract.Operation(rapid.Int32Range(0, 9).Draw(t, "operation")),
		Namespace:         rapid.SampledFrom([]string{"claude_logs.conversations", "folder", ""}).Draw(t, "namespace"),
		ExtractedAtMicros: rapid.Int64Range(0, 4e15).Draw(t, "extracted"),
		HappenedAtMicros:  rapid.Int64Range(0, 4e15).Draw(t, "happened"),
		SourceOffset:      rapid.Int64Range(-1, 1<<40).Draw(t, "offset"),
		RedactionVersion:  rapid.Uint32Range(0, 9).Draw(t, "redaction"),
	}
	if c.Operation == contract.Operation_OPERATION_SNAPSHOT_END {
		c.Below = rapid.Uint64Range(0, 1<<63-1).Draw(t, "below")
	}
	for range rapid.IntRange(0, 2).Draw(t, "findings") {
		c.Findings = append(c.Findings, &contract.Finding{Rule: "aws", Path: rapid.String().Draw(t, "path"), Hash: "00ff"})
	}
	if rapid.Bool().Draw(t, "document") {
		line := `{"type":"user","uuid":"u","timestamp":"2026-02-12T10:00:00Z","message":{"role":"user","content":[{"type":"text","text":"x"},{"type":"tool_result","content":"y"}]}}`
		doc, err := document.FromJSON(nil, []byte(line), document.Extra{ID: [12]byte{1}})
		if err != nil {
			t.Fatal(err)
		}
		c.Document = doc
	}
	return c
}

// change wraps a document as a source would.
func change(doc []byte) *contract.Change {
	return &contract.Change{
		Version: contract.Version, Source: "host", Id: "0a0000000000000000000000", Namespace: "home", Document: doc,
		Operation: contract.Operation_OPERATION_INSERT, ExtractedAtMicros: 1770900000000001, SourceOffset: 4096,
	}
}

// rowOf is the row that the lake stores beside a change.
func rowOf(tb interface{ Fatal(...any) }, c *contract.Change, epoch, seq uint64) (document.Row, []document.Block) {
	row, blocks, err := document.Convert(c, epoch, seq)
	if errors.Is(err, document.ErrNoDocument) {
		return document.WithoutDocument(c, epoch, seq), nil
	}
	if err != nil {
		tb.Fatal(err)
	}
	return row, blocks
}

// parquetAndBack writes a batch as Parquet and reads the columns of changes again.
func parquetAndBack(t *rapid.T, batch arrow.RecordBatch) arrow.Table {
	var file bytes.Buffer
	w, err := pqarrow.NewFileWriter(batch.Schema(), &file, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(batch), w.Close()); err != nil {
		t.Fatal(err)
	}
	table, err := pqarrow.ReadTable(t.Context(), bytes.NewReader(file.Bytes()), parquet.NewReaderProperties(nil), pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// A change that went through the lake is the change that was published, and becomes the same row and blocks.
func TestChangesComeBackFromTheLake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		defer mem.AssertSize(t, 0)
		b := NewLake(mem)
		defer b.Release()
		var changes []*contract.Change
		for i := range rapid.IntRange(1, 5).Draw(t, "rows") {
			c := anyChange(t)
			row, _ := rowOf(t, c, 3, uint64(i))
			b.Append(&LakeRow{Change: c, Row: &row})
			changes = append(changes, c)
		}
		batch := b.Build()
		defer batch.Release()
		reader := array.NewTableReader(parquetAndBack(t, batch), 0)
		defer reader.Release()
		at := 0
		for reader.Next() {
			lake, err := OpenLake(reader.RecordBatch())
			if err != nil {
				t.Fatal(err)
			}
			for i := range lake.Rows() {
				c, err := lake.Change(i)
				if err != nil {
					t.Fatal(err)
				}
				if !proto.Equal(c, changes[at]) {
					t.Fatalf("%v\ncame back as\n%v", changes[at], c)
				}
				epoch, seq := lake.Order(i)
				row, blocks := rowOf(t, c, epoch, seq)
				wantRow, wantBlocks := rowOf(t, changes[at], 3, uint64(at))
				if !reflect.DeepEqual(row, wantRow) || !reflect.DeepEqual(blocks, wantBlocks) {
					t.Fatalf("%+v\ncame back as\n%+v", wantRow, row)
				}
				at++
			}
		}
		if at != len(changes) {
			t.Fatalf("%d of %d came back", at, len(changes))
		}
	})
}

func TestOpenLakeRefuses(t *testing.T) {
	b := NewBlocks(memory.DefaultAllocator)
	defer b.Release()
	batch := b.Build()
	defer batch.Release()
	if _, err := OpenLake(batch); !errors.Is(err, ErrNotLake) {
		t.Errorf("%v", err)
	}
}

func TestChangeColumnsAreTheLakes(t *testing.T) {
	b := NewLake(memory.DefaultAllocator)
	defer b.Release()
	batch := b.Build()
	defer batch.Release()
	var columns []arrow.Array
	var fields []arrow.Field
	for _, name := range append(ChangeColumns(), OptionalColumns()...) {
		at := batch.Schema().FieldIndices(name)
		if len(at) != 1 {
			t.Fatalf("%d columns %s", len(at), name)
		}
		columns, fields = append(columns, batch.Column(at[0])), append(fields, batch.Schema().Field(at[0]))
	}
	for _, n := range []int{len(fields), len(ChangeColumns())} {
		few := array.NewRecordBatch(arrow.NewSchema(fields[:n], nil), columns[:n], 0)
		defer few.Release()
		if _, err := OpenLake(few); err != nil {
			t.Errorf("these %d columns are not enough: %v", n, err)
		}
	}
}

// Files of older releases have no column below.
func TestLakeWithoutBelow(t *testing.T) {
	b := NewLake(memory.DefaultAllocator)
	defer b.Release()
	end := &contract.Change{Version: 1, Source: "mongo", Namespace: "db.c", Operation: contract.Operation_OPERATION_SNAPSHOT_END, Below: 7, SourceOffset: -1}
	drop := &contract.Change{Version: 1, Source: "mongo", Namespace: "db.c", Operation: contract.Operation_OPERATION_DROP, SourceOffset: -1}
	for i, c := range []*contract.Change{end, drop} {
		row, _ := rowOf(t, c, 1, uint64(i+8))
		b.Append(&LakeRow{Change: c, Row: &row})
	}
	batch := b.Build()
	defer batch.Release()
	at := batch.Schema().FieldIndices("below")[0]
	if below := batch.Column(at); below.IsNull(0) || !below.IsNull(1) {
		t.Errorf("below is %v", below)
	}
	fields := slices.Delete(slices.Clone(batch.Schema().Fields()), at, at+1)
	columns := slices.Delete(slices.Clone(batch.Columns()), at, at+1)
	older := array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, batch.NumRows())
	defer older.Release()
	lake, err := OpenLake(older)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := lake.Change(1); err != nil || !proto.Equal(c, drop) {
		t.Errorf("%v, %v", c, err)
	}
}
