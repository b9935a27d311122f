package generator

// firstByte is how long a request takes until its first block, between how long further blocks take; both in ms.
var (
	firstByte = curve{{0, 600}, {0.5, 2800}, {0.9, 6500}, {0.99, 24000}, {1, 120000}}
	nextBlock = curve{{0, 40}, {0.5, 1100}, {0.9, 5200}, {0.99, 22000}, {1, 60000}}
	nextCall  = curve{{0, 3}, {0.5, 40}, {0.9, 260}, {0.99, 1500}, {1, 6000}} // a further call beside another
	outputs   = curve{{0, 20}, {0.25, 90}, {0.5, 170}, {0.75, 380}, {0.9, 900}, {0.99, 5200}, {1, 24000}}
	thoughts  = curve{{0, 40}, {0.5, 320}, {0.9, 1300}, {0.99, 6000}, {1, 20000}}
)

// usage is what a request reports.
type usage struct {
	input, output, read, write5m, write1h int
	searches                              int
	fast                                  bool
	flatMissing                           bool // cache_creation_input_tokens is 0 beside a filled breakdown
}

func (u usage) tokens() Tokens {
	t := Tokens{
		Input: int64(u.input), Output: int64(u.output), CacheRead: int64(u.read), CacheCreation: int64(u.write5m + u.write1h),
		Cache5m: int64(u.write5m), Cache1h: int64(u.write1h), WebSearches: int64(u.searches),
	}
	t.Total = t.Input + t.Output + t.CacheRead + t.CacheCreation
	return t
}

// write appends the usage object; output is what this line reports.
func (u usage) write(w *writer, v cli, output int) {
	w.kobj("usage").kint("input_tokens", u.input)
	if u.flatMissing {
		w.kint("cache_creation_input_tokens", 0)
	} else {
		w.kint("cache_creation_input_tokens", u.write5m+u.write1h)
	}
	w.kint("cache_read_input_tokens", u.read)
	if v.hasSplitCache() {
		w.kobj("cache_creation").kint("ephemeral_5m_input_tokens", u.write5m).kint("ephemeral_1h_input_tokens", u.write1h).end()
	}
	w.kint("output_tokens", output)
	if v.since(2, 0, 40) {
		w.kobj("server_tool_use").kint("web_search_requests", u.searches).kint("web_fetch_requests", 0).end()
	}
	w.kstr("service_tier", "standard")
	if v.since(2, 1, 30) {
		w.kstr("inference_geo", "not_available")
	}
	if v.since(2, 1, 60) {
		speed := "standard"
		if u.fast {
			speed = "fast"
		}
		w.karr("iterations").endArr().kstr("speed", speed)
	}
	w.end()
}

// block is one content block of a response; exactly one of its fields is set.
type block struct {
	text, thinking string
	call           *call
}

// reply is one response before it is written.
type reply struct {
	blocks []block
	model  string
	usage  usage
	stop   string
	extra  func(w *writer) // fields of the assistant record
}

// spend returns the usage of the thread's next request and moves its context on.
func (t *thread) spend(output int) usage {
	u := usage{input: t.r.between(1, 9), output: output}
	fresh := t.r.between(120, 900)
	if t.context == 0 {
		t.context = t.r.between(12000, 24000)
		u.read, fresh = t.r.between(0, t.context), t.context
		fresh -= u.read
	} else {
		u.read = t.context
	}
	if t.ver.hasSplitCache() && t.r.chance(0.64) {
		u.write1h = fresh
	} else {
		u.write5m = fresh
	}
	if !t.sidechain && t.ver.since(2, 1, 60) && t.model == "claude-opus-4-6" {
		u.fast = t.r.chance(0.04)
	}
	t.context += fresh + output
	return u
}

