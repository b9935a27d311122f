package document

import (
	"errors"
	"fmt"

	"claude-analytics/proto"
)

// ErrNewer is returned by Convert for a change of a version that this release does not know.
var ErrNewer = errors.New("change is of a newer version")

// Convert takes a change's document apart: its row of raw.conversations and its rows of raw.content_blocks. epoch and
// seq are the change's order. Nearly every document converts, whatever its shape; what a column cannot hold is NULL
// and noted in Row.Issues. Errors: ErrNoDocument, ErrNewer, ErrMalformed, ErrTooDeep, the latter two with the field.
func Convert(c *proto.Change, epoch, seq uint64) (Row, []Block, error) {
	var v Converter
	return v.Convert(c, epoch, seq)
}

// WithoutDocument is the row of a change that carries no document: key and order, all else empty. Its date is that of
// extracted_at.
func WithoutDocument(c *proto.Change, epoch, seq uint64) Row {
	var row Row
	row.identity(c, epoch, seq)
	row.Type = typeUnknown
	row.EffectiveTimestamp, row.TimestampSource = row.ExtractedAt, "extracted_at"
	row.Date = row.ExtractedAt.Date()
	row.ResponseKey = row.ID
	return row
}

func (r *Row) identity(c *proto.Change, epoch, seq uint64) {
	r.ID = c.GetId()
	r.Source, r.Namespace = c.GetSource(), c.GetNamespace()
	r.Epoch, r.Seq = int64(epoch), int64(seq)
	r.ExtractedAt = Timestamp(c.GetExtractedAtMicros())
	r.RedactionVersion = int32(c.GetRedactionVersion())
	if offset := c.GetSourceOffset(); offset >= 0 {
		r.SourceOffset = Some(offset)
	}
}

// typeUnknown is the type of documents that are none of the four of the specification.
const typeUnknown = "unknown"

func knownType(sourceType string) bool {
	switch sourceType {
	case "user", "assistant", "tool_use", "tool_result":
		return true
	}
	return false
}

// Converter is Convert with memory that is used again. What it returns does not share that memory. The zero value is
// ready; it is not safe for concurrent use.
type Converter struct {
	texts
	json   jsonWriter
	row    *Row
	blocks []Block
	top    top
}

// top holds the top-level fields that columns are made of.
type top struct {
	id, typ, sessionID, projectID, sourceFile, timestamp, ingestedAt             value
	uuid, parentUUID, isSidechain, agentID, requestID                            value
	cwd, gitBranch, version, entrypoint, message, toolUseResult                  value
	subtype, data, attachment, operation, snapshot                               value
	isMeta, isCompactSummary, isAPIError, permissionMode, promptID, promptSource value
	origin, userType, teamName, agentName, denialKind, sourceToolUseID           value
	toolUseID, parentToolUseID, summary, aiTitle, customTitle, effort, cost      value
	role                                                                         value
	// tool is what a document of type tool_use or tool_result has beside or in place of a message.
	tool blockFields
}

// Convert is the package's Convert.
func (v *Converter) Convert(c *proto.Change, epoch, seq uint64) (Row, []Block, error) {
	defer v.forget()
	row, doc, err := v.begin(c, epoch, seq)
	if err != nil {
		return Row{}, nil, err
	}
	nested := v.nested()
	v.messageOf(nested)
	v.result(nested)
	v.keys(nested)
	v.raw()
	v.attributes(doc)
	if v.broken != nil {
		return Row{}, nil, v.broken
	}
	row.Issues = v.issues
	for i := range v.blocks {
		b := &v.blocks[i]
		b.Source, b.ID, b.SessionID, b.Date = row.Source, row.ID, row.SessionID, row.Date
	}
	return *row, v.blocks, nil
}

// begin opens a change's document and fills what its top level says.
func (v *Converter) begin(c *proto.Change, epoch, seq uint64) (row *Row, doc string, err error) {
	if c.GetVersion() > proto.Version {
		return nil, "", fmt.Errorf("%w: %d, this release reads %d", ErrNewer, c.GetVersion(), proto.Version)
	}
	if len(c.GetDocument()) == 0 {
		return nil, "", ErrNoDocument
	}
	row = new(Row)
	v.row, v.blocks, v.top, v.texts = row, nil, top{}, texts{}
	row.identity(c, epoch, seq)
	row.DocRaw = c.GetDocument()
	doc = string(c.GetDocument())
	if err := v.collect(doc); err != nil {
		return nil, "", err
	}
	v.envelope()
	v.times()
	return row, doc, nil
}

// maxScratch is the most memory that a Converter keeps between documents, bytes.
const maxScratch = 1 << 20

// forget lets go of the document.
func (v *Converter) forget() {
	v.row, v.blocks, v.top = nil, nil, top{}
	if cap(v.json.buf) > maxScratch {
		v.json.buf = nil
	}
}

