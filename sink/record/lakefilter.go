package record

import (
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"claude-analytics/proto"
)

// FilterColumns are the narrow columns of the lake by which a LakeFilter tells rows apart.
func FilterColumns() []string {
	return []string{"_id", "source", "namespace", "operation", "_epoch", "_seq", "session_id", "project_id", "effective_timestamp"}
}

// LakeFilter reads what says whether a row of the lake is of interest, without its document.
type LakeFilter struct {
	id, source, namespace, operation, session, project texts
	epoch, seq                                         *array.Int64
	effective                                          *array.Timestamp
}

// OpenFilter prepares to read a record batch, which must outlive the LakeFilter. It returns ErrNotLake.
func OpenFilter(batch arrow.RecordBatch) (*LakeFilter, error) {
	f := &LakeFilter{}
	err := errors.Join(
		find(batch, "_id", &f.id), find(batch, "source", &f.source), find(batch, "namespace", &f.namespace),
		find(batch, "operation", &f.operation), find(batch, "session_id", &f.session), find(batch, "project_id", &f.project),
		find(batch, "_epoch", &f.epoch), find(batch, "_seq", &f.seq), find(batch, "effective_timestamp", &f.effective),
	)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Order is the order of row i's change.
func (f *LakeFilter) Order(i int) (epoch, seq uint64) {
	return uint64(f.epoch.Value(i)), uint64(f.seq.Value(i))
}

// Key is row i's row key and namespace; drops says that the change is about the namespace as a whole. The texts share
// the batch's memory.
func (f *LakeFilter) Key(i int) (source, id, namespace string, drops bool) {
	switch f.operation.Value(i) {
	case operationName(proto.Operation_OPERATION_DROP), operationName(proto.Operation_OPERATION_SNAPSHOT_END):
		drops = true
	}
	return f.source.Value(i), f.id.Value(i), f.namespace.Value(i), drops
}

// Place is row i's session and project, empty where it has none, and its effective timestamp, microseconds since 1970.
// The texts share the batch's memory.
func (f *LakeFilter) Place(i int) (session, project string, micros int64) {
	if !f.session.IsNull(i) {
		session = f.session.Value(i)
	}
	if !f.project.IsNull(i) {
		project = f.project.Value(i)
	}
	return session, project, int64(f.effective.Value(i))
}
