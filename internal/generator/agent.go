package generator

// subagent is a conversation that a tool call starts.
type subagent struct {
	id, kind, about, prompt string
	model                   string
	responses               int
	async                   bool   // launched; its end is told later
	folder                  string // where its file goes, below the session's folder; empty: the usual place
}

// agentReplies is how many responses a sub-agent gives.
var agentReplies = curve{{0, 1}, {0.25, 3}, {0.5, 7}, {0.9, 25}, {1, 70}}

var agentKinds = []string{"Explore", "Explore", "general-purpose", "general-purpose", "Plan", "code-reviewer", "test-runner"}

func buildAgent(t *thread, c *call) {
	a := &subagent{
		kind: pick(t.r, agentKinds), about: t.drawn("~V the ~n"), prompt: t.answerProse(curve{{0, 200}, {0.5, 900}, {1, 5000}}, 0.05),
		model: t.model, responses: int(agentReplies.draw(t.r)), async: t.ver.since(2, 1, 64) && t.r.chance(0.12),
	}
	a.id = "a" + t.r.hex(6)
	if t.ver.since(2, 1, 64) {
		a.id = "a" + t.r.hex(16)
	}
	if a.kind == "Explore" {
		a.model = t.ver.smallModel()
	}
	c.input = func(w *writer) {
		w.obj().kstr("subagent_type", a.kind).kstr("description", a.about).kstr("prompt", a.prompt)
		if a.async {
			w.kbool("run_in_background", true)
		}
		w.end()
	}
	c.children = []*subagent{a}
}

// buildWorkflow starts several agents whose files stand together, with a journal that is no conversation.
func buildWorkflow(t *thread, c *call) {
	run := "wf_" + t.r.hex(8)
	folder := "subagents/workflows/" + run
	for range t.r.between(2, 4) {
		c.children = append(c.children, &subagent{
			id: "a" + t.r.hex(16), kind: "general-purpose", about: t.drawn("~V ~n"), prompt: t.drawn("~S ~S"), model: t.model,
			responses: t.r.between(1, 6), folder: folder,
		})
	}
	script := t.drawn("~v-~n")
	c.input = func(w *writer) { w.obj().kstr("name", script).end() }
	c.out.text = "Workflow " + script + " finished"
	c.out.result = func(w *writer) {
		w.obj().kstr("status", "completed").kstr("runId", run).kstr("transcriptDir", t.proj.home+"/.claude/projects/"+t.folder()+"/"+folder).end()
	}
	journal := t.u.newFile(t.folder() + "/" + folder + "/journal.jsonl")
	for _, a := range c.children {
		w := &t.u.w
		w.line()
		w.obj().kstr("type", "started").kstr("key", a.about).kstr("agentId", a.id).end()
		t.u.put(journal, w, "", t.clock)
	}
	for _, a := range c.children {
		w := &t.u.w
		w.line()
		w.obj().kstr("type", "result").kstr("key", a.about).kstr("agentId", a.id).kobj("result").kbool("ok", true).end().end()
		t.u.put(journal, w, "", t.clock)
	}
}

// folder is where a session keeps what does not go into its own file.
func (s *session) folder() string { return s.proj.slug + "/" + s.id }

func (t *thread) agentFile(a *subagent) *file {
	switch {
	case t.ver.inlineSidechain():
		return t.f
	case a.folder != "":
		return t.u.newFile(t.folder() + "/" + a.folder + "/agent-" + a.id + ".jsonl")
	case t.ver.agentsBeside():
		return t.u.newFile(t.proj.slug + "/agent-" + a.id + ".jsonl")
	}
	return t.u.newFile(t.folder() + "/subagents/agent-" + a.id + ".jsonl")
}

// spawn lets a call's sub-agents work, each on its own clock, and returns what the caller's transcript shows of it.
func (t *thread) spawn(c *call) (events []event) {
	for i, a := range c.children {
		child := &thread{session: t.session, r: t.r.fork(), clock: max(c.at, t.clock) + int64(2+i), model: a.model, sidechain: true, agentID: a.id, filed: true}
		if t.ver.inlineSidechain() {
			child.agentID = ""
		}
		if t.ver.hasProgress() && (t.u.hideAgents || t.r.chance(0.65)) {
			child.mirror = &mirror{}
			// Some agents' files are missing; then the progress records are all there is.
			child.filed = !t.u.hideAgents && !t.r.chance(0.06)
		}
		if child.filed {
			child.f = t.agentFile(a)
			t.describe(c, a)
		}
		final, used, tools := child.work(a)
		if child.mirror != nil {
			for _, m := range child.mirror.lines {
				events = append(events, event{m.at, func() { t.agentProgress(c, a, m) }})
			}
		}
		t.report(c, a, child, final, used, tools)
	}
	return events
}

