package generator

import (
	"strconv"
	"strings"
)

func weirdMessages(t *thread) {
	classes := t.u.ledger.classes
	t.record("user", true, func(w *writer) { w.kraw("message", "42") })
	t.record("user", true, func(w *writer) { w.kraw("message", "null") })
	classes[classOther] += 2
	t.record("user", true, func(w *writer) { w.kstr("message", "what does a message that is only a text look like?") })
	classes[classHuman]++
	t.u.ledger.prompt(t.id, classHuman, t.clock)
	t.record("user", true, func(w *writer) { w.kraw("message", "null").kbool("isMeta", true) })
	classes[classMeta]++
	t.record("system", true, func(w *writer) { w.kstr("subtype", "info").kraw("message", "[1,2,3]") })
	for _, message := range []string{"null", "17.5", "false"} {
		t.wait(100)
		request := t.r.token("req_011C", 20)
		t.record("assistant", true, func(w *writer) { w.kraw("message", message).kstr("requestId", request) })
		t.u.ledger.response(&response{key: request, session: t.id, first: t.clock, noMessage: true})
	}
}

func stringInput(t *thread) {
	c := t.success("Bash")
	c.input = func(w *writer) { w.str(`{"command":"ls -la","description":"List files"}`) }
	t.tool(c)
	c = t.success("Bash")
	c.input = func(w *writer) { w.str("ls -la") }
	t.tool(c)
}

// success plans a call of a tool that works.
func (t *thread) success(name string) *call {
	use := t.u.g.toolNamed(name)
	for {
		if c := t.plan(use, false); c.out.status == statusSuccess {
			return c
		}
	}
}

func noUsage(t *thread) {
	for _, usage := range []func(*writer){nil, func(w *writer) { w.raw("null") }} {
		t.wait(1500)
		id := t.r.token("msg_01", 22)
		t.line(lineSpec{id: id, model: t.model, content: textBlock(t.drawn("~S")), usage: usage})
		t.u.ledger.response(&response{key: id, session: t.id, model: t.model, first: t.clock, text: true})
	}
}

func emptyStub(t *thread) {
	t.wait(1500)
	id := t.r.token("msg_01", 22)
	t.line(lineSpec{id: id, model: "claude-sonnet-4-6", content: func(w *writer) { w.arr().endArr() }, usage: plainUsage(0, 0)})
	t.u.ledger.response(&response{key: id, session: t.id, model: "claude-sonnet-4-6", first: t.clock, usage: true})
	t.text(t.drawn("~S"))
}

// oddTime writes a prompt and an answer with a timestamp of another shape; at is how it is to be read.
func (t *thread) oddTime(stamp string, at int64) {
	t.wait(1000)
	t.odd = oddity{stamp: stamp, at: at}
	t.user(classHuman, said(t.drawn("what is the ~n of `~i`?")), nil)
	t.wait(1000)
	t.odd = oddity{stamp: stamp, at: at}
	t.answer(reply{blocks: []block{{text: t.drawn("~S")}}, model: t.model, usage: t.spend(50), stop: "end_turn"})
}

func badTimes(t *thread) {
	for _, stamp := range []string{
		`"+292278994-08-17T07:12:55.807Z"`, "9223372036854775807", `"yesterday"`, `""`, `"2026-13-45T99:99:99.000Z"`, `{"$date":"2026-01-01"}`, "null", "true",
	} {
		t.oddTime(stamp, noTime)
	}
}

func epochTimes(t *thread) {
	t.oddTime(strconv.FormatInt(t.clock/1000, 10), t.clock/1000*1000)
	t.oddTime(strconv.FormatInt(t.clock, 10), t.clock)
	t.oddTime(`"`+strings.TrimSuffix(isoTime(t.clock), "Z")+`"`, t.clock)
	t.oddTime(`"`+strings.TrimSuffix(isoTime(t.clock+2*3600*1000), "Z")+`+02:00"`, t.clock)
}

