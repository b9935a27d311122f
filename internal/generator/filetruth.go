package generator

import (
	"sort"
	"strings"
	"time"
)

// fileChange is what a call of a tool that reads or writes a file does if it succeeds.
type fileChange struct {
	operation string // read, write, edit, multi_edit; empty: the call has nothing to do with a file
	path      string
	create    bool
	patch     lineCount // as the result tells
	asked     lineCount // as the input alone would tell
}

type lineCount struct{ added, removed int64 }

// FilesTruth is what the calls of tools for files come to. Lines are those of the result's patch; where a call's record
// shows no result they are told from the input: what is not common to the old and the new text, all of a text that is
// written. Only calls that succeeded count, but for Operations.
type FilesTruth struct {
	Operations map[string]map[string]int64 `json:"operations"` // by type and status
	Days       []FileCount                 `json:"days"`
	Sessions   []FileCount                 `json:"sessions"`
}

// FileCount counts the file operations of a UTC date or of a session. Files are distinct within a project.
type FileCount struct {
	Key        string           `json:"key"` // the date or the session
	Operations map[string]int64 `json:"operations"`
	Modified   int64            `json:"modified"`
	Created    int64            `json:"created"`
	Read       int64            `json:"read"`
	Added      int64            `json:"added"`
	Removed    int64            `json:"removed"`

	modified, created, read map[string]bool
}

// HourTruth counts what falls into one hour of a UTC date.
type HourTruth struct {
	Date      string `json:"date"`
	Hour      int    `json:"hour"`
	Messages  int64  `json:"messages"` // prompts, and responses with text
	ToolCalls int64  `json:"tool_calls"`
	Tokens    int64  `json:"tokens"`
}

// fileTally adds up file operations and hours.
type fileTally struct {
	operations     map[string]map[string]int64
	days, sessions map[string]*FileCount
	hours          map[string]*HourTruth
}

func newFileTally() *fileTally {
	return &fileTally{
		operations: map[string]map[string]int64{}, days: map[string]*FileCount{}, sessions: map[string]*FileCount{}, hours: map[string]*HourTruth{},
	}
}

// call counts one tool call.
func (t *fileTally) call(c *toolCall) {
	if c.file.operation == "" {
		return
	}
	statuses := t.operations[c.file.operation]
	if statuses == nil {
		statuses = map[string]int64{}
		t.operations[c.file.operation] = statuses
	}
	statuses[c.status]++
	if c.status != statusSuccess {
		return
	}
	date := ""
	if c.at != noTime {
		date = day(c.at)
	}
	countFile(t.days, date, c)
	countFile(t.sessions, c.session, c)
}

func countFile(all map[string]*FileCount, key string, c *toolCall) {
	n := all[key]
	if n == nil {
		n = &FileCount{Key: key, Operations: map[string]int64{}, modified: map[string]bool{}, created: map[string]bool{}, read: map[string]bool{}}
		all[key] = n
	}
	n.Operations[c.file.operation]++
	lines := c.file.asked
	if c.told {
		lines = c.file.patch
	}
	n.Added += lines.added
	n.Removed += lines.removed
	name := c.project + "\x00" + c.file.path
	if c.file.operation == "read" {
		n.read[name] = true
	} else {
		n.modified[name] = true
	}
	if c.file.create && c.told {
		n.created[name] = true
	}
}

func (t *fileTally) hour(at int64) *HourTruth {
	if at == noTime {
		return &HourTruth{} // nobody asks for it
	}
	moment := time.UnixMilli(at).UTC()
	key := moment.Format("2006-01-02 15")
	h := t.hours[key]
	if h == nil {
		h = &HourTruth{Date: day(at), Hour: moment.Hour()}
		t.hours[key] = h
	}
	return h
}

// into writes what was added up.
func (t *fileTally) into(truth *Truth) {
	truth.FileOperations = FilesTruth{Operations: t.operations, Days: sortedCounts(t.days), Sessions: sortedCounts(t.sessions)}
	truth.Hours = make([]HourTruth, 0, len(t.hours))
	for _, h := range t.hours {
		truth.Hours = append(truth.Hours, *h)
	}
	sort.Slice(truth.Hours, func(i, j int) bool {
		a, b := truth.Hours[i], truth.Hours[j]
		return a.Date < b.Date || a.Date == b.Date && a.Hour < b.Hour
	})
}

func sortedCounts(all map[string]*FileCount) []FileCount {
	out := make([]FileCount, 0, len(all))
	for _, n := range all {
		n.Modified, n.Created, n.Read = int64(len(n.modified)), int64(len(n.created)), int64(len(n.read))
		out = append(out, *n)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Key < out[j].Key })
	return out
}

// differingLines are the lines of two texts that are not in a longest common part.
func differingLines(from, to string) lineCount {
	split := func(text string) []string {
		if text == "" {
			return nil
		}
		return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	}
	a, b := split(from), split(to)
	longest := make([][]int64, len(a)+1) // of the ends from i and j on
	for i := range longest {
		longest[i] = make([]int64, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if longest[i][j] = max(longest[i+1][j], longest[i][j+1]); a[i] == b[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			}
		}
	}
	return lineCount{added: int64(len(b)) - longest[0][0], removed: int64(len(a)) - longest[0][0]}
}
