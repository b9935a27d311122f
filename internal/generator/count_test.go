package generator

import (
	"encoding/json"
	"regexp"
	"sort"
	"strings"
	"time"
)

// counted is what the slow reader makes of the objects, by the rules of Truth.
type counted struct {
	prompts, tools, statuses, calls map[string]int64
	responses, requests, withText   int64
	synthetic, noMessage            int64
	toolCalls                       int64
	tokens                          Tokens
	models                          map[string]Tokens
	sessions                        map[string]*SessionTruth
	days                            map[string]*DayTruth
	uses                            map[string]use
	results                         map[string]map[string]any
	carriers                        map[string]map[string]any
	groups                          map[string]*group
	order                           []string
}

type use struct {
	name, session string
	at            int64
}

type group struct {
	session, model  string
	first           int64
	output          int64
	usage           map[string]any
	text, noMessage bool
}

type entry struct {
	object  map[string]any
	session string
	at      int64
}

func str(v any) string { s, _ := v.(string); return s }

func object(v any) map[string]any { m, _ := v.(map[string]any); return m }

func integer(v any) int64 {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return i
}

// sessionOf follows the rule: sessionId, else the parent session from the path, else the file's stem.
func sessionOf(path string, o map[string]any) string {
	if id := str(o["sessionId"]); id != "" {
		return id
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if part == "subagents" {
			return parts[i-1]
		}
	}
	return strings.TrimSuffix(parts[len(parts)-1], ".jsonl")
}

func parseTime(v any) int64 {
	switch v := v.(type) {
	case json.Number:
		n, err := v.Int64()
		if err != nil || n > 253402300800000 {
			return noTime
		}
		if n < 1e11 {
			n *= 1000
		}
		return n
	case string:
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
			if at, err := time.Parse(layout, v); err == nil {
				return at.UnixMilli()
			}
		}
	}
	return noTime
}

// count applies the rules to all files.
func count(files []*found) *counted {
	c := &counted{
		prompts: map[string]int64{}, tools: map[string]int64{}, statuses: map[string]int64{}, calls: map[string]int64{},
		models: map[string]Tokens{}, sessions: map[string]*SessionTruth{}, days: map[string]*DayTruth{},
		uses: map[string]use{}, results: map[string]map[string]any{}, carriers: map[string]map[string]any{}, groups: map[string]*group{},
	}
	var entries []entry
	for _, f := range files {
		for _, o := range f.objects {
			entries = append(entries, entry{o, sessionOf(f.path, o), parseTime(o["timestamp"])})
		}
	}
	// The smallest session id is a fork's original.
	sort.SliceStable(entries, func(i, j int) bool { return entries[i].session < entries[j].session })
	seen := map[string]bool{}
	for _, e := range entries {
		if id := str(e.object["uuid"]); id != "" {
			if seen[id] {
				continue
			}
			seen[id] = true
		}
		c.record(e)
	}
	c.finish()
	return c
}

func (c *counted) session(id string) *SessionTruth {
	s := c.sessions[id]
	if s == nil {
		s = &SessionTruth{ID: id, from: noTime, to: noTime}
		c.sessions[id] = s
	}
	return s
}

func (c *counted) day(at int64) *DayTruth {
	date := ""
	if at != noTime {
		date = time.UnixMilli(at).UTC().Format("2006-01-02")
	}
	if c.days[date] == nil {
		c.days[date] = &DayTruth{Date: date}
	}
	return c.days[date]
}

func (c *counted) record(e entry) {
	o, kind := e.object, str(e.object["type"])
	attachment := object(o["attachment"])
	queued := kind == "attachment" && str(attachment["type"]) == "queued_command"
	s := c.session(e.session)
	switch {
	case queued, kind == "user", kind == "assistant", kind == "system", kind == "progress":
		if e.at != noTime && (s.from == noTime || e.at < s.from) {
			s.from = e.at
		}
		if e.at != noTime && e.at > s.to {
			s.to = e.at
		}
	}
	switch {
	case queued:
		c.prompt(e, "queued")
	case kind == "tool_use":
		c.use(e, o)
	case kind == "tool_result":
		c.result(o, o)
	case kind == "user":
		c.user(e, o["message"], o)
	case kind == "assistant":
		c.assistant(e, o["message"], str(o["requestId"]))
	case kind == "progress" && str(object(o["data"])["type"]) == "agent_progress":
		nested := object(object(o["data"])["message"])
		if str(nested["type"]) == "assistant" {
			c.assistant(e, nested["message"], str(nested["requestId"]))
		} else {
			c.blocks(e, nested["message"], o)
		}
	}
}

func (c *counted) prompt(e entry, kind string) {
	c.prompts[kind]++
	c.session(e.session).Prompts++
	c.day(e.at).Prompts++
}