// answer writes a response: one line for each block, all with the same id and (nearly) the same usage.
func (t *thread) answer(p reply) *response {
	id, request := t.r.token("msg_01", 22), t.r.token("req_011C", 20)
	row := &response{key: id, session: t.id, model: p.model, first: noTime, tokens: p.usage.tokens(), usage: true, fast: p.usage.fast, sidechain: t.sidechain}
	early, final := p.usage.output, p.usage.output
	switch {
	case t.ver.usageGrows() && len(p.blocks) > 1 && t.r.chance(0.29):
		early = t.r.between(1, 12)
	case t.ver.placeholders() && t.r.chance(0.85):
		early = t.r.between(1, 10)
		final = early
	}
	row.tokens.Total += int64(final) - row.tokens.Output
	row.tokens.Output = int64(final)
	seen := false
	for i, b := range p.blocks {
		last := i == len(p.blocks)-1
		if i > 0 {
			gap := nextBlock
			if b.call != nil && p.blocks[i-1].call != nil {
				gap = nextCall
			}
			t.wait(gap.draw(t.r))
		}
		output := early
		if last {
			output = final
		}
		t.assistantLine(p, b, id, request, output, last)
		if !t.filed && b.call == nil {
			continue // a text block of an agent without a file is nowhere
		}
		row.first = earliest(row.first, t.u.lastAt)
		seen = true
		row.text = row.text || b.text != "" && t.filed
	}
	if !seen {
		return row // not in the ledger: nothing of it was written
	}
	row.nested = !t.filed
	return t.u.ledger.response(row)
}

// earliest returns the smaller time, leaving out unreadable ones.
func earliest(a, b int64) int64 {
	if a == noTime || b != noTime && b < a {
		return b
	}
	return a
}

func (t *thread) assistantLine(p reply, b block, id, request string, output int, last bool) {
	w := t.open()
	uuid := t.r.uuid()
	if t.ver.newLayout() {
		w.kstr("type", "assistant")
	}
	w.key("message")
	from := len(w.b)
	w.obj().kstr("model", p.model).kstr("id", id).kstr("type", "message").kstr("role", "assistant").karr("content")
	switch {
	case b.call != nil:
		b.call.at, b.call.uuid = t.clock, uuid
		w.obj().kstr("type", "tool_use").kstr("id", b.call.id).kstr("name", b.call.name).key("input")
		b.call.input(w)
		if t.ver.hasCaller() {
			w.kobj("caller").kstr("type", "direct").end()
		}
		w.end()
	case b.thinking != "":
		w.obj().kstr("type", "thinking").kstr("thinking", b.thinking).kstr("signature", t.r.token("Er", 180)).end()
	default:
		w.obj().kstr("type", "text").kstr("text", b.text).end()
	}
	w.endArr()
	if last && t.ver.since(2, 1, 97) || p.stop != "" && last && t.r.chance(0.2) {
		w.kref("stop_reason", p.stop)
	} else {
		w.kraw("stop_reason", "null")
	}
	w.kraw("stop_sequence", "null")
	p.usage.write(w, t.ver, output)
	w.end()
	message := [2]int{from, len(w.b)}
	w.kstr("requestId", request)
	if !t.ver.newLayout() {
		w.kstr("type", "assistant")
	}
	if t.ver.hasEffort() && !t.sidechain {
		w.kstr("effort", pick(t.r, []string{"high", "high", "medium", "xhigh"}))
	}
	if t.ver.reportsCost() {
		w.kraw("costUSD", costText(p.usage)).kint("durationMs", t.r.between(900, 20000))
	}
	if p.extra != nil {
		p.extra(w)
	}
	t.seal(w, uuid)
	t.u.lastAt = t.at()
	if t.mirror != nil && b.call != nil {
		t.mirror.add(w.b[message[0]:message[1]], t.clock, uuid, request)
	}
	if !t.filed {
		t.parent, t.odd = uuid, oddity{}
		return
	}
	t.close(w, uuid, true)
}

// costText is the cost in dollars as CLI 1.0 wrote it (Opus 4's prices).
func costText(u usage) string {
	micros := u.input*15 + u.output*75 + u.read*3/2 + (u.write5m+u.write1h)*75/4
	b := appendInt([]byte("0."), 1000000+micros%1000000)
	return string(append([]byte("0."), b[3:]...))
}
