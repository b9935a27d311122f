package document

import "fmt"

// collect remembers the top-level fields that columns are made of.
func (v *Converter) collect(doc string) error {
	c := open(doc)
	for c.next() {
		if into := v.top.field(c.key); into != nil {
			*into = c.val
		}
	}
	if c.err != nil {
		return fmt.Errorf("document, after field %q: %w", c.key, c.err)
	}
	return nil
}

// field is where a top-level field is remembered; nil for those that only attributes hold.
func (t *top) field(key string) *value {
	switch key {
	case "_id":
		return &t.id
	case "type":
		return &t.typ
	case "sessionId":
		return &t.sessionID
	case "projectId":
		return &t.projectID
	case "sourceFile":
		return &t.sourceFile
	case "timestamp":
		return &t.timestamp
	case "ingestedAt":
		return &t.ingestedAt
	case "uuid":
		return &t.uuid
	case "parentUuid":
		return &t.parentUUID
	case "isSidechain":
		return &t.isSidechain
	case "agentId":
		return &t.agentID
	case "requestId":
		return &t.requestID
	case "cwd":
		return &t.cwd
	case "gitBranch":
		return &t.gitBranch
	case "version":
		return &t.version
	case "entrypoint":
		return &t.entrypoint
	case "message":
		return &t.message
	case "toolUseResult":
		return &t.toolUseResult
	case "subtype":
		return &t.subtype
	case "data":
		return &t.data
	case "attachment":
		return &t.attachment
	case "operation":
		return &t.operation
	case "snapshot":
		return &t.snapshot
	}
	return t.rarer(key)
}

func (t *top) rarer(key string) *value {
	switch key {
	case "isMeta":
		return &t.isMeta
	case "isCompactSummary":
		return &t.isCompactSummary
	case "isApiErrorMessage":
		return &t.isAPIError
	case "permissionMode":
		return &t.permissionMode
	case "promptId":
		return &t.promptID
	case "promptSource":
		return &t.promptSource
	case "origin":
		return &t.origin
	case "userType":
		return &t.userType
	case "teamName":
		return &t.teamName
	case "agentName":
		return &t.agentName
	case "toolDenialKind":
		return &t.denialKind
	case "sourceToolUseID":
		return &t.sourceToolUseID
	case "toolUseID":
		return &t.toolUseID
	case "parentToolUseID":
		return &t.parentToolUseID
	case "summary":
		return &t.summary
	case "aiTitle":
		return &t.aiTitle
	case "customTitle":
		return &t.customTitle
	case "effort":
		return &t.effort
	case "costUSD":
		return &t.cost
	case "name", "tool_name":
		return &t.tool.name
	case "input":
		return &t.tool.input
	case "content":
		return &t.tool.content
	case "id":
		return &t.tool.id
	case "tool_use_id":
		return &t.tool.toolUseID
	case "is_error":
		return &t.tool.isError
	case "role":
		return &t.role
	}
	return nil
}

// attributes writes the top-level fields that no column holds exactly.
func (v *Converter) attributes(doc string) {
	w := &v.json
	w.buf, w.replaced = append(w.buf[:0], '{'), false
	c, n := open(doc), 0
	for c.next() {
		if v.inColumn(c.key, c.val) {
			continue
		}
		v.field = c.key
		if err := w.member(c.key, c.val, n, 1); err != nil {
			v.fail(err)
			return
		}
		n++
	}
	if w.replaced {
		v.issues.add(IssueText)
	}
	if n > 0 {
		v.row.Attributes = Some(string(append(w.buf, '}')))
	}
}

// inColumn reports whether a column holds a top-level field's whole value, so that attributes need not. A value of an
// unexpected type stays in attributes, and so does one that another took the place of.
func (v *Converter) inColumn(key string, of value) bool {
	row := v.row
	switch key {
	case "_id", "message", "toolUseResult":
		return true
	case "sessionId", "projectId", "sourceFile", "uuid", "parentUuid", "requestId", "cwd", "gitBranch", "version", "entrypoint",
		"subtype", "permissionMode", "promptId", "promptSource", "userType", "teamName", "agentName", "toolDenialKind",
		"sourceToolUseID", "effort", "type":
		return of.isText() || of.isNull()
	case "timestamp":
		return row.Timestamp.Valid || of.isNull()
	case "ingestedAt":
		return row.IngestedAt.Valid || of.isNull()
	case "isSidechain", "isMeta", "isCompactSummary", "isApiErrorMessage":
		return of.kind == typeBoolean || of.isNull()
	case "agentId":
		return of.isNull() || of.isText() && of.str() == row.AgentID.V
	case "parentToolUseID":
		return of.isNull() || of.isText() && of.str() == row.SourceToolUseID.V
	case "operation":
		return row.SourceType.V == "queue-operation" && of.isText() && of.str() == row.Subtype.V
	case "summary", "aiTitle", "customTitle":
		return row.Title.Valid && of.isText() && of.str() == row.Title.V
	case "origin":
		return v.onlyKind(of)
	case "costUSD":
		return row.CostUSD.Valid || of.isNull()
	}
	return false
}

// onlyKind reports whether an origin holds nothing but its kind.
func (v *Converter) onlyKind(origin value) bool {
	c := origin.members()
	if origin.kind != typeDocument {
		return origin.isNull()
	}
	for c.next() {
		if c.key != "kind" || !c.val.isText() {
			return false
		}
	}
	return c.err == nil
}