func twoRequests(t *thread) {
	t.wait(1500)
	id := t.r.token("msg_01", 22)
	row := &response{key: id, session: t.id, model: t.model, first: t.clock, text: true, usage: true, tokens: usage{input: 11, output: 70}.tokens()}
	for _, text := range []string{t.drawn("~S"), t.drawn("~S ~S")} {
		t.line(lineSpec{id: id, request: t.r.token("req_011C", 20), model: t.model, content: textBlock(text), usage: plainUsage(11, 70)})
		t.wait(300)
	}
	t.u.ledger.response(row)

	// A side question replays an answer of the main conversation.
	id, text := t.r.token("msg_01", 22), t.drawn("~S")
	t.u.ledger.response(&response{key: id, session: t.id, model: t.model, first: t.clock, text: true, usage: true, tokens: usage{input: 3, output: 40}.tokens()})
	t.line(lineSpec{id: id, request: t.r.token("req_011C", 20), model: t.model, content: textBlock(text), usage: plainUsage(3, 40)})
	side := *t
	side.sidechain, side.agentID = true, "aside_question-"+t.r.hex(6)
	side.f = t.u.newFile(t.folder() + "/subagents/agent-" + side.agentID + ".jsonl")
	side.wait(700)
	side.line(lineSpec{id: id, request: t.r.token("req_011C", 20), model: t.model, content: textBlock(text), usage: plainUsage(3, 40)})
}

func shrinkingOutput(t *thread) {
	t.wait(1500)
	id, request := t.r.token("msg_01", 22), t.r.token("req_011C", 20)
	t.u.ledger.response(&response{key: id, session: t.id, model: t.model, first: t.clock, text: true, usage: true, tokens: usage{input: 5, output: 500}.tokens()})
	for _, output := range []int{500, 3} {
		t.line(lineSpec{id: id, request: request, model: t.model, content: textBlock(t.drawn("~S")), usage: plainUsage(5, output)})
		t.wait(400)
	}
}

func thinkingOnly(t *thread) {
	t.wait(1500)
	t.answer(reply{blocks: []block{{thinking: t.drawn("~S ~S")}}, model: t.model, usage: t.spend(900)})
	t.interrupt(false)
}

func hiddenAgents(t *thread) {
	s := t.u.small(cli{2, 1, 39}, t.r.uuid())
	s.say(s.drawn("look at ~p"))
	s.u.hideAgents = true
	s.tool(s.success("Task"))
	s.u.hideAgents = false
	s.text(s.drawn("~S"))
}

func sameAgentName(t *thread) {
	id := "a" + t.r.hex(6)
	for range 2 {
		s := t.u.small(cli{2, 1, 80}, t.r.uuid())
		s.say(s.drawn("check ~p"))
		c := s.success("Task")
		c.children[0].id, c.children[0].async = id, false
		s.tool(c)
		s.text(s.drawn("~S"))
	}
}

func pendingAndOrphan(t *thread) {
	c := t.success("Grep")
	c.out = outcome{status: statusPending}
	t.tool(c)
	orphan := t.success("Bash")
	t.wait(500)
	t.result(orphan)
	t.u.ledger.orphans++
	again := t.success("Read") // its result is written twice
	t.tool(again)
	t.wait(500)
	t.result(again)
}

func unknownRecords(t *thread) {
	for _, kind := range []string{"fork-context-ref", "rewind-pointer", "workflow-progress", "auto-mode-denial", "session-meta", "a type of the year 2031", ""} {
		t.wait(10)
		t.record(kind, false, func(w *writer) {
			w.kobj("payload").kstr("note", t.drawn("~s")).kint("n", 7).end()
		})
	}
	t.record("", false, func(w *writer) { w.kint("type", 5) })
	t.state(func(w *writer) { w.kstr("type", "atis-latch").kbool("latched", true).kstr("sessionId", t.id) })
	t.state(func(w *writer) { w.kstr("type", "tag").kstr("tag", "🏷").kstr("sessionId", t.id) })
	t.state(func(*writer) {}) // {}
}

func unknownBlocks(t *thread) {
	t.wait(1500)
	id := t.r.token("msg_01", 22)
	t.line(lineSpec{id: id, model: t.model, usage: plainUsage(4, 60), content: func(w *writer) {
		w.arr().obj().kstr("type", "redacted_thinking").kstr("data", "AAAA").end()
		w.obj().kstr("type", "server_tool_use").kstr("id", "srvtoolu_01").kstr("name", "web_search").kobj("input").kstr("query", "q").end().end()
		w.obj().kstr("type", "hologram").kobj("shape").kint("sides", 5).end().end()
		w.obj().kstr("type", "text").kstr("text", "after the unknown").end().endArr()
	}})
	t.u.ledger.response(&response{key: id, session: t.id, model: t.model, first: t.clock, text: true, usage: true, tokens: usage{input: 4, output: 60}.tokens()})
	t.wait(500)
	id = t.r.token("msg_01", 22)
	t.line(lineSpec{id: id, model: t.model, usage: plainUsage(1, 2), content: func(w *writer) { w.arr().num(7).raw("null").raw("[]").endArr() }})
	t.u.ledger.response(&response{key: id, session: t.id, model: t.model, first: t.clock, usage: true, tokens: usage{input: 1, output: 2}.tokens()})
}