// envelope fills the columns that stand for one top-level field each.
func (v *Converter) envelope() {
	row, t := v.row, &v.top
	row.SourceType = v.of(t.typ)
	row.Type = typeUnknown
	if t.typ.isText() && knownType(row.SourceType.V) {
		row.Type = row.SourceType.V
	}
	session, project := v.identify(t.sessionID, t.projectID, t.sourceFile)
	row.SessionID = Null[string]{session, session != ""}
	row.ProjectID = Null[string]{project, project != ""}
	row.SourceFile = v.of(t.sourceFile)
	row.UUID = v.nonEmpty(t.uuid)
	row.ParentUUID = v.nonEmpty(t.parentUUID)
	row.IsSidechain = v.flag(t.isSidechain)
	row.AgentID = v.nonEmpty(t.agentID)
	row.RequestID = v.nonEmpty(t.requestID)
	row.Cwd = v.of(t.cwd)
	row.GitBranch = v.of(t.gitBranch)
	row.CLIVersion = v.of(t.version)
	row.Entrypoint = v.of(t.entrypoint)
	row.IsMeta = v.flag(t.isMeta).V
	row.IsCompactSummary = v.flag(t.isCompactSummary).V
	row.IsAPIError = v.flag(t.isAPIError).V
	row.PermissionMode = v.of(t.permissionMode)
	row.PromptID = v.of(t.promptID)
	row.PromptSource = v.of(t.promptSource)
	row.UserType = v.of(t.userType)
	row.TeamName = v.of(t.teamName)
	row.AgentName = v.of(t.agentName)
	row.ToolDenialKind = v.of(t.denialKind)
	row.Effort = v.of(t.effort)
	row.SourceToolUseID = v.nonEmpty(t.sourceToolUseID)
	row.OriginKind = v.onlyText(field(t.origin, "kind"))
	if cost := v.scaled(t.cost, 1e9); cost.Valid {
		row.CostUSD = Some(Decimal(cost.V))
	}
	v.subtype()
	row.Title = v.of(v.title())
}

// subtype tells records of one type apart: what a system record is about, what a progress record reports on.
func (v *Converter) subtype() {
	row, t := v.row, &v.top
	row.Subtype = v.of(t.subtype)
	switch row.SourceType.V {
	case "progress":
		row.Subtype = first(row.Subtype, v.onlyText(field(t.data, "type")))
		row.SourceToolUseID = first(row.SourceToolUseID, v.nonEmpty(t.parentToolUseID), v.nonEmpty(t.toolUseID))
		row.ProgressStatus = v.onlyText(field(t.data, "status"))
		row.ProgressElapsedMs = first(v.count(field(t.data, "elapsedTimeMs")), v.scaled(field(t.data, "elapsedTimeSeconds"), 1000))
	case "attachment":
		row.Subtype = first(row.Subtype, v.onlyText(field(t.attachment, "type")))
	case "queue-operation":
		row.Subtype = first(row.Subtype, v.of(t.operation))
	}
}

// title is the field that names the session, in records that do.
func (v *Converter) title() value {
	switch v.row.SourceType.V {
	case "summary":
		return v.top.summary
	case "ai-title":
		return v.top.aiTitle
	case "custom-title":
		return v.top.customTitle
	case "agent-name":
		return v.top.agentName
	}
	return absent
}

// times fills the moments and the date.
func (v *Converter) times() {
	row := v.row
	row.Timestamp = v.moment(v.top.timestamp, IssueTimestamp)
	row.IngestedAt = v.moment(v.top.ingestedAt, IssueIngestedAt)
	switch {
	case row.Timestamp.Valid:
		row.EffectiveTimestamp, row.TimestampSource = row.Timestamp.V, "timestamp"
	default:
		snapshot := v.moment(field(v.top.snapshot, "timestamp"), IssueSnapshotTimestamp)
		switch {
		case snapshot.Valid:
			row.EffectiveTimestamp, row.TimestampSource = snapshot.V, "snapshot"
		case row.IngestedAt.Valid:
			row.EffectiveTimestamp, row.TimestampSource = row.IngestedAt.V, "ingested_at"
		default:
			row.EffectiveTimestamp, row.TimestampSource = row.ExtractedAt, "extracted_at"
		}
	}
	row.Date = row.EffectiveTimestamp.Date()
}

func (v *Converter) moment(of value, issue Issue) Null[Timestamp] {
	t, there, ok := timestamp(of)
	if there && !ok {
		v.issues.add(issue)
	}
	return Null[Timestamp]{t, ok}
}

// raw fills the columns that hold a field whole.
func (v *Converter) raw() {
	v.row.MessageRaw = v.jsonOf("message", v.top.message)
	v.row.ToolUseResult = v.jsonOf("toolUseResult", v.top.toolUseResult)
}

// jsonOf is a field as JSON; NULL if it is absent or null.
func (v *Converter) jsonOf(name string, of value) Null[string] {
	if of.isNull() {
		return Null[string]{}
	}
	v.field = name
	w := &v.json
	w.buf, w.replaced = w.buf[:0], false
	if err := w.value(of, 1); err != nil {
		v.fail(err)
		return Null[string]{}
	}
	if w.replaced {
		v.issues.add(IssueText)
	}
	return Some(string(w.buf))
}

// field is a member of an object; absent if there is none. Of a repeated member it is the last, as in JavaScript.
func field(of value, name string) value {
	found := absent
	c := of.members()
	if of.kind != typeDocument {
		return found
	}
	for c.next() {
		if c.key == name {
			found = c.val
		}
	}
	return found
}
