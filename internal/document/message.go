package document

import "strings"

// nested is what a sub-agent's progress record holds: the sub-agent's own record, without its envelope. The zero value
// stands for documents that hold none.
type nested struct {
	there                                             bool
	message, requestID, uuid, toolUseResult, agentIDs value
}

// nested looks for the sub-agent's record in data.message of an agent_progress record.
func (v *Converter) nested() nested {
	if v.row.SourceType.V != "progress" || v.row.Subtype.V != "agent_progress" {
		return nested{}
	}
	n := nested{agentIDs: field(v.top.data, "agentId")}
	record := field(v.top.data, "message")
	c := record.members()
	for c.next() {
		switch c.key {
		case "message":
			n.message, n.there = c.val, c.val.kind == typeDocument
		case "requestId":
			n.requestID = c.val
		case "uuid":
			n.uuid = c.val
		case "toolUseResult":
			n.toolUseResult = c.val
		}
	}
	if !n.there && !field(record, "content").isNull() {
		n.message, n.there = record, true // without an envelope of its own
	}
	return n
}

// message is what the columns need of a message. Of a message that is no object, all but content is absent.
type message struct {
	id, typ, model, role, stopReason, usage, content, text value
}

func readMessage(of value) message {
	if of.kind != typeDocument {
		return message{content: of}
	}
	var m message
	c := of.members()
	for c.next() {
		switch c.key {
		case "id":
			m.id = c.val
		case "type":
			m.typ = c.val
		case "model":
			m.model = c.val
		case "role":
			m.role = c.val
		case "stop_reason":
			m.stopReason = c.val
		case "usage":
			m.usage = c.val
		case "content":
			m.content = c.val
		case "text":
			m.text = c.val
		}
	}
	if m.content.isNull() {
		m.content = m.text
	}
	return m
}

// messageOf fills the columns of the message, its usage and its blocks.
func (v *Converter) messageOf(n nested) {
	row, m := v.row, v.head(n)
	v.usage(m.usage)
	row.MessageContent = v.contentText(m.content, 0)
	if !v.toolDocument(m) {
		v.contentBlocks(m.content)
	}
	if row.MessageContent.Valid {
		row.ContentLength = Some(characters(row.MessageContent.V))
	}
}

// head finds the message, wherever it stands, and fills the columns that say whose it is.
func (v *Converter) head(n nested) message {
	row, t := v.row, &v.top
	v.field = "message"
	m := readMessage(t.message)
	switch {
	case n.there:
		row.IsNested = true
		v.field = "data.message"
		m = readMessage(n.message)
	case t.message.isNull() && row.SourceType.V == "attachment" && row.Subtype.V == "queued_command":
		// A prompt typed while the assistant worked; it has no message of its own.
		v.field = "attachment"
		m = message{content: field(t.attachment, "prompt")}
	case t.message.isNull() && row.Type != typeUnknown:
		m = message{content: t.tool.content, role: t.role}
	}
	row.MessageRole = v.of(m.role)
	row.Model = v.nonEmpty(m.model)
	row.StopReason = v.of(m.stopReason)
	if row.Model.V == "<synthetic>" {
		row.IsAPIError = true
	}
	if kind := v.onlyText(m.typ).V; kind != "tool_use" && kind != "tool_result" { // those ids are a call's
		row.APIMessageID = v.nonEmpty(m.id)
	}
	return m
}

// keys fills what ties records to each other.
func (v *Converter) keys(n nested) {
	row := v.row
	uuid := row.UUID
	if n.there {
		row.RequestID = first(row.RequestID, v.nonEmpty(n.requestID))
		row.AgentID = first(v.nonEmpty(n.agentIDs), row.AgentID)
		// The sub-agent's own file holds the same record under this uuid.
		uuid = first(v.nonEmpty(n.uuid), uuid)
	}
	row.ResponseKey = first(row.APIMessageID, row.RequestID, uuid, Some(row.ID)).V
}

// mostTokens is the most that a figure can mean: the models take a larger one, or one below 0, as absent.
const mostTokens = 1_000_000_000_000

// meant is a figure, or 0 if it cannot be meant.
func meant(figure Null[int64]) int64 {
	if figure.V < 0 || figure.V > mostTokens {
		return 0
	}
	return figure.V
}

