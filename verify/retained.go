package verify

import (
	"math"
	"time"

	"claude-analytics/internal/document"
	"claude-analytics/proto"
)

// Documents of dates that `gc --older-than` has removed are missed by nobody, wherever they still stand.

// floor is the first date that the retention of lake and warehouse has left, as DuckDB counts days.
func (r *run) floor() int64 {
	if r.folder.Retained.IsZero() {
		return math.MinInt64
	}
	return r.folder.Retained.Unix() / 86400
}

// retained says that a change is of a date before the floor.
func (r *run) retained(change *proto.Change) bool {
	floor := r.floor()
	if floor == math.MinInt64 || len(change.GetDocument()) == 0 {
		return false
	}
	row, _, err := document.Convert(change, 0, 0)
	return err == nil && int64(row.Date) < floor
}

// asChange is a document of a source as it would be published now.
func asChange(lane string, d Document) *proto.Change {
	return &proto.Change{
		Version: proto.Version, Source: lane, Id: d.ID, Namespace: d.Namespace, Document: d.Raw, SourceOffset: -1,
		ExtractedAtMicros: time.Now().UnixMicro(),
	}
}
