package generator

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
)

// Truth is what a correct pipeline must find in the generated files. It is put together while they are generated, from
// what each record was meant to be; nothing is read back. Its JSON (truth.json) is stable: lists are sorted, maps have
// sorted keys.
//
// The rules it follows:
//
//   - An object is a JSON object that a correct reader delivers: every whole one, several on a line, behind a byte order
//     mark or NUL bytes, with any white space, with invalid UTF-8 in its strings; behind a cut one, whole objects that
//     run to the end of the line, if they have a type and one of uuid, sessionId, timestamp, messageId, leafUuid, summary.
//   - Everything counted below objects and files is counted once per logical record: a copy under another session or in
//     another file (same uuid, same message id, same tool_use id) adds nothing, and belongs to the session that was
//     first: copies never begin earlier, and sort behind it by session id.
//   - A session has a start when a record of type user, assistant, system, progress, or a queued_command attachment has
//     a readable timestamp of its own. Only those are sessions (rows of dim_sessions).
//   - A response is all lines of type assistant with the same key (message id, else request id, else uuid), and those
//     nested in agent_progress records. Its usage is that of the line with most output tokens; its day and time are the
//     earliest readable timestamp among its lines. <synthetic> replies are responses without tokens.
//   - Cache creation is the larger of the flat figure and the sum of the 5-minute and 1-hour figures.
//   - A request costs what its model's tokens cost by list, in fast mode a multiple, and a cent for each web search.
//   - A tool call is a tool_use id, wherever it stands; an orphan result (its call was never written) is counted with
//     status orphan_result and without a tool.
//   - Days are UTC dates of those times; the day "" holds what has no readable time of its own.
type Truth struct {
	Seed uint64 `json:"seed"`
	Hard bool   `json:"hard"`

	Files   int   `json:"files"`   // *.jsonl files, empty ones included
	Bytes   int64 `json:"bytes"`   // their size
	Objects int64 `json:"objects"` // rows of raw.conversations

	Broken    []Place `json:"broken"`     // dead letters: one for each contiguous broken part of a line
	HalfLines []Place `json:"half_lines"` // last lines without a line feed, still being written: no dead letter

	Sessions             int `json:"sessions"`               // rows of dim_sessions
	SessionsWithoutStart int `json:"sessions_without_start"` // titles and state only

	Prompts      map[string]int64            `json:"prompts"`       // by kind: human, queued, bash, slash
	UserRecords  map[string]int64            `json:"user_records"`  // classes of user records; see the constants
	Messages     map[string]int64            `json:"messages"`      // rows of fct_messages by role
	Responses    Responses                   `json:"responses"`     // of which …
	APIRequests  int64                       `json:"api_requests"`  // responses with a usage, without <synthetic>
	ToolCalls    int64                       `json:"tool_calls"`    // tool_use ids, without orphan results
	ToolStatuses map[string]int64            `json:"tool_statuses"` // rows of fct_tool_calls by status
	Tools        map[string]map[string]int64 `json:"tools"`         // by name and status

	Tokens      Tokens            `json:"tokens"`
	ModelTokens map[string]Tokens `json:"model_tokens"` // <synthetic> is left out
	ModelCalls  map[string]int64  `json:"model_calls"`  // api requests by model

	FileOperations FilesTruth `json:"file_operations"`

	Days       []DayTruth     `json:"days"`
	Hours      []HourTruth    `json:"hours"` // without what has no readable time of its own
	PerSession []SessionTruth `json:"per_session"`
	PerFile    []FileTruth    `json:"per_file"`

	Secrets []SecretTruth `json:"secrets,omitempty"` // what was planted; none was ever valid
}

// Responses counts assistant responses. Sidechain, Nested, Synthetic and the like are parts of Total.
type Responses struct {
	Total        int64 `json:"total"`
	WithText     int64 `json:"with_text"`     // at least one text block with text
	Sidechain    int64 `json:"sidechain"`     // of sub-agents, inline or in their own files, or only in agent_progress
	NestedOnly   int64 `json:"nested_only"`   // seen only inside agent_progress records
	Synthetic    int64 `json:"synthetic"`     // <synthetic> API-error replies
	WithoutUsage int64 `json:"without_usage"` // usage absent or null; not in APIRequests
	NoMessage    int64 `json:"no_message"`    // records of type assistant whose message is no object
}

