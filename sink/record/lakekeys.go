package record

import (
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"claude-analytics/proto"
)

// KeyColumns are the lake's columns that say what a row is, without its content.
func KeyColumns() []string {
	return []string{"_id", "source", "namespace", "session_id", "project_id", "operation", "_epoch", "_seq"}
}

// KeyBatch reads what rows of the lake are.
type KeyBatch struct {
	rows                                               int
	id, source, namespace, session, project, operation texts
	epoch, seq                                         *array.Int64
	below                                              *array.Int64 // nil: no such column
}

// OpenKeys prepares to read a record batch, which must outlive the KeyBatch. It returns ErrNotLake.
func OpenKeys(batch arrow.RecordBatch) (*KeyBatch, error) {
	b := &KeyBatch{rows: int(batch.NumRows())}
	err := errors.Join(
		find(batch, "_id", &b.id), find(batch, "source", &b.source), find(batch, "namespace", &b.namespace),
		find(batch, "session_id", &b.session), find(batch, "project_id", &b.project), find(batch, "operation", &b.operation),
		find(batch, "_epoch", &b.epoch), find(batch, "_seq", &b.seq),
	)
	if batch.Schema().HasField("below") {
		err = errors.Join(err, find(batch, "below", &b.below))
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// KeyRow is a row of the lake without its content. Its texts are valid as long as the batch.
type KeyRow struct {
	ID, Source, Namespace, Session, Project string
	Operation                               proto.Operation
	Epoch, Seq                              uint64
	// Below is of a snapshot's end.
	Below uint64
}

// Rows is how many rows the batch has.
func (b *KeyBatch) Rows() int { return b.rows }

// Row is row i.
func (b *KeyBatch) Row(i int) (KeyRow, error) {
	operation, err := operationOf(b.operation.Value(i))
	if err != nil {
		return KeyRow{}, err
	}
	row := KeyRow{
		ID: b.id.Value(i), Source: b.source.Value(i), Namespace: b.namespace.Value(i), Operation: operation,
		Epoch: uint64(b.epoch.Value(i)), Seq: uint64(b.seq.Value(i)),
	}
	if !b.session.IsNull(i) {
		row.Session = b.session.Value(i)
	}
	if !b.project.IsNull(i) {
		row.Project = b.project.Value(i)
	}
	if b.below != nil && !b.below.IsNull(i) {
		row.Below = uint64(b.below.Value(i))
	}
	return row, nil
}
