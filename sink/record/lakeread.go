package record

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"claude-analytics/proto"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// ErrNotLake is returned for record batches that lack a column of the lake, or hold it in a type that cannot be read.
var ErrNotLake = errors.New("not a batch of the lake")

// ChangeColumns are the lake's columns that a change is rebuilt from: a reader needs to load no others.
func ChangeColumns() []string {
	return []string{
		"_id", "source", "source_offset", "_epoch", "_seq", "extracted_at", "operation", "namespace", "happened_at",
		"findings", "redaction_version", "change_version", "doc_raw",
	}
}

// OptionalColumns are more of them, which files of older releases do not have.
func OptionalColumns() []string { return []string{"below"} }

// LakeBatch reads changes back from a record batch of the lake, whose columns may stand in any order and may have come
// through Parquet or through DuckDB.
type LakeBatch struct {
	rows int

	id, source, operation, namespace, findings texts
	document                                   binaries
	offset, epoch, seq                         *array.Int64
	below                                      *array.Int64 // nil: no such column
	redaction, version                         *array.Int32
	extracted, happened                        *array.Timestamp
}

// texts and binaries are what the several layouts of text and binary arrays share.
type (
	texts interface {
		Value(int) string
		IsNull(int) bool
	}
	binaries interface {
		Value(int) []byte
		IsNull(int) bool
	}
)

// OpenLake prepares to read a record batch, which must outlive the LakeBatch. It returns ErrNotLake.
func OpenLake(batch arrow.RecordBatch) (*LakeBatch, error) {
	b := &LakeBatch{rows: int(batch.NumRows())}
	err := errors.Join(
		find(batch, "_id", &b.id), find(batch, "source", &b.source),
		find(batch, "operation", &b.operation), find(batch, "namespace", &b.namespace),
		find(batch, "findings", &b.findings), find(batch, "doc_raw", &b.document),
		find(batch, "source_offset", &b.offset), find(batch, "_epoch", &b.epoch), find(batch, "_seq", &b.seq),
		find(batch, "redaction_version", &b.redaction), find(batch, "change_version", &b.version),
		find(batch, "extracted_at", &b.extracted), find(batch, "happened_at", &b.happened),
	)
	if batch.Schema().HasField("below") {
		err = errors.Join(err, find(batch, "below", &b.below))
	}
	if err != nil {
		return nil, err
	}
	for _, times := range []*array.Timestamp{b.extracted, b.happened} {
		if unit := times.DataType().(*arrow.TimestampType).Unit; unit != arrow.Microsecond {
			return nil, fmt.Errorf("%w: moments in %s", ErrNotLake, unit)
		}
	}
	return b, nil
}

func find[A any](batch arrow.RecordBatch, name string, into *A) error {
	at := batch.Schema().FieldIndices(name)
	if len(at) != 1 {
		return fmt.Errorf("%w: %d columns named %s", ErrNotLake, len(at), name)
	}
	column, ok := batch.Column(at[0]).(A)
	if !ok {
		return fmt.Errorf("%w: column %s is of type %s", ErrNotLake, name, batch.Column(at[0]).DataType())
	}
	*into = column
	return nil
}

// Rows is how many rows the batch has.
func (b *LakeBatch) Rows() int { return b.rows }

// Order is the order of row i's change.
func (b *LakeBatch) Order(i int) (epoch, seq uint64) {
	return uint64(b.epoch.Value(i)), uint64(b.seq.Value(i))
}

// Change is row i's change as it was published, but for the resume token: that is a place in MongoDB's feed, kept in
// the stream alone. The change shares no memory with the batch.
func (b *LakeBatch) Change(i int) (*proto.Change, error) {
	operation, err := operationOf(b.operation.Value(i))
	if err != nil {
		return nil, fmt.Errorf("lake row %d, operation: %w", i, err)
	}
	c := &proto.Change{
		Version:           uint32(b.version.Value(i)),
		Source:            strings.Clone(b.source.Value(i)),
		Id:                strings.Clone(b.id.Value(i)),
		Operation:         operation,
		Namespace:         strings.Clone(b.namespace.Value(i)),
		ExtractedAtMicros: int64(b.extracted.Value(i)),
		SourceOffset:      -1,
		RedactionVersion:  uint32(b.redaction.Value(i)),
	}
	if !b.document.IsNull(i) {
		c.Document = bytes.Clone(b.document.Value(i))
	}
	if !b.happened.IsNull(i) {
		c.HappenedAtMicros = int64(b.happened.Value(i))
	}
	if !b.offset.IsNull(i) {
		c.SourceOffset = b.offset.Value(i)
	}
	if b.below != nil && !b.below.IsNull(i) {
		c.Below = uint64(b.below.Value(i))
	}
	if !b.findings.IsNull(i) {
		if c.Findings, err = findingsOf(b.findings.Value(i)); err != nil {
			return nil, fmt.Errorf("lake row %d, findings: %w", i, err)
		}
	}
	return c, nil
}