// describe writes the sub-agent's meta.json.
func (t *thread) describe(c *call, a *subagent) {
	if t.ver.inlineSidechain() || t.ver.agentsBeside() {
		return
	}
	w := &writer{}
	w.obj().kstr("agentType", a.kind).kstr("description", a.about)
	if t.ver.since(2, 1, 97) {
		w.kstr("toolUseId", c.id).kint("spawnDepth", 1)
	}
	w.end()
	folder := a.folder
	if folder == "" {
		folder = "subagents"
	}
	t.u.sidecars = append(t.u.sidecars, sidecar{t.folder() + "/" + folder + "/agent-" + a.id + ".meta.json", append(w.b, '\n')})
}

// work is a sub-agent's conversation.
func (t *thread) work(a *subagent) (final string, used usage, tools int) {
	uuid := t.user(classSidechain, said(a.prompt), nil)
	if t.mirror != nil {
		w := &writer{}
		w.obj().kstr("role", "user").karr("content").obj().kstr("type", "text").kstr("text", a.prompt).end().endArr().end()
		t.mirror.add(w.b, t.clock, uuid, "")
	}
	for i := 0; i < a.responses; i++ {
		t.wait(firstByte.draw(t.r))
		calls := t.step(false)
		tools += len(calls)
		t.run(calls)
	}
	t.wait(firstByte.draw(t.r))
	final = t.answerProse(curve{{0, 200}, {0.5, 1500}, {0.9, 6000}, {1, 14000}}, 0.1)
	used = t.spend(int(outputs.draw(t.r)) + len(final)/4)
	t.answer(reply{blocks: []block{{text: final}}, model: t.model, usage: used, stop: "end_turn"})
	return final, used, tools
}

// report is what the caller gets back from a sub-agent.
func (t *thread) report(c *call, a *subagent, child *thread, final string, used usage, tools int) {
	took := child.clock - c.at
	c.ms = max(c.ms, took+int64(t.r.between(2, 400)))
	if a.folder != "" {
		return
	}
	if a.async {
		c.ms = int64(t.r.between(5, 60))
		c.out.text = "Async agent launched successfully.\nagentId: " + a.id
		c.out.result = func(w *writer) {
			w.obj().kbool("isAsync", true).kstr("status", "async_launched").kstr("agentId", a.id).kstr("description", a.about).kstr("prompt", a.prompt).end()
		}
		t.u.notices = append(t.u.notices, notice{id: a.id, about: a.about, at: child.clock})
		return
	}
	total := used.input + used.output + used.read + used.write5m + used.write1h
	c.out.list = func(w *writer) {
		w.obj().kstr("type", "text").kstr("text", final).end()
		if t.ver.hasProgress() {
			w.obj().kstr("type", "text").kstr("text", "agentId: "+a.id+" (for resuming to continue this agent's work if needed)").end()
		}
	}
	c.out.result = func(w *writer) {
		w.obj()
		if t.ver.since(2, 0, 0) {
			w.kstr("status", "completed").kstr("prompt", a.prompt).kstr("agentId", a.id)
		}
		if t.ver.since(2, 1, 97) {
			w.kstr("agentType", a.kind).kstr("resolvedModel", a.model)
		}
		w.karr("content").obj().kstr("type", "text").kstr("text", final).end().endArr()
		w.kint("totalDurationMs", int(took)).kint("totalTokens", total).kint("totalToolUseCount", tools)
		used.write(w, t.ver, used.output)
		w.end()
	}
}

// mirror collects the lines of a sub-agent that its caller shows as agent_progress.
type mirror struct{ lines []mirrored }

type mirrored struct {
	at                  int64
	message             []byte // JSON
	uuid, request, kind string
}

func (m *mirror) add(message []byte, at int64, uuid, request string) {
	kind := "user"
	if request != "" {
		kind = "assistant"
	}
	m.lines = append(m.lines, mirrored{at, append([]byte(nil), message...), uuid, request, kind})
}

// agentProgress writes one line of a sub-agent into its caller's transcript.
func (t *thread) agentProgress(c *call, a *subagent, m mirrored) {
	t.progress("agent_"+m.uuid[:8], c.id, func(w *writer) {
		w.kobj("message").kstr("type", m.kind).key("timestamp").when(m.at).kraw("message", string(m.message))
		if m.request != "" {
			w.kstr("requestId", m.request)
		}
		w.kstr("uuid", m.uuid).end()
		w.karr("normalizedMessages").endArr().kstr("type", "agent_progress").kstr("prompt", a.prompt).kstr("agentId", a.id)
	})
}
