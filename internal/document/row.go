package document

// Row is one row of raw.conversations: a field a column, in the table's order, named by its tag.
type Row struct {
	ID             string          `col:"_id"`
	Type           string          `col:"type"`
	SessionID      Null[string]    `col:"session_id"`
	ProjectID      Null[string]    `col:"project_id"`
	Timestamp      Null[Timestamp] `col:"timestamp"`
	IngestedAt     Null[Timestamp] `col:"ingested_at"`
	ExtractedAt    Timestamp       `col:"extracted_at"`
	MessageRole    Null[string]    `col:"message_role"`
	MessageContent Null[string]    `col:"message_content"`
	MessageRaw     Null[string]    `col:"message_raw"`
	SourceFile     Null[string]    `col:"source_file"`
	Date           Date            `col:"date"`

	Source       string       `col:"source"`
	Namespace    string       `col:"namespace"`
	SourceType   Null[string] `col:"source_type"`
	SourceOffset Null[int64]  `col:"source_offset"`
	Epoch        int64        `col:"_epoch"`
	Seq          int64        `col:"_seq"`

	UUID          Null[string] `col:"uuid"`
	ParentUUID    Null[string] `col:"parent_uuid"`
	IsSidechain   Null[bool]   `col:"is_sidechain"`
	AgentID       Null[string] `col:"agent_id"`
	RequestID     Null[string] `col:"request_id"`
	APIMessageID  Null[string] `col:"api_message_id"`
	Model         Null[string] `col:"model"`
	Cwd           Null[string] `col:"cwd"`
	GitBranch     Null[string] `col:"git_branch"`
	CLIVersion    Null[string] `col:"cli_version"`
	Entrypoint    Null[string] `col:"entrypoint"`
	ContentLength Null[int64]  `col:"content_length"`
	ToolUseResult Null[string] `col:"tool_use_result"`

	EffectiveTimestamp Timestamp    `col:"effective_timestamp"`
	TimestampSource    string       `col:"timestamp_source"`
	ResponseKey        string       `col:"response_key"`
	Subtype            Null[string] `col:"subtype"`
	IsMeta             bool         `col:"is_meta"`
	IsCompactSummary   bool         `col:"is_compact_summary"`
	IsAPIError         bool         `col:"is_api_error"`
	PermissionMode     Null[string] `col:"permission_mode"`
	PromptID           Null[string] `col:"prompt_id"`
	PromptSource       Null[string] `col:"prompt_source"`
	OriginKind         Null[string] `col:"origin_kind"`
	UserType           Null[string] `col:"user_type"`
	TeamName           Null[string] `col:"team_name"`
	AgentName          Null[string] `col:"agent_name"`
	ToolDenialKind     Null[string] `col:"tool_denial_kind"`
	SourceToolUseID    Null[string] `col:"source_tool_use_id"`
	Title              Null[string] `col:"title"`

	InputTokens           Null[int64]   `col:"input_tokens"`
	OutputTokens          Null[int64]   `col:"output_tokens"`
	CacheReadTokens       Null[int64]   `col:"cache_read_tokens"`
	CacheCreationTokens   Null[int64]   `col:"cache_creation_tokens"`
	CacheCreation5mTokens Null[int64]   `col:"cache_creation_5m_tokens"`
	CacheCreation1hTokens Null[int64]   `col:"cache_creation_1h_tokens"`
	WebSearchRequests     Null[int64]   `col:"web_search_requests"`
	WebFetchRequests      Null[int64]   `col:"web_fetch_requests"`
	Speed                 Null[string]  `col:"speed"`
	InferenceGeo          Null[string]  `col:"inference_geo"`
	ServiceTier           Null[string]  `col:"service_tier"`
	StopReason            Null[string]  `col:"stop_reason"`
	Effort                Null[string]  `col:"effort"`
	CostUSD               Null[Decimal] `col:"cost_usd"`
	IsNested              bool          `col:"is_nested"`

	ResultDurationMs   Null[int64]  `col:"result_duration_ms"`
	ResultInterrupted  Null[bool]   `col:"result_interrupted"`
	ResultTimedOutMs   Null[int64]  `col:"result_timed_out_ms"`
	ResultBackgroundID Null[string] `col:"result_background_id"`
	ResultStatus       Null[string] `col:"result_status"`
	ResultAgentID      Null[string] `col:"result_agent_id"`
	ResultAgentType    Null[string] `col:"result_agent_type"`
	ResultFilePath     Null[string] `col:"result_file_path"`
	ResultType         Null[string] `col:"result_type"`
	ResultLinesAdded   Null[int64]  `col:"result_lines_added"`
	ResultLinesRemoved Null[int64]  `col:"result_lines_removed"`
	ResultUserModified Null[bool]   `col:"result_user_modified"`
	ResultText         Null[string] `col:"result_text"`
	ProgressElapsedMs  Null[int64]  `col:"progress_elapsed_ms"`
	ProgressStatus     Null[string] `col:"progress_status"`

	Attributes       Null[string] `col:"attributes"`
	RedactionVersion int32        `col:"redaction_version"`
	// DocRaw is the change's document, not a copy; nil where the change carries none.
	DocRaw []byte `col:"doc_raw"`

	// Issues says what could not be read as it should; not a column.
	Issues Issues `col:"-"`
}

