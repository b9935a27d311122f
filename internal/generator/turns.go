package generator

// Measured per session.
var (
	promptsPer   = curve{{0, 1}, {0.25, 1.01}, {0.5, 2}, {0.75, 5}, {0.9, 10}, {0.99, 32}, {1, 60}}
	responsesPer = curve{{0, 1}, {0.1, 4}, {0.25, 10}, {0.5, 25}, {0.75, 53}, {0.9, 96}, {0.99, 175}, {1, 300}}
	thinkTime    = curve{{0, 2000}, {0.5, 48000}, {0.75, 190000}, {0.9, 900000}, {0.97, 7.2e6}, {0.99, 3e7}, {1, 2.4e8}}
)

// talk is a session's conversation: prompts, each with its responses and tool calls.
func (t *thread) talk() {
	p := t.r.float()
	responses := int(responsesPer.at(p))
	// Long sessions have more prompts, but not always.
	if t.r.chance(0.5) {
		p = t.r.float()
	}
	prompts := max(1, min(int(promptsPer.at(p)+0.4), responses))
	for i := range prompts {
		if i > 0 {
			t.pause()
		}
		share := (responses + prompts - 1 - i) / prompts
		if share > 2 && prompts > 1 {
			share = t.r.between(1, 2*share-1)
		}
		t.turn(i, max(1, share))
	}
	t.afterwards()
}

// pause is what lies between two turns: time, and sometimes a change of branch, folder, model or program.
func (t *thread) pause() {
	t.wait(thinkTime.draw(t.r))
	switch r := t.r.float(); {
	case r < 0.03 && len(t.proj.branches) > 1:
		t.branch = pick(t.r, t.proj.branches)
	case r < 0.05:
		t.cwd = t.proj.join(t.drawn("~n"))
	case r < 0.055:
		t.model = pick(t.r, []string{"claude-opus-4-6", "claude-sonnet-4-6", t.ver.smallModel()})
	case r < 0.06:
		t.cwd = t.proj.cwd
	case r < 0.075:
		t.stepBack()
	case r < 0.085 && t.ver.patch < 250: // resumed after an update
		t.ver.patch++
		t.wait(thinkTime.at(0.9 + 0.1*t.r.float()))
	}
}

// stepBack lets the clock jump back.
func (t *thread) stepBack() { t.clock -= int64(clockSteps.draw(t.r)) }

// turn is one prompt and what follows until the next.
func (t *thread) turn(number, responses int) {
	began := t.clock
	t.ask(number)
	interrupted := false
	for i := 0; i < responses-1 && !interrupted; i++ {
		if t.r.chance(0.005) {
			t.stepBack()
		} else {
			t.wait(firstByte.draw(t.r))
		}
		calls := t.step(true)
		complete := t.run(calls)
		for _, c := range calls {
			if c.out.status == statusRejected && c.name != "ExitPlanMode" && t.r.chance(0.5) {
				interrupted = true
			}
		}
		if !complete || interrupted {
			t.interrupt(true)
			interrupted = true
			continue
		}
		t.between()
	}
	if !interrupted {
		t.wait(firstByte.draw(t.r))
		t.conclude()
	}
	t.closeTurn(began)
}

// step is a response that calls tools.
func (t *thread) step(steer bool) []*call {
	var blocks []block
	if t.r.chance(0.53) && t.ver.since(1, 0, 17) {
		blocks = append(blocks, block{thinking: t.answerProse(thoughts, 0.01)})
	}
	if t.r.chance(0.48) {
		blocks = append(blocks, block{text: t.answerProse(curve{{0, 30}, {0.5, 110}, {0.9, 320}, {1, 2500}}, 0.02)})
	}
	n := 1
	switch r := t.r.float(); {
	case r > 0.97:
		n = t.r.between(4, 8)
	case r > 0.93:
		n = 3
	case r > 0.82:
		n = 2
	}
	var calls []*call
	for i := range n {
		c := t.plan(t.pickTool(), n > 1 && i > 0)
		calls = append(calls, c)
		blocks = append(blocks, block{call: c})
	}
	size := 0
	for _, c := range calls {
		size += len(c.out.text) / 4
	}
	use := t.spend(int(outputs.draw(t.r)) + 40*n)
	if calls[0].name == "WebSearch" && t.ver.since(2, 0, 40) && t.r.chance(0.5) {
		use.searches = t.r.between(1, 3)
	}
	t.answer(reply{blocks: blocks, model: t.model, usage: use, stop: "tool_use"})
	t.context += min(size, 25000)
	return calls
}

// conclude is the last response of a turn: mostly text only.
func (t *thread) conclude() {
	if t.r.chance(0.013) {
		t.apiError()
		return
	}
	var blocks []block
	if t.r.chance(0.4) && t.ver.since(1, 0, 17) {
		blocks = append(blocks, block{thinking: t.answerProse(thoughts, 0.01)})
	}
	text := t.answerProse(curve{{0, 40}, {0.5, 700}, {0.9, 2600}, {0.99, 7000}, {1, 16000}}, 0.14)
	blocks = append(blocks, block{text: text})
	if t.r.chance(0.01) && len(blocks) == 2 {
		blocks = blocks[:1] // interrupted while thinking
	}
	t.answer(reply{blocks: blocks, model: t.model, usage: t.spend(int(outputs.draw(t.r)) + len(text)/4), stop: "end_turn"})
	if blocks[len(blocks)-1].thinking != "" {
		t.interrupt(false)
	}
}

// interrupt is the record that the user's Escape leaves.
func (t *thread) interrupt(inTool bool) {
	t.wait(800)
	text := "[Request interrupted by user]"
	if inTool {
		text = interruptedText
	}
	t.user(classInterrupted, saidInBlock(text), nil)
}

// between is what may happen between two responses of a turn.
func (t *thread) between() {
	if t.context > t.r.between(155000, 172000) {
		t.compact("auto")
	}
	switch {
	case t.ver.hasAttachments() && t.r.chance(0.014):
		t.queued()
	case !t.ver.hasAttachments() && t.ver.since(2, 0, 0) && t.r.chance(0.024):
		t.queueOperation("enqueue", t.drawn("~S"))
		t.queueOperation("remove", "")
	case t.ver.hasSystem() && t.r.chance(0.001):
		t.retries()
	case t.ver.hasAttachments() && t.r.chance(0.12):
		t.reminder()
	}
	if t.ver.hasSnapshots() && t.r.chance(0.1) || t.ver.hasDeltas() && t.r.chance(0.02) {
		t.snapshot(true)
	}
	t.deliver()
}

// apiError is a reply that the program makes up when the service fails.
func (t *thread) apiError() {
	if t.ver.hasSystem() {
		t.retries()
	}
	w := t.open()
	uuid := t.r.uuid()
	id := t.r.uuid()
	text := `API Error: 529 {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`
	w.kstr("type", "assistant").kobj("message").kstr("id", id).kstr("model", synthetic).kstr("role", "assistant")
	w.kstr("stop_reason", "stop_sequence").kstr("stop_sequence", "").kstr("type", "message")
	usage{}.write(w, t.ver, 0)
	w.karr("content").obj().kstr("type", "text").kstr("text", text).end().endArr().end()
	w.kbool("isApiErrorMessage", true)
	t.seal(w, uuid)
	t.u.ledger.response(&response{key: id, session: t.id, model: synthetic, first: t.at(), text: true, usage: true})
	t.close(w, uuid, true)
}
