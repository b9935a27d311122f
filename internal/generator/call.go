package generator

import "sort"

// call is one tool call and what comes of it.
type call struct {
	tool     *tool
	name     string
	id       string
	at       int64  // when it was asked for
	uuid     string // of the record that asks
	input    func(w *writer)
	file     fileChange
	ms       int64 // how long it takes
	out      outcome
	children []*subagent
}

// outcome is a tool's result.
type outcome struct {
	status  string
	text    string          // content of the tool_result block
	list    func(w *writer) // … as a list of blocks
	isError tristate
	result  func(w *writer) // toolUseResult
	denial  string          // toolDenialKind
}

// tristate is a boolean that may be absent.
type tristate int8

const (
	absent tristate = iota
	no
	yes
)

// event is something that happens while calls run; events are written in the order of their times.
type event struct {
	at    int64
	write func()
}

// run writes everything that happens until all calls of a response are answered: progress, hooks, sub-agents, results.
// It reports whether all of them were answered.
func (t *thread) run(calls []*call) bool {
	var events []event
	start := t.clock
	complete := true
	for _, c := range calls {
		row := t.u.ledger.call(t.id, c.name, c.out.status, c.at)
		row.project, row.file = t.proj.slug, c.file
		row.told = c.out.result != nil && t.filed && (!t.sidechain || t.ver.agentResults())
		events = append(events, t.spawn(c)...)
		end := c.at + c.ms
		events = append(events, t.hookEvents(c, "PreToolUse", c.at+3)...)
		if c.name == "Bash" && t.ver.hasProgress() && t.filed {
			events = append(events, t.bashProgress(c)...)
		}
		if c.out.status == statusPending {
			complete = false
			continue
		}
		events = append(events, event{end, func() { t.result(c) }})
		events = append(events, t.hookEvents(c, "PostToolUse", end+4)...)
	}
	sort.SliceStable(events, func(i, j int) bool { return events[i].at < events[j].at })
	for _, e := range events {
		t.clock = max(e.at, start)
		e.write()
	}
	return complete
}

// result writes the user record that carries a call's result.
func (t *thread) result(c *call) {
	w := t.open()
	uuid := t.r.uuid()
	w.kstr("type", "user").key("message")
	from := len(w.b)
	w.obj().kstr("role", "user").karr("content")
	c.out.block(w, c.id)
	w.endArr().end()
	message := [2]int{from, len(w.b)}
	t.seal(w, uuid)
	if c.out.result != nil && (!t.sidechain || t.ver.agentResults()) {
		w.key("toolUseResult")
		c.out.result(w)
	}
	if t.ver.hasSourceUUID() {
		w.kstr("sourceToolAssistantUUID", c.uuid)
	}
	if c.out.denial != "" && t.ver.denialKinds() {
		w.kstr("toolDenialKind", c.out.denial)
	}
	if t.mirror != nil {
		t.mirror.add(w.b[message[0]:message[1]], t.clock, uuid, "")
	}
	if !t.filed {
		t.parent, t.odd = uuid, oddity{}
		return
	}
	t.close(w, uuid, true)
	t.u.ledger.classes[classToolResult]++
}

// block writes the tool_result block.
func (o *outcome) block(w *writer, id string) {
	w.obj().kstr("tool_use_id", id).kstr("type", "tool_result").key("content")
	if o.list != nil {
		w.arr()
		o.list(w)
		w.endArr()
	} else {
		w.str(o.text)
	}
	if o.isError != absent {
		w.kbool("is_error", o.isError == yes)
	}
	w.end()
}

// progress writes a progress record; fill writes its data object's fields.
func (t *thread) progress(use, parentUse string, fill func(w *writer)) {
	w := t.open()
	uuid := t.r.uuid()
	w.kstr("type", "progress").kobj("data")
	fill(w)
	w.end().kstr("toolUseID", use).kstr("parentToolUseID", parentUse)
	t.seal(w, uuid)
	if !t.filed {
		t.odd = oddity{}
		return
	}
	parent := t.parent
	t.close(w, uuid, true)
	if t.r.chance(0.5) {
		t.parent = parent // heartbeats hang beside the conversation
	}
}

// hookEvents are the hooks that run before or after a call.
func (t *thread) hookEvents(c *call, hook string, at int64) (events []event) {
	if !t.hooks || !t.ver.hasProgress() {
		return nil
	}
	for n := t.r.intn(3); n > 0; n-- {
		events = append(events, event{at, func() { t.hookProgress(c, hook) }})
	}
	return events
}

func (t *thread) hookProgress(c *call, hook string) {
	t.progress(c.id, c.id, func(w *writer) {
		w.kstr("type", "hook_progress").kstr("hookEvent", hook).kstr("hookName", hook+":"+c.name)
		w.kstr("command", "cd ${CLAUDE_PLUGIN_ROOT}/hooks && bun run ./"+t.proj.lex.types[0]+".ts")
	})
}

// bashProgress are a shell command's heartbeats: every second, later ever more rarely.
func (t *thread) bashProgress(c *call) (events []event) {
	for at, step := int64(2), int64(1); at*1000 < c.ms && len(events) < 90; at += step {
		if at >= 15 {
			step = 5
		}
		events = append(events, event{c.at + at*1000 + 40, func() {
			t.progress("bash-progress-"+string(appendInt(nil, int(at-2))), c.id, func(w *writer) {
				full := ""
				if at > 3 && t.r.chance(0.4) {
					full = tail(c.out.text, 5000)
				}
				w.kstr("type", "bash_progress").kstr("output", tail(full, 180)).kstr("fullOutput", full)
				w.kint("elapsedTimeSeconds", int(at)).kint("totalLines", countLines(full)).kint("timeoutMs", 120000)
			})
		}})
	}
	return events
}