// Block is one row of raw.content_blocks, in the table's order.
type Block struct {
	Source     string       `col:"source"`
	ID         string       `col:"_id"`
	BlockIndex int32        `col:"block_index"`
	SessionID  Null[string] `col:"session_id"`
	Date       Date         `col:"date"`
	BlockType  string       `col:"block_type"`
	Text       Null[string] `col:"text"`
	ToolName   Null[string] `col:"tool_name"`
	ToolUseID  Null[string] `col:"tool_use_id"`
	Input      Null[string] `col:"input"`
	IsError    Null[bool]   `col:"is_error"`

	ResultText     Null[string] `col:"result_text"`
	ResultLength   Null[int64]  `col:"result_length"`
	ResultSHA256   Null[string] `col:"result_sha256"`
	CharLen        int64        `col:"char_len"`
	CleanLength    Null[int64]  `col:"clean_length"`
	CodeBlockCount Null[int32]  `col:"code_block_count"`
	CodeLanguages  Null[string] `col:"code_languages"`

	FilePath          Null[string] `col:"file_path"`
	Command           Null[string] `col:"command"`
	InputLinesAdded   Null[int64]  `col:"input_lines_added"`
	InputLinesRemoved Null[int64]  `col:"input_lines_removed"`
}

// Issue is one way in which a document differs from what its columns can hold. The document converts all the same.
type Issue uint8

// The issues, a closed set: their names are labels of a metric.
const (
	// IssueTimestamp: timestamp is there but cannot be read, or lies outside the years 1 to 9999. The column is NULL.
	IssueTimestamp Issue = iota
	// IssueIngestedAt: the same of ingestedAt.
	IssueIngestedAt
	// IssueSnapshotTimestamp: the same of snapshot.timestamp.
	IssueSnapshotTimestamp
	// IssueText: a text held bytes that are not UTF-8; they became U+FFFD.
	IssueText
	// IssueNumber: a counter, duration or cost is there but is no number that its column can hold. The column is NULL.
	IssueNumber
	// IssueFlag: a flag is there but is no boolean. The column is NULL or false.
	IssueFlag

	issueCount
)

var issueNames = [issueCount]string{"timestamp", "ingested_at", "snapshot_timestamp", "text", "number", "flag"}

// String is the issue's name, as in metrics.
func (i Issue) String() string { return issueNames[i] }

// Issues is a set of Issue.
type Issues uint16

// Has reports whether the set holds i.
func (s Issues) Has(i Issue) bool { return s&(1<<i) != 0 }

func (s *Issues) add(i Issue) { *s |= 1 << i }

// All yields the issues of the set. It is an iter.Seq[Issue].
func (s Issues) All(yield func(Issue) bool) {
	for i := range issueCount {
		if s.Has(i) && !yield(i) {
			return
		}
	}
}

// AllIssues yields every issue there is, so that a metric can start at zero. It is an iter.Seq[Issue].
func AllIssues(yield func(Issue) bool) {
	for i := range issueCount {
		if !yield(i) {
			return
		}
	}
}