// blocks notes tool calls and results, and returns a message's text and whether it carries results.
func (c *counted) blocks(e entry, message any, carrier map[string]any) (text string, results bool) {
	if s, ok := message.(string); ok {
		return s, false
	}
	switch content := object(message)["content"].(type) {
	case string:
		return content, false
	case []any:
		for _, b := range content {
			block := object(b)
			switch str(block["type"]) {
			case "text":
				text += str(block["text"])
			case "tool_use":
				c.use(e, block)
			case "tool_result":
				c.result(block, carrier)
				results = true
			}
		}
	}
	return text, results
}

func (c *counted) use(e entry, block map[string]any) {
	id := str(block["id"])
	if _, known := c.uses[id]; !known {
		c.uses[id] = use{str(block["name"]), e.session, e.at}
	}
}

func (c *counted) result(block, carrier map[string]any) {
	id := str(block["tool_use_id"])
	if c.results[id] == nil || object(carrier["toolUseResult"]) != nil {
		c.results[id], c.carriers[id] = block, carrier
	}
}

func (c *counted) user(e entry, message any, o map[string]any) {
	text, results := c.blocks(e, message, o)
	if results || text == "" || o["isMeta"] == true || o["isCompactSummary"] == true {
		return
	}
	for _, other := range []string{"[Request interrupted", "<local-command-", "<bash-stdout>", "<teammate-message", "<task-notification>"} {
		if strings.HasPrefix(text, other) {
			return
		}
	}
	switch {
	case strings.HasPrefix(text, "<command-name>"):
		c.prompt(e, "slash")
	case strings.HasPrefix(text, "<bash-input>"):
		c.prompt(e, "bash")
	case o["isSidechain"] != true:
		c.prompt(e, "human")
	}
}

func (c *counted) assistant(e entry, message any, request string) {
	m := object(message)
	key := str(m["id"])
	if key == "" {
		key = request
	}
	g := c.groups[key]
	if g == nil {
		g = &group{session: e.session, first: noTime, output: -1, noMessage: m == nil}
		c.groups[key] = g
		c.order = append(c.order, key)
	}
	text, _ := c.blocks(e, message, e.object)
	g.text = g.text || text != ""
	if g.model == "" {
		g.model = str(m["model"])
	}
	if e.at != noTime && (g.first == noTime || e.at < g.first) {
		g.first = e.at
	}
	if usage := object(m["usage"]); usage != nil && integer(usage["output_tokens"]) > g.output {
		g.output, g.usage, g.model = integer(usage["output_tokens"]), usage, str(m["model"])
	}
}

func tokensOf(usage map[string]any) Tokens {
	split := object(usage["cache_creation"])
	t := Tokens{
		Input: integer(usage["input_tokens"]), Output: integer(usage["output_tokens"]), CacheRead: integer(usage["cache_read_input_tokens"]),
		Cache1h:     integer(split["ephemeral_1h_input_tokens"]),
		WebSearches: integer(object(usage["server_tool_use"])["web_search_requests"]),
	}
	t.CacheCreation = max(integer(usage["cache_creation_input_tokens"]), integer(split["ephemeral_5m_input_tokens"])+t.Cache1h)
	t.Cache5m = t.CacheCreation - t.Cache1h
	t.Total = t.Input + t.Output + t.CacheRead + t.CacheCreation
	return t
}

func (c *counted) finish() {
	for _, key := range c.order {
		g := c.groups[key]
		c.responses++
		s, d := c.session(g.session), c.day(g.first)
		s.Responses++
		d.Responses++
		if g.text {
			c.withText++
		}
		if g.noMessage {
			c.noMessage++
		}
		if g.model == "<synthetic>" {
			c.synthetic++
			continue
		}
		if g.usage == nil {
			continue
		}
		c.requests++
		c.calls[g.model]++
		spent := tokensOf(g.usage)
		spent.price(g.model, str(g.usage["speed"]) == "fast")
		c.tokens.add(spent)
		sum := c.models[g.model]
		sum.add(spent)
		c.models[g.model] = sum
		s.Tokens.add(spent)
		d.Tokens.add(spent)
	}
	for id, u := range c.uses {
		c.toolCalls++
		c.tools[u.name]++
		c.statuses[status(c.results[id], c.carriers[id])]++
		c.session(u.session).ToolCalls++
		c.day(u.at).ToolCalls++
	}
	for id := range c.results {
		if _, known := c.uses[id]; !known {
			c.statuses["orphan_result"]++
		}
	}
}

var denied = regexp.MustCompile(`Permission to .* denied`)

// status follows the precedence of the models' definitions.
func status(result, carrier map[string]any) string {
	if result == nil {
		return "pending"
	}
	text := str(result["content"])
	details := object(carrier["toolUseResult"])
	isError := result["is_error"] == true
	switch {
	case isError && strings.Contains(text, "The user doesn't want to proceed"), str(carrier["toolDenialKind"]) == "user-rejected":
		return "rejected"
	case isError && denied.MatchString(text):
		return "denied"
	case isError && strings.Contains(text, "Sibling tool call errored"):
		return "cancelled"
	case details["interrupted"] == true, strings.HasPrefix(text, "[Request interrupted"):
		return "interrupted"
	case isError && strings.Contains(text, "timed out"):
		return "timeout"
	case isError:
		return "error"
	}
	return "success"
}
