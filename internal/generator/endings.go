package generator

// notice is a background task whose end has yet to be told.
type notice struct {
	id, about string
	at        int64
}

// deliver tells the ends of background tasks that are over.
func (t *thread) deliver() {
	for len(t.u.notices) > 0 && t.u.notices[0].at <= t.clock {
		n := t.u.notices[0]
		t.u.notices = t.u.notices[1:]
		text := "<task-notification>\n<task-id>" + n.id + "</task-id>\n<status>completed</status>\n<summary>\"" + n.about + "\" completed</summary>\n</task-notification>"
		if t.r.chance(0.5) {
			t.queueOperation("enqueue", text)
			continue
		}
		t.user(classNotification, said(text), func(w *writer) {
			if t.ver.hasOrigin() {
				w.kobj("origin").kstr("kind", "task-notification").end()
			}
		})
	}
}

// closeTurn writes what stands at a turn's end.
func (t *thread) closeTurn(began int64) {
	if !t.ver.hasSystem() {
		return
	}
	if t.hooks && t.r.chance(0.9) {
		t.wait(60)
		t.system("stop_hook_summary", func(w *writer) {
			w.kint("hookCount", 1).karr("hookInfos").obj().kstr("command", "${CLAUDE_PLUGIN_ROOT}/hooks/stop.sh")
			if t.ver.since(2, 1, 60) {
				w.kint("durationMs", t.r.between(10, 4000))
			}
			w.end().endArr().karr("hookErrors").endArr().kbool("preventedContinuation", false).kstr("stopReason", "")
			w.kbool("hasOutput", true).kstr("level", "suggestion").kstr("toolUseID", t.r.uuid())
		})
	}
	if t.clock-began > 30000 && t.r.chance(0.7) {
		t.wait(40)
		t.system("turn_duration", func(w *writer) {
			w.kint("durationMs", int(t.clock-began)).kbool("isMeta", false)
		})
	}
}

// compact replaces the conversation so far by a summary.
func (t *thread) compact(trigger string) {
	before := t.context
	if t.ver.hasProgress() && t.r.chance(0.3) {
		t.compactAgent()
	}
	last := t.parent
	t.wait(40000)
	t.parent = ""
	w := t.open()
	uuid := t.r.uuid()
	w.kref("logicalParentUuid", last).kstr("type", "system").kstr("subtype", "compact_boundary").kstr("content", "Conversation compacted")
	w.kbool("isMeta", false).kstr("level", "info").kobj("compactMetadata").kstr("trigger", trigger).kint("preTokens", before).end()
	t.seal(w, uuid)
	t.close(w, uuid, true)
	text := "This session is being continued from a previous conversation that ran out of context. The summary below covers the earlier portion of the conversation.\n\nAnalysis:\n" +
		string(t.proj.lex.prose(nil, t.r, t.r.between(3000, 12000), t.proj.main))
	t.user(classCompact, said(text), nil)
	t.context = t.r.between(18000, 32000)
}

// compactAgent writes the request that makes the summary, as a file of its own.
func (t *thread) compactAgent() {
	id := "acompact-" + t.r.hex(6)
	side := &thread{session: t.session, r: t.r.fork(), clock: t.clock, model: t.model, sidechain: true, agentID: id, filed: true, context: t.context}
	side.f = t.u.newFile(t.folder() + "/subagents/agent-" + id + ".jsonl")
	for range t.r.between(0, 3) {
		side.user(classMeta, said("<system-reminder>\nPostToolUse:Edit hook additional context: "+t.drawn("~S")+"\n</system-reminder>"), nil)
	}
	side.user(classSidechain, said("Your task is to create a detailed summary of the conversation so far. "+t.drawn("~S ~S ~S")), nil)
	side.wait(35000)
	text := string(t.proj.lex.prose(nil, t.r, 6000, nil))
	side.answer(reply{blocks: []block{{text: text}}, model: t.model, usage: side.spend(len(text) / 4), stop: "end_turn"})
}

// begin writes what stands before the first prompt.
func (t *thread) begin() {
	if t.entry == "sdk-ts" && t.ver.since(2, 0, 0) {
		t.queueOperation("dequeue", "")
	}
	if t.ver.since(2, 1, 150) {
		t.state(func(w *writer) { w.kstr("type", "mode").kstr("mode", "normal").kstr("sessionId", t.id) })
	}
	if t.ver.hasStates() {
		t.state(func(w *writer) {
			w.kstr("type", "permission-mode").kstr("permissionMode", t.perm).kstr("sessionId", t.id)
		})
	}
	if t.hooks && t.ver.hasProgress() {
		t.progress(t.r.uuid(), t.r.uuid(), func(w *writer) {
			w.kstr("type", "hook_progress").kstr("hookEvent", "SessionStart").kstr("hookName", "SessionStart:startup").kstr("command", "~/.claude/hooks/start.sh")
		})
	}
	if t.ver.hasAttachments() && t.r.chance(0.5) {
		t.reminder()
	}
}

// afterwards writes what stands behind the last turn.
func (t *thread) afterwards() {
	t.wait(300)
	title := t.drawn("~V ~n: ~a ~n")
	switch {
	case t.ver.since(2, 1, 70) && t.r.chance(0.8):
		t.state(func(w *writer) { w.kstr("type", "ai-title").kstr("aiTitle", title).kstr("sessionId", t.id) })
	case !t.ver.since(2, 1, 70) && t.r.chance(0.35):
		leaf := t.parent
		t.state(func(w *writer) { w.kstr("type", "summary").kstr("summary", title).kstr("leafUuid", leaf) })
	}
	if t.ver.since(2, 0, 60) && t.r.chance(0.05) {
		t.state(func(w *writer) {
			w.kstr("type", "custom-title").kstr("customTitle", t.drawn("~n-~n")).kstr("sessionId", t.id)
		})
	}
	if t.team != "" {
		t.state(func(w *writer) {
			w.kstr("type", "agent-name").kstr("agentName", t.agent).kstr("sessionId", t.id)
		})
	}
	if t.ver.since(2, 1, 40) && t.r.chance(0.25) {
		number := t.r.between(2, 900)
		t.state(func(w *writer) {
			w.kstr("type", "pr-link").kstr("sessionId", t.id).kint("prNumber", number)
			w.kstr("prUrl", "https://github.com/acme/"+t.proj.name+"/pull/"+string(appendInt(nil, number))).kstr("prRepository", "acme/"+t.proj.name)
			w.key("timestamp").when(t.clock)
		})
	}
	if t.ver.hasSystem() && t.r.chance(0.03) {
		t.system("away_summary", func(w *writer) { w.kstr("content", t.drawn("~S ~S")).kbool("isMeta", false) })
	}
	if t.ver.since(2, 1, 150) && t.r.chance(0.5) {
		t.state(func(w *writer) {
			w.kstr("type", "agent-setting").kstr("agentSetting", "default").kstr("sessionId", t.id)
		})
	}
}
