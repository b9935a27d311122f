package generator

// hardCase is one thing that a reader of transcripts has to survive. It writes records that its session's thread goes
// on with, or files and sessions of its own.
type hardCase struct {
	name string
	make func(t *thread)
}

// hardCases are all of them. Every seed's files hold each at least once.
func hardCases(cfg Config) []hardCase {
	cases := []hardCase{
		{"messages that are no objects", weirdMessages},
		{"tool input as a string", stringInput},
		{"usage null and absent", noUsage},
		{"empty stub after a fallback model", emptyStub},
		{"unreadable and far timestamps", badTimes},
		{"epoch and offset timestamps", epochTimes},
		{"one message id under two request ids", twoRequests},
		{"output tokens that shrink", shrinkingOutput},
		{"a response of only a thinking block", thinkingOnly},
		{"agent_progress without its agent file", hiddenAgents},
		{"the same agent file name in two sessions", sameAgentName},
		{"pending calls and orphan results", pendingAndOrphan},
		{"unknown record types", unknownRecords},
		{"unknown block types", unknownBlocks},
		{"deep nesting", deepNesting},
		{"huge numbers", hugeNumbers},
		{"keys with dots and dollars", strangeKeys},
		{"very long texts", longTexts},
		{"invalid UTF-8 and lone surrogates", brokenText},
		{"missing session ids", missingSession},
		{"dangling parents and several roots", danglingParents},
		{"tool calls as documents", toolDocuments},
		{"cache creation only in the breakdown", cacheBreakdown},
		{"a copy of a file", copiedFile},
		{"a session without any session id", anonymousSession},
		{"strange file names", strangeFileNames},
		{"strange projects", strangeProjects},
		{"a session in two projects", twoProjects},
		{"empty files", emptyFiles},
		{"a workflow with its journal", workflow},
	}
	if cfg.BigLines {
		cases = append(cases, hardCase{"a line of 17 MB", bigLine})
	}
	return cases
}

// hardSpread is over how many units the cases are spread at most.
const hardSpread = 8

// harden adds the cases that fall to this unit, then damages the bytes of its files.
func (u *unit) harden(t *thread) {
	spread := min(hardSpread, u.g.cfg.Sessions/2)
	switch {
	case u.g.cfg.Bytes > 0:
		spread = int(min(hardSpread, u.g.cfg.Bytes/4_000_000))
	case u.g.cfg.Objects > 0:
		spread = int(min(hardSpread, u.g.cfg.Objects/2000))
	}
	spread = max(1, spread)
	for i, c := range hardCases(u.g.cfg) {
		once := u.index == i%spread
		if once || u.index >= spread && c.name != "a line of 17 MB" && u.r.chance(0.04) {
			c.make(t)
			t.wait(1000)
		}
	}
	for i, f := range u.files {
		if u.index == 0 && i == 0 || u.r.chance(0.4) {
			f.damage(u.r.fork(), u.index < spread)
		}
	}
}

// small begins another session beside the unit's own, with a version of the wanted age.
func (u *unit) small(v cli, id string) *thread {
	t := u.newThread(id, u.r.float())
	t.ver, t.team = v, ""
	t.model = "claude-opus-4-6"
	return t
}

// tool lets the thread call a tool in a response of its own.
func (t *thread) tool(c *call) bool {
	t.wait(2000)
	t.answer(reply{blocks: []block{{call: c}}, model: t.model, usage: t.spend(200), stop: "tool_use"})
	return t.run([]*call{c})
}

// text lets the thread answer.
func (t *thread) text(text string) *response {
	t.wait(2000)
	return t.answer(reply{blocks: []block{{text: text}}, model: t.model, usage: t.spend(len(text)/4 + 1), stop: "end_turn"})
}

// say lets the user ask.
func (t *thread) say(text string) {
	t.wait(3000)
	t.user(classHuman, said(text), nil)
}

// lineSpec is an assistant line that no release would write on purpose.
type lineSpec struct {
	id, request, model string
	content, usage     func(w *writer) // usage nil: absent
	fields             func(w *writer) // of the record
}

// line writes an assistant line; the ledger is the caller's.
func (t *thread) line(s lineSpec) {
	w := t.open()
	uuid := t.r.uuid()
	w.kstr("type", "assistant").kobj("message").kstr("id", s.id).kstr("type", "message").kstr("role", "assistant").kstr("model", s.model)
	w.key("content")
	s.content(w)
	if s.usage != nil {
		w.key("usage")
		s.usage(w)
	}
	w.end()
	if s.request != "" {
		w.kstr("requestId", s.request)
	}
	if s.fields != nil {
		s.fields(w)
	}
	t.seal(w, uuid)
	t.close(w, uuid, true)
}

// textBlock is a content of one text block.
func textBlock(text string) func(*writer) {
	return func(w *writer) { w.arr().obj().kstr("type", "text").kstr("text", text).end().endArr() }
}

// plainUsage reports tokens without a cache.
func plainUsage(input, output int) func(*writer) {
	return func(w *writer) {
		w.obj().kint("input_tokens", input).kint("output_tokens", output).kint("cache_read_input_tokens", 0).kint("cache_creation_input_tokens", 0).end()
	}
}

// record writes a record of any type with an envelope; fill writes the fields behind the type.
func (t *thread) record(kind string, counts bool, fill func(w *writer)) {
	t.odd.untyped = kind == ""
	w := t.open()
	uuid := t.r.uuid()
	if kind != "" {
		w.kstr("type", kind)
	}
	fill(w)
	t.seal(w, uuid)
	t.close(w, uuid, counts)
}
