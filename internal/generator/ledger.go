package generator

// Classes of user records (Truth.UserRecords) and kinds of prompts (Truth.Prompts).
const (
	classToolResult   = "tool_result"
	classHuman        = "human"
	classMeta         = "meta"
	classSlash        = "slash"
	classInterrupted  = "interrupted"
	classLocalOutput  = "local_output"
	classTeammate     = "teammate"
	classCompact      = "compact_summary"
	classNotification = "task_notification"
	classBash         = "bash"
	classSidechain    = "sidechain_prompt"
	classOther        = "other" // user records without text: a message that is no object
	kindQueued        = "queued"
)

// Statuses of a tool call.
const (
	statusSuccess     = "success"
	statusError       = "error"
	statusRejected    = "rejected"
	statusDenied      = "denied"
	statusCancelled   = "cancelled"
	statusInterrupted = "interrupted"
	statusTimeout     = "timeout"
	statusPending     = "pending"
	statusOrphan      = "orphan_result"
)

const synthetic = "<synthetic>"

// noTime marks a record without a readable timestamp of its own.
const noTime = int64(-1 << 62)

// response is what the ledger keeps of one assistant response.
type response struct {
	key, session, model string
	first               int64 // earliest readable time of its lines, or noTime
	tokens              Tokens
	text                bool // has a text block with text
	usage               bool // reports usage
	fast                bool // in fast mode
	sidechain, nested   bool
	noMessage           bool
}

type prompt struct {
	session, kind string
	at            int64
}

type toolCall struct {
	session, project, name, status string
	at                             int64
	file                           fileChange
	told                           bool // a record shows what the tool answered, not only that it did
}

type span struct {
	id       string
	from, to int64
	seen     bool
}

// ledger collects the logical records of one unit while they are written.
type ledger struct {
	spans     []*span
	byID      map[string]*span
	responses []*response
	prompts   []prompt
	calls     []*toolCall
	orphans   int64
	classes   map[string]int64
	secrets   []SecretTruth
}

func newLedger() *ledger {
	return &ledger{byID: map[string]*span{}, classes: map[string]int64{}}
}

// session makes a session known; it counts as one once a record with a time touches it.
func (l *ledger) session(id string) *span {
	s := l.byID[id]
	if s == nil {
		s = &span{id: id}
		l.byID[id] = s
		l.spans = append(l.spans, s)
	}
	return s
}

// touch records that a session-making record has this time.
func (l *ledger) touch(id string, at int64) {
	s := l.session(id)
	if at == noTime {
		return
	}
	if !s.seen || at < s.from {
		s.from = at
	}
	if !s.seen || at > s.to {
		s.to = at
	}
	s.seen = true
}

func (l *ledger) prompt(session, kind string, at int64) {
	l.prompts = append(l.prompts, prompt{session, kind, at})
}

func (l *ledger) response(r *response) *response {
	l.responses = append(l.responses, r)
	return r
}

func (l *ledger) call(session, name, status string, at int64) *toolCall {
	c := &toolCall{session: session, name: name, status: status, at: at}
	l.calls = append(l.calls, c)
	return c
}

// tally adds units to a truth.
type tally struct {
	truth *Truth
	days  map[string]*DayTruth
	files *fileTally
}

func newTally(cfg Config) *tally {
	return &tally{truth: newTruth(cfg), days: map[string]*DayTruth{}, files: newFileTally()}
}

func (t *tally) day(at int64) *DayTruth {
	date := ""
	if at != noTime {
		date = day(at)
	}
	d := t.days[date]
	if d == nil {
		d = &DayTruth{Date: date}
		t.days[date] = d
	}
	return d
}

// add counts one unit's ledger.
func (t *tally) add(l *ledger) {
	t.truth.Secrets = append(t.truth.Secrets, l.secrets...)
	sessions := map[string]*SessionTruth{}
	for _, s := range l.spans {
		sessions[s.id] = &SessionTruth{ID: s.id, from: s.from, to: s.to}
	}
	for _, p := range l.prompts {
		t.truth.Prompts[p.kind]++
		t.truth.Messages["user"]++
		t.day(p.at).Prompts++
		t.files.hour(p.at).Messages++
		sessions[p.session].Prompts++
	}
	for _, r := range l.responses {
		t.addResponse(r, sessions[r.session])
	}
	for _, c := range l.calls {
		t.truth.ToolCalls++
		t.truth.ToolStatuses[c.status]++
		if t.truth.Tools[c.name] == nil {
			t.truth.Tools[c.name] = map[string]int64{}
		}
		t.truth.Tools[c.name][c.status]++
		t.day(c.at).ToolCalls++
		t.files.hour(c.at).ToolCalls++
		t.files.call(c)
		sessions[c.session].ToolCalls++
	}
	if l.orphans > 0 {
		t.truth.ToolStatuses[statusOrphan] += l.orphans
	}
	for class, n := range l.classes {
		t.truth.UserRecords[class] += n
	}
	for _, s := range l.spans {
		if !s.seen {
			t.truth.SessionsWithoutStart++
			continue
		}
		row := sessions[s.id]
		row.Start, row.End = isoTime(row.from), isoTime(row.to)
		t.truth.Sessions++
		t.day(row.from).SessionsStarted++
		t.truth.PerSession = append(t.truth.PerSession, *row)
	}
}

func (t *tally) addResponse(r *response, session *SessionTruth) {
	truth := t.truth
	truth.Messages["assistant"]++
	truth.Responses.Total++
	count := func(to *int64, when bool) {
		if when {
			*to++
		}
	}
	count(&truth.Responses.WithText, r.text)
	count(&truth.Responses.Sidechain, r.sidechain)
	count(&truth.Responses.NestedOnly, r.nested)
	count(&truth.Responses.Synthetic, r.model == synthetic)
	count(&truth.Responses.WithoutUsage, !r.usage)
	count(&truth.Responses.NoMessage, r.noMessage)
	day := t.day(r.first)
	day.Responses++
	hour := t.files.hour(r.first)
	count(&hour.Messages, r.text)
	session.Responses++
	if !r.usage || r.model == synthetic {
		return
	}
	truth.APIRequests++
	r.tokens.price(r.model, r.fast)
	truth.ModelCalls[r.model]++
	truth.Tokens.add(r.tokens)
	sum := truth.ModelTokens[r.model]
	sum.add(r.tokens)
	truth.ModelTokens[r.model] = sum
	day.Tokens.add(r.tokens)
	hour.Tokens += r.tokens.Total
	session.Tokens.add(r.tokens)
}

// file counts one *.jsonl file.
func (t *tally) file(f *file) {
	name := PathText(f.path)
	t.truth.Files++
	t.truth.Bytes += int64(len(f.b))
	t.truth.Objects += f.objects
	t.truth.PerFile = append(t.truth.PerFile, FileTruth{
		File: name, Bytes: int64(len(f.b)), Objects: f.objects, Broken: int64(len(f.broken)), Half: f.half != nil,
	})
	for _, p := range f.broken {
		p.File = name
		t.truth.Broken = append(t.truth.Broken, p)
	}
	if f.half != nil {
		p := *f.half
		p.File = name
		t.truth.HalfLines = append(t.truth.HalfLines, p)
	}
}

func (t *tally) close() *Truth {
	t.truth.sorted(t.days)
	t.files.into(t.truth)
	return t.truth
}
