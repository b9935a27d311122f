package record

import (
	"encoding/json"
	"strconv"
	"strings"

	"claude-analytics/internal/document"
	"claude-analytics/proto"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// LakeRow is one row of the lake: a change, and the row that its document became (document.Convert), or, where it
// carries no document, document.WithoutDocument. The row is there so that the files can be read by themselves; the
// change can be rebuilt from doc_raw and the columns beside it.
type LakeRow struct {
	Change *proto.Change
	Row    *document.Row
}

// NewLake builds rows of the lake's files.
func NewLake(mem memory.Allocator) *Builder[LakeRow] { return newBuilder(mem, lakeColumns()) }

// lakeColumns are those of raw.conversations that say what a document is, where it belongs and when it came, then what
// the change holds beside its document. message_raw is not among them: doc_raw holds the message already.
func lakeColumns() []column[LakeRow] {
	columns := make([]column[LakeRow], 0, 32)
	for _, c := range conversationColumns(false) {
		switch c.field.Name {
		case "_id", "type", "session_id", "project_id", "timestamp", "ingested_at", "extracted_at", "message_role",
			"message_content", "source_file", "date",
			"source", "namespace", "source_type", "source_offset", "_epoch", "_seq",
			"uuid", "is_sidechain", "agent_id", "model", "cwd", "git_branch", "cli_version",
			"effective_timestamp", "response_key", "redaction_version":
			columns = append(columns, ofRow(c))
		}
	}
	return append(columns,
		varchar("operation", func(r *LakeRow) string { return operationName(r.Change.GetOperation()) }),
		timestamptzOrNull("happened_at", func(r *LakeRow) nullMoment {
			at := r.Change.GetHappenedAtMicros()
			return nullMoment{V: moment(at), Valid: at != 0}
		}),
		varcharOrNull("findings", func(r *LakeRow) nullText { return findingsJSON(r.Change.GetFindings()) }),
		bigintOrNull("below", func(r *LakeRow) nullInt {
			ends := r.Change.GetOperation() == proto.Operation_OPERATION_SNAPSHOT_END
			return nullInt{V: int64(r.Change.GetBelow()), Valid: ends}
		}),
		integer("change_version", func(r *LakeRow) int32 { return int32(r.Change.GetVersion()) }),
		blobOrNull("doc_raw", func(r *LakeRow) []byte {
			if doc := r.Change.GetDocument(); len(doc) > 0 {
				return doc
			}
			return nil
		}),
	)
}

// ofRow makes a column of raw.conversations one of the lake.
func ofRow(c column[row]) column[LakeRow] {
	return column[LakeRow]{
		field:  c.field,
		append: func(b array.Builder, r *LakeRow) int { return c.append(b, r.Row) },
	}
}

const operationPrefix = "OPERATION_"

// operationName is insert, update, replace, delete, snapshot, drop, snapshot_end or gap; a number for one that this release does not know.
func operationName(op proto.Operation) string {
	name, ok := proto.Operation_name[int32(op)]
	if !ok {
		return strconv.Itoa(int(op))
	}
	return strings.ToLower(strings.TrimPrefix(name, operationPrefix))
}

func operationOf(name string) (proto.Operation, error) {
	if op, ok := proto.Operation_value[operationPrefix+strings.ToUpper(name)]; ok {
		return proto.Operation(op), nil
	}
	op, err := strconv.ParseInt(name, 10, 32)
	return proto.Operation(op), err
}

// finding is proto.Finding as JSON.
type finding struct {
	Rule string `json:"rule"`
	Path string `json:"path"`
	Hash string `json:"hash"`
}

// findingsJSON is NULL where there are none.
func findingsJSON(findings []*proto.Finding) nullText {
	if len(findings) == 0 {
		return nullText{}
	}
	list := make([]finding, len(findings))
	for i, f := range findings {
		list[i] = finding{Rule: f.GetRule(), Path: f.GetPath(), Hash: f.GetHash()}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return nullText{} // texts always marshal
	}
	return document.Some(string(text))
}

func findingsOf(text string) ([]*proto.Finding, error) {
	var list []finding
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	findings := make([]*proto.Finding, len(list))
	for i, f := range list {
		findings[i] = &proto.Finding{Rule: f.Rule, Path: f.Path, Hash: f.Hash}
	}
	return findings, nil
}