// usage fills the counters of a response.
func (v *Converter) usage(usage value) {
	row := v.row
	var flat Null[int64]
	c := usage.members()
	for c.next() {
		switch c.key {
		case "input_tokens":
			row.InputTokens = v.count(c.val)
		case "output_tokens":
			row.OutputTokens = v.count(c.val)
		case "cache_read_input_tokens":
			row.CacheReadTokens = v.count(c.val)
		case "cache_creation_input_tokens":
			flat = v.count(c.val)
		case "cache_creation":
			row.CacheCreation5mTokens = v.count(field(c.val, "ephemeral_5m_input_tokens"))
			row.CacheCreation1hTokens = v.count(field(c.val, "ephemeral_1h_input_tokens"))
		case "server_tool_use":
			row.WebSearchRequests = v.count(field(c.val, "web_search_requests"))
			row.WebFetchRequests = v.count(field(c.val, "web_fetch_requests"))
		case "speed":
			row.Speed = v.of(c.val)
		case "inference_geo":
			row.InferenceGeo = v.of(c.val)
		case "service_tier":
			row.ServiceTier = v.of(c.val)
		}
	}
	// Some releases wrote 0 beside a filled breakdown.
	row.CacheCreationTokens = flat
	if row.CacheCreation5mTokens.Valid || row.CacheCreation1hTokens.Valid {
		row.CacheCreationTokens = Some(max(meant(flat), meant(row.CacheCreation5mTokens)+meant(row.CacheCreation1hTokens)))
	}
}

// result fills what a tool's result tells of its call.
func (v *Converter) result(n nested) {
	row, result := v.row, v.top.toolUseResult
	v.field = "toolUseResult"
	if n.there && result.isNull() {
		result = n.toolUseResult
	}
	if result.isText() {
		row.ResultText = v.of(result)
		return
	}
	if result.kind != typeDocument {
		return
	}
	var duration, total, seconds, file, kind, content, patch, userModified value
	c := result.members()
	for c.next() {
		switch c.key {
		case "durationMs":
			duration = c.val
		case "totalDurationMs":
			total = c.val
		case "durationSeconds":
			seconds = c.val
		case "interrupted":
			row.ResultInterrupted = v.flag(c.val)
		case "timedOutAfterMs":
			row.ResultTimedOutMs = v.scaled(c.val, 1)
		case "backgroundTaskId":
			row.ResultBackgroundID = v.onlyText(c.val)
		case "status":
			row.ResultStatus = v.onlyText(c.val)
		case "agentId":
			row.ResultAgentID = v.onlyText(c.val)
		case "agentType":
			row.ResultAgentType = v.onlyText(c.val)
		case "filePath":
			row.ResultFilePath = v.onlyText(c.val)
		case "file":
			file = c.val
		case "type":
			kind = c.val
		case "content":
			content = c.val
		case "structuredPatch":
			patch = c.val
		case "userModified":
			userModified = c.val
		}
	}
	row.ResultDurationMs = first(v.scaled(duration, 1), v.scaled(total, 1), v.scaled(seconds, 1000))
	row.ResultFilePath = first(row.ResultFilePath, v.onlyText(field(file, "filePath")))
	v.fileResult(kind, content, patch, userModified)
}

// contentText is the text of a message's content or of a tool's result: a text as it is; of a list the texts of its
// elements, joined by newlines; of an object its text or its content. NULL where there is none.
func (t *texts) contentText(content value, depth int) Null[string] {
	switch content.kind {
	case typeDocument:
		if depth > MaxJSONDepth {
			return Null[string]{}
		}
		if text := field(content, "text"); !text.isNull() {
			return t.contentText(text, depth+1)
		}
		return t.contentText(field(content, "content"), depth+1)
	case typeArray:
		return t.joined(content, depth)
	}
	return t.of(content)
}

func (t *texts) joined(list value, depth int) Null[string] {
	if depth > MaxJSONDepth {
		return Null[string]{}
	}
	var only string
	var b strings.Builder
	c, n := list.members(), 0
	for c.next() {
		text := t.contentText(c.val, depth+1)
		if !text.Valid {
			continue
		}
		switch n++; n {
		case 1:
			only = text.V
		case 2:
			b.WriteString(only)
			fallthrough
		default:
			b.WriteByte('\n')
			b.WriteString(text.V)
		}
	}
	switch n {
	case 0:
		return Null[string]{}
	case 1:
		return Some(only)
	}
	return Some(b.String())
}
