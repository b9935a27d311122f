package lake

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"claude-analytics/internal/document"
)

const (
	// A row group ends at whichever comes first: enough rows for a reader's threads to share a large file, little
	// enough bytes for one to be read in bounded memory.
	rowGroupRows  = 32_768
	rowGroupBytes = 64 << 20
	// Pages are what zstd sees at once: larger ones compress documents of one session against each other.
	pageBytes = 4 << 20
	// What lands is compressed fast: the pipeline waits for it. Compaction, which has time, takes the stronger level.
	landingLevel   = 1
	rewritingLevel = 3
)

// encode writes rows as one Parquet file and returns its size. All records share one schema.
func encode(w io.Writer, records []arrow.RecordBatch, meta [][2]string) (int64, error) {
	counter := &countingWriter{w: w}
	buffered := bufio.NewWriterSize(counter, 256<<10)
	schema := records[0].Schema()
	// The writer closes what it is given if that has a Close: it gets none.
	out, err := pqarrow.NewFileWriter(schema, struct{ io.Writer }{buffered}, writerProperties(schema, landingLevel), pqarrow.DefaultWriterProps())
	if err != nil {
		return 0, err
	}
	var group int64
	for _, record := range records {
		size := recordBytes(record)
		if group > 0 && group+size > rowGroupBytes {
			if err := out.NewBufferedRowGroupChecked(); err != nil {
				return 0, err
			}
			group = 0
		}
		if err := out.WriteBuffered(record); err != nil {
			return 0, err
		}
		group += size
	}
	for _, m := range meta {
		if err := out.AppendKeyValueMetadata(m[0], m[1]); err != nil {
			return 0, err
		}
	}
	if err := out.Close(); err != nil {
		return 0, err
	}
	if err := buffered.Flush(); err != nil {
		return 0, err
	}
	return counter.n, nil
}

func recordBytes(record arrow.RecordBatch) int64 {
	var n uint64
	for _, column := range record.Columns() {
		n += column.Data().SizeInBytes()
	}
	return int64(n)
}

// fileMetadata lets a file say by itself where it belongs, should the manifest be lost.
func fileMetadata(e Entry) [][2]string {
	return [][2]string{
		{"claude-analytics.epoch", strconv.FormatUint(e.Epoch, 10)},
		{"claude-analytics.first", strconv.FormatUint(e.First, 10)},
		{"claude-analytics.last", strconv.FormatUint(e.Last, 10)},
		{"claude-analytics.stream", e.Stream.Name},
		{"claude-analytics.created", e.Stream.Created.UTC().Format(time.RFC3339Nano)},
		{rulesKey, strconv.Itoa(document.RulesVersion)},
	}
}

// unique holds columns whose values hardly repeat within a file: a dictionary would only be built to be thrown away.
var unique = map[string]bool{
	"_id": true, "uuid": true, "doc_raw": true, "message_content": true, "tool_use_result": true,
	"attributes": true, "response_key": true, "timestamp": true, "effective_timestamp": true, "extracted_at": true,
	"_seq": true, "source_offset": true,
}

// unordered holds columns whose smallest and largest value help nobody to skip a row group, and take room.
var unordered = map[string]bool{
	"doc_raw": true, "message_content": true, "tool_use_result": true, "attributes": true,
}

func writerProperties(schema *arrow.Schema, level int) *parquet.WriterProperties {
	props := []parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithCompressionLevel(level),
		parquet.WithMaxRowGroupLength(rowGroupRows),
		parquet.WithDataPageSize(pageBytes),
		parquet.WithVersion(parquet.V2_LATEST),
		parquet.WithDataPageVersion(parquet.DataPageV2),
		parquet.WithStats(true),
		parquet.WithCreatedBy("claude-analytics"),
	}
	for _, field := range schema.Fields() {
		if unordered[field.Name] {
			props = append(props, parquet.WithStatsFor(field.Name, false))
		}
		if !unique[field.Name] {
			continue
		}
		props = append(props, parquet.WithDictionaryFor(field.Name, false))
		switch field.Type.ID() {
		case arrow.INT64, arrow.TIMESTAMP:
			// Neighbours differ by little.
			props = append(props, parquet.WithEncodingFor(field.Name, parquet.Encodings.DeltaBinaryPacked))
		}
	}
	return parquet.NewWriterProperties(props...)
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if err != nil {
		err = fmt.Errorf("write: %w", err)
	}
	return n, err
}
