package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"claude-analytics/internal/warehouse"
)

// arrowAnswer carries a result as an Arrow stream, compressed: it has to fit into one message of the bus.
func arrowAnswer(database asked, limits warehouse.Limits) (queryAnswer, error) {
	var body bytes.Buffer
	truncated, err := database.arrow(limits, func(reader array.RecordReader) error {
		writer := ipc.NewWriter(&body, ipc.WithSchema(reader.Schema()), ipc.WithZstd())
		for reader.Next() {
			if err := writer.Write(reader.RecordBatch()); err != nil {
				return errors.Join(fmt.Errorf("encode the answer: %w", err), writer.Close())
			}
		}
		return writer.Close()
	})
	if err != nil {
		return queryAnswer{}, err
	}
	return queryAnswer{Arrow: body.Bytes(), Truncated: truncated}, nil
}

// writeParquet writes the answer into a file that appears whole or not at all.
func (c *queryCmd) writeParquet(e *env, answer queryAnswer) (err error) {
	reader, err := ipc.NewReader(bytes.NewReader(answer.Arrow))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	defer reader.Release()
	part := c.Parquet + ".part"
	file, err := os.Create(part)
	if err != nil {
		return usagef("write %s: %w", c.Parquet, err)
	}
	defer os.Remove(part) //nolint:errcheck // after the rename there is nothing left
	rows, err := toParquet(file, reader)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", c.Parquet, err)
	}
	if err := os.Rename(part, c.Parquet); err != nil {
		return fmt.Errorf("write %s: %w", c.Parquet, err)
	}
	fmt.Fprintf(e.stderr, "%s rows in %s\n", count(rows), c.Parquet)
	return nil
}

func toParquet(out io.Writer, reader array.RecordReader) (rows int64, err error) {
	// The writer closes what it is given; the file is closed by its owner.
	writer, err := pqarrow.NewFileWriter(reader.Schema(), struct{ io.Writer }{out},
		parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd)), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		return 0, fmt.Errorf("a column has no Parquet form, cast it to VARCHAR: %w", err)
	}
	for reader.Next() {
		record := reader.RecordBatch()
		rows += record.NumRows()
		if err := writer.WriteBuffered(record); err != nil {
			return rows, errors.Join(err, writer.Close())
		}
	}
	return rows, errors.Join(reader.Err(), writer.Close())
}