func deepNesting(t *thread) {
	const depth = 120
	t.record("system", true, func(w *writer) {
		w.kstr("subtype", "info").kraw("nest", strings.Repeat(`{"a":[`, depth/2)+strings.Repeat("]}", depth/2))
	})
}

func hugeNumbers(t *thread) {
	t.record("system", true, func(w *writer) {
		w.kstr("subtype", "info").karr("numbers")
		for _, n := range []string{"9223372036854775807", "9223372036854775808", "-9223372036854775809", "123456789012345678901234567890", "1e308", "1e400", "-1E-400", "0.1", "-0", "1.0", "1e0"} {
			w.raw(n)
		}
		w.endArr()
	})
}

func strangeKeys(t *thread) {
	t.record("system", true, func(w *writer) {
		w.kstr("subtype", "info").kint("a.b.c", 1).kint("$set", 2).kint("", 3).kstr("_id", "its own").kstr("projectId", "someone else's")
		w.kobj("$oid").kstr("$numberLong", "5").end().kobj("d").kstr("$date", "x").end().kint("ключ 🔑", 4).kint("again", 5).kint("again", 6)
		w.kobj("0").kint("1", 1).end().kint(strings.Repeat("k", 3000), 7)
	})
}

func longTexts(t *thread) {
	lex := t.proj.lex
	t.say("explain this:\n\n" + string(lex.prose(nil, t.r, 120000, nil)))
	c := t.success("Grep")
	c.out.text = string(lex.source(nil, t.r, t.proj.main, 150000))
	c.out.result = nil
	t.tool(c)
	t.text(string(lex.prose(nil, t.r, 110000, t.proj.main)))
}

func brokenText(t *thread) {
	t.say("what is \xff\xfe\x80 in ~p? \xed\xa0\x80 \xf0\x9f")
	t.record("user", true, func(w *writer) {
		w.kraw("message", `{"role":"user","content":"half a pair \ud83d and \udc00, a NUL \u0000 and \u2028"}`)
	})
	t.u.ledger.classes[classHuman]++
	t.u.ledger.prompt(t.id, classHuman, t.clock)
	t.text("bytes \xc3\x28 \xa0\xa1 and \x7f")
}

func missingSession(t *thread) {
	t.wait(1000)
	t.odd.noSession = true
	t.user(classHuman, said(t.drawn("build the ~n")), nil)
	t.wait(1000)
	t.odd.noSession = true
	t.answer(reply{blocks: []block{{text: t.drawn("~S")}}, model: t.model, usage: t.spend(40), stop: "end_turn"})
	side := *t
	side.sidechain, side.agentID = true, "a"+t.r.hex(6)
	side.f = t.u.newFile(t.folder() + "/subagents/agent-" + side.agentID + ".jsonl")
	side.odd.noSession = true
	side.user(classSidechain, said(t.drawn("~S")), nil)
	side.wait(900)
	side.odd.noSession = true
	side.answer(reply{blocks: []block{{text: t.drawn("~S")}}, model: t.model, usage: side.spend(40), stop: "end_turn"})
}

func danglingParents(t *thread) {
	t.odd.orphan = true
	t.say(t.drawn("create the ~n"))
	t.parent = ""
	t.text(t.drawn("~S"))
}

func toolDocuments(t *thread) {
	t.wait(1000)
	id := t.r.token("toolu_01", 22)
	t.record("tool_use", false, func(w *writer) {
		w.kstr("id", id).kstr("name", "Read").kobj("input").kstr("file_path", "/srv/a.go").end()
	})
	row := t.u.ledger.call(t.id, "Read", statusSuccess, t.clock)
	row.project, row.file = t.proj.slug, fileChange{operation: "read", path: "/srv/a.go"}
	t.wait(50)
	t.record("tool_result", false, func(w *writer) {
		w.kstr("tool_use_id", id).kstr("content", "package a").kbool("is_error", false)
	})
	t.text(t.drawn("~S"))
}

func cacheBreakdown(t *thread) {
	t.wait(1500)
	use := usage{input: 2, output: 31, read: 900, write5m: 400, write1h: 1200, flatMissing: true}
	v := t.ver
	t.ver = cli{2, 1, 140}
	t.answer(reply{blocks: []block{{text: t.drawn("~S")}}, model: t.model, usage: use, stop: "end_turn"})
	t.ver = v
}