// Tokens are sums by class, after deduplication.
type Tokens struct {
	Input         int64 `json:"input"`
	Output        int64 `json:"output"`
	CacheRead     int64 `json:"cache_read"`
	CacheCreation int64 `json:"cache_creation"`    // max(flat, 5m + 1h)
	Cache5m       int64 `json:"cache_creation_5m"` // CacheCreation without Cache1h
	Cache1h       int64 `json:"cache_creation_1h"`
	Total         int64 `json:"total"` // Input + Output + CacheRead + CacheCreation
	WebSearches   int64 `json:"web_searches"`
	Cost          int64 `json:"cost_billionths"` // of a dollar, of the requests that have a price
	Unpriced      int64 `json:"unpriced"`        // requests without one
}

func (t *Tokens) add(o Tokens) {
	t.Input += o.Input
	t.Output += o.Output
	t.CacheRead += o.CacheRead
	t.CacheCreation += o.CacheCreation
	t.Cache5m += o.Cache5m
	t.Cache1h += o.Cache1h
	t.Total += o.Total
	t.WebSearches += o.WebSearches
	t.Cost += o.Cost
	t.Unpriced += o.Unpriced
}

// Place is a part of a file. File is relative to the generated folder, written by PathText; Offset and Size are in bytes.
type Place struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"`
	Reason string `json:"reason"` // what was done there
}

// DayTruth counts what falls on one UTC date.
type DayTruth struct {
	Date            string `json:"date"`
	SessionsStarted int64  `json:"sessions_started"`
	Prompts         int64  `json:"prompts"`
	Responses       int64  `json:"responses"`
	ToolCalls       int64  `json:"tool_calls"`
	Tokens          Tokens `json:"tokens"`
}

// SessionTruth is one row of dim_sessions. Start and End are ISO times in milliseconds.
type SessionTruth struct {
	ID        string `json:"id"`
	Start     string `json:"start"`
	End       string `json:"end"`
	Prompts   int64  `json:"prompts"` // all kinds
	Responses int64  `json:"responses"`
	ToolCalls int64  `json:"tool_calls"`
	Tokens    Tokens `json:"tokens"`

	from, to int64
}

// FileTruth is one *.jsonl file.
type FileTruth struct {
	File    string `json:"file"`
	Bytes   int64  `json:"bytes"`
	Objects int64  `json:"objects"`
	Broken  int64  `json:"broken"`
	Half    bool   `json:"half"`
}

func newTruth(cfg Config) *Truth {
	return &Truth{
		Seed: cfg.Seed, Hard: cfg.Hard, Broken: []Place{}, HalfLines: []Place{},
		Prompts: map[string]int64{}, UserRecords: map[string]int64{}, Messages: map[string]int64{},
		ToolStatuses: map[string]int64{}, Tools: map[string]map[string]int64{},
		ModelTokens: map[string]Tokens{}, ModelCalls: map[string]int64{},
	}
}

// sorted brings the lists into their stable order.
func (t *Truth) sorted(days map[string]*DayTruth) {
	t.Days = make([]DayTruth, 0, len(days))
	for _, d := range days {
		t.Days = append(t.Days, *d)
	}
	sort.Slice(t.Days, func(i, j int) bool { return t.Days[i].Date < t.Days[j].Date })
	sort.Slice(t.PerSession, func(i, j int) bool { return t.PerSession[i].ID < t.PerSession[j].ID })
	sort.Slice(t.PerFile, func(i, j int) bool { return t.PerFile[i].File < t.PerFile[j].File })
	for _, places := range [][]Place{t.Broken, t.HalfLines} {
		sort.Slice(places, func(i, j int) bool {
			if places[i].File != places[j].File {
				return places[i].File < places[j].File
			}
			return places[i].Offset < places[j].Offset
		})
	}
}

// TruthFile is the name, in the generated folder, of the truth.
const TruthFile = "truth.json"

// write stores the truth as JSON.
func (t *Truth) write(dir string) error {
	text, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return fmt.Errorf("encode truth: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, TruthFile), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write truth: %w", err)
	}
	return nil
}

// ReadTruth reads the truth of a generated folder.
func ReadTruth(dir string) (*Truth, error) {
	text, err := os.ReadFile(filepath.Join(dir, TruthFile))
	if err != nil {
		return nil, fmt.Errorf("read truth: %w", err)
	}
	t := &Truth{}
	if err := json.Unmarshal(text, t); err != nil {
		return nil, fmt.Errorf("decode truth: %w", err)
	}
	return t, nil
}

// PathText writes a path so that it fits into JSON: bytes that are not valid UTF-8, and '%', become %XX.
func PathText(path string) string {
	var b []byte
	for i, c := range path {
		switch {
		case c == '%', c == '�' && path[i] != 0xEF:
			b = append(b, '%', "0123456789ABCDEF"[path[i]>>4], "0123456789ABCDEF"[path[i]&15])
		default:
			b = append(b, string(c)...)
		}
	}
	return string(b)
}
