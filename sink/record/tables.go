package record

import "claude-analytics/internal/document"

// Short names for the lists below.
type (
	row        = document.Row
	block      = document.Block
	moment     = document.Timestamp
	nullText   = document.Null[string]
	nullMoment = document.Null[document.Timestamp]
	nullInt    = document.Null[int64]
	nullBool   = document.Null[bool]
)

// conversationColumns are the columns of raw.conversations, in its order.
func conversationColumns(storeRaw bool) []column[row] {
	return []column[row]{
		varchar("_id", func(r *row) string { return r.ID }),
		varchar("type", func(r *row) string { return r.Type }),
		varcharOrNull("session_id", func(r *row) nullText { return r.SessionID }),
		varcharOrNull("project_id", func(r *row) nullText { return r.ProjectID }),
		timestamptzOrNull("timestamp", func(r *row) nullMoment { return r.Timestamp }),
		timestamptzOrNull("ingested_at", func(r *row) nullMoment { return r.IngestedAt }),
		timestamptz("extracted_at", func(r *row) moment { return r.ExtractedAt }),
		varcharOrNull("message_role", func(r *row) nullText { return r.MessageRole }),
		varcharOrNull("message_content", func(r *row) nullText { return r.MessageContent }),
		varcharOrNull("message_raw", func(r *row) nullText { return r.MessageRaw }),
		varcharOrNull("source_file", func(r *row) nullText { return r.SourceFile }),
		date("date", func(r *row) document.Date { return r.Date }),
		varchar("source", func(r *row) string { return r.Source }),
		varchar("namespace", func(r *row) string { return r.Namespace }),
		varcharOrNull("source_type", func(r *row) nullText { return r.SourceType }),
		bigintOrNull("source_offset", func(r *row) nullInt { return r.SourceOffset }),
		bigint("_epoch", func(r *row) int64 { return r.Epoch }),
		bigint("_seq", func(r *row) int64 { return r.Seq }),
		varcharOrNull("uuid", func(r *row) nullText { return r.UUID }),
		varcharOrNull("parent_uuid", func(r *row) nullText { return r.ParentUUID }),
		booleanOrNull("is_sidechain", func(r *row) nullBool { return r.IsSidechain }),
		varcharOrNull("agent_id", func(r *row) nullText { return r.AgentID }),
		varcharOrNull("request_id", func(r *row) nullText { return r.RequestID }),
		varcharOrNull("api_message_id", func(r *row) nullText { return r.APIMessageID }),
		varcharOrNull("model", func(r *row) nullText { return r.Model }),
		varcharOrNull("cwd", func(r *row) nullText { return r.Cwd }),
		varcharOrNull("git_branch", func(r *row) nullText { return r.GitBranch }),
		varcharOrNull("cli_version", func(r *row) nullText { return r.CLIVersion }),
		varcharOrNull("entrypoint", func(r *row) nullText { return r.Entrypoint }),
		bigintOrNull("content_length", func(r *row) nullInt { return r.ContentLength }),
		varcharOrNull("tool_use_result", func(r *row) nullText { return r.ToolUseResult }),
		timestamptz("effective_timestamp", func(r *row) moment { return r.EffectiveTimestamp }),
		varchar("timestamp_source", func(r *row) string { return r.TimestampSource }),
		varchar("response_key", func(r *row) string { return r.ResponseKey }),
		varcharOrNull("subtype", func(r *row) nullText { return r.Subtype }),
		boolean("is_meta", func(r *row) bool { return r.IsMeta }),
		boolean("is_compact_summary", func(r *row) bool { return r.IsCompactSummary }),
		boolean("is_api_error", func(r *row) bool { return r.IsAPIError }),
		varcharOrNull("permission_mode", func(r *row) nullText { return r.PermissionMode }),
		varcharOrNull("prompt_id", func(r *row) nullText { return r.PromptID }),
		varcharOrNull("prompt_source", func(r *row) nullText { return r.PromptSource }),
		varcharOrNull("origin_kind", func(r *row) nullText { return r.OriginKind }),
		varcharOrNull("user_type", func(r *row) nullText { return r.UserType }),
		varcharOrNull("team_name", func(r *row) nullText { return r.TeamName }),
		varcharOrNull("agent_name", func(r *row) nullText { return r.AgentName }),
		varcharOrNull("tool_denial_kind", func(r *row) nullText { return r.ToolDenialKind }),
		varcharOrNull("source_tool_use_id", func(r *row) nullText { return r.SourceToolUseID }),
		varcharOrNull("title", func(r *row) nullText { return r.Title }),
		bigintOrNull("input_tokens", func(r *row) nullInt { return r.InputTokens }),
		bigintOrNull("output_tokens", func(r *row) nullInt { return r.OutputTokens }),
		bigintOrNull("cache_read_tokens", func(r *row) nullInt { return r.CacheReadTokens }),
		bigintOrNull("cache_creation_tokens", func(r *row) nullInt { return r.CacheCreationTokens }),
		bigintOrNull("cache_creation_5m_tokens", func(r *row) nullInt { return r.CacheCreation5mTokens }),
		bigintOrNull("cache_creation_1h_tokens", func(r *row) nullInt { return r.CacheCreation1hTokens }),
		bigintOrNull("web_search_requests", func(r *row) nullInt { return r.WebSearchRequests }),
		bigintOrNull("web_fetch_requests", func(r *row) nullInt { return r.WebFetchRequests }),
		varcharOrNull("speed", func(r *row) nullText { return r.Speed }),
		varcharOrNull("inference_geo", func(r *row) nullText { return r.InferenceGeo }),
		varcharOrNull("service_tier", func(r *row) nullText { return r.ServiceTier }),
		varcharOrNull("stop_reason", func(r *row) nullText { return r.StopReason }),
		varcharOrNull("effort", func(r *row) nullText { return r.Effort }),
		decimalOrNull("cost_usd", func(r *row) document.Null[document.Decimal] { return r.CostUSD }),
		boolean("is_nested", func(r *row) bool { return r.IsNested }),
		bigintOrNull("result_duration_ms", func(r *row) nullInt { return r.ResultDurationMs }),
		booleanOrNull("result_interrupted", func(r *row) nullBool { return r.ResultInterrupted }),
		bigintOrNull("result_timed_out_ms", func(r *row) nullInt { return r.ResultTimedOutMs }),
		varcharOrNull("result_background_id", func(r *row) nullText { return r.ResultBackgroundID }),
		varcharOrNull("result_status", func(r *row) nullText { return r.ResultStatus }),
		varcharOrNull("result_agent_id", func(r *row) nullText { return r.ResultAgentID }),
		varcharOrNull("result_agent_type", func(r *row) nullText { return r.ResultAgentType }),
		varcharOrNull("result_file_path", func(r *row) nullText { return r.ResultFilePath }),
		varcharOrNull("result_type", func(r *row) nullText { return r.ResultType }),
		bigintOrNull("result_lines_added", func(r *row) nullInt { return r.ResultLinesAdded }),
		bigintOrNull("result_lines_removed", func(r *row) nullInt { return r.ResultLinesRemoved }),
		booleanOrNull("result_user_modified", func(r *row) nullBool { return r.ResultUserModified }),
		varcharOrNull("result_text", func(r *row) nullText { return r.ResultText }),
		bigintOrNull("progress_elapsed_ms", func(r *row) nullInt { return r.ProgressElapsedMs }),
		varcharOrNull("progress_status", func(r *row) nullText { return r.ProgressStatus }),
		varcharOrNull("attributes", func(r *row) nullText { return r.Attributes }),
		integer("redaction_version", func(r *row) int32 { return r.RedactionVersion }),
		blobOrNull("doc_raw", func(r *row) []byte {
			if !storeRaw {
				return nil
			}
			return r.DocRaw
		}),
	}
}

// blockColumns are the columns of raw.content_blocks, in its order.
func blockColumns() []column[block] {
	return []column[block]{
		varchar("source", func(r *block) string { return r.Source }),
		varchar("_id", func(r *block) string { return r.ID }),
		integer("block_index", func(r *block) int32 { return r.BlockIndex }),
		varcharOrNull("session_id", func(r *block) nullText { return r.SessionID }),
		date("date", func(r *block) document.Date { return r.Date }),
		varchar("block_type", func(r *block) string { return r.BlockType }),
		varcharOrNull("text", func(r *block) nullText { return r.Text }),
		varcharOrNull("tool_name", func(r *block) nullText { return r.ToolName }),
		varcharOrNull("tool_use_id", func(r *block) nullText { return r.ToolUseID }),
		varcharOrNull("input", func(r *block) nullText { return r.Input }),
		booleanOrNull("is_error", func(r *block) nullBool { return r.IsError }),
		varcharOrNull("result_text", func(r *block) nullText { return r.ResultText }),
		bigintOrNull("result_length", func(r *block) nullInt { return r.ResultLength }),
		varcharOrNull("result_sha256", func(r *block) nullText { return r.ResultSHA256 }),
		bigint("char_len", func(r *block) int64 { return r.CharLen }),
		bigintOrNull("clean_length", func(r *block) nullInt { return r.CleanLength }),
		integerOrNull("code_block_count", func(r *block) document.Null[int32] { return r.CodeBlockCount }),
		varcharOrNull("code_languages", func(r *block) nullText { return r.CodeLanguages }),
		varcharOrNull("file_path", func(r *block) nullText { return r.FilePath }),
		varcharOrNull("command", func(r *block) nullText { return r.Command }),
		bigintOrNull("input_lines_added", func(r *block) nullInt { return r.InputLinesAdded }),
		bigintOrNull("input_lines_removed", func(r *block) nullInt { return r.InputLinesRemoved }),
	}
}
