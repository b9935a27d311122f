package generator

// session is what all threads of one session share.
type session struct {
	u        *unit
	id       string
	proj     *project
	ver      cli
	cwd      string
	branch   string
	nickname string
	entry    string // entrypoint
	perm     string // permission mode
	promptID string
	team     string
	agent    string // name of the teammate that runs this session
	hooks    bool
	texts    map[*sourceFile]string // files as this session has changed them
	recent   []*sourceFile
	persist  int // stored tool results so far
}

// view returns a file as the session sees it now.
func (s *session) view(f *sourceFile) string {
	if text, ok := s.texts[f]; ok {
		return text
	}
	return f.content(s.proj.lex)
}

// thread is one line of conversation: a session's main one, or a sub-agent's.
type thread struct {
	*session
	f       *file
	r       *rng
	clock   int64  // ms
	parent  string // uuid of the last record
	model   string
	context int // tokens the next request will send

	sidechain bool
	agentID   string
	filed     bool    // writes a file of its own, or into the main one; false: only seen through agent_progress
	mirror    *mirror // copies lines into the parent's agent_progress records

	odd oddity // what the next record has wrong with it
}

// oddity makes the next record of a thread a hard one.
type oddity struct {
	noSession bool
	stamp     string // JSON to write as timestamp
	at        int64  // how that is to be read; noTime if it cannot be
	orphan    bool   // parentUuid names nothing
	untyped   bool   // has no type that could tell it for a record
}

// open begins a record up to where its type stands.
func (t *thread) open() *writer {
	w := &t.u.w
	w.line()
	w.obj()
	if t.odd.orphan {
		w.kstr("parentUuid", t.r.uuid())
	} else {
		w.kref("parentUuid", t.parent)
	}
	w.kbool("isSidechain", t.sidechain)
	if t.ver.newLayout() {
		t.agentFields(w)
		if t.ver.hasPromptID() && t.promptID != "" && !t.sidechain {
			w.kstr("promptId", t.promptID)
		}
		return w
	}
	t.envelope(w)
	t.agentFields(w)
	return w
}

func (t *thread) agentFields(w *writer) {
	if t.agentID != "" && t.sidechain {
		w.kstr("agentId", t.agentID)
	}
}

func (t *thread) envelope(w *writer) {
	w.kstr("userType", "external")
	if t.ver.newLayout() {
		w.kstr("entrypoint", t.entry)
	}
	w.kstr("cwd", t.cwd)
	if !t.odd.noSession {
		w.kstr("sessionId", t.id)
	}
	w.kstr("version", t.ver.String())
	if t.ver.hasBranch() {
		w.kstr("gitBranch", t.branch)
	}
	if t.ver.hasNickname() && t.nickname != "" {
		w.kstr("slug", t.nickname)
	}
	if t.team != "" {
		w.kstr("teamName", t.team)
		w.kstr("agentName", t.agent)
	}
}

// seal writes uuid and timestamp; what follows belongs behind them.
func (t *thread) seal(w *writer, uuid string) {
	w.kstr("uuid", uuid)
	if t.odd.stamp != "" {
		w.kraw("timestamp", t.odd.stamp)
		return
	}
	w.key("timestamp").when(t.clock)
}

// at returns the readable time of the record being written.
func (t *thread) at() int64 {
	if t.odd.stamp != "" {
		return t.odd.at
	}
	return t.clock
}

// close ends the record and appends it; counts says whether its time makes the session's start and end.
func (t *thread) close(w *writer, uuid string, counts bool) {
	if t.ver.newLayout() {
		t.envelope(w)
	}
	w.end()
	linked, at := !t.odd.noSession && !t.odd.untyped, t.at()
	t.parent, t.odd = uuid, oddity{}
	if !t.filed {
		return
	}
	if counts {
		t.u.ledger.touch(t.id, at)
	}
	t.u.put(t.f, w, uuidIf(linked, uuid), t.clock)
}

func uuidIf(linked bool, uuid string) string {
	if linked {
		return uuid
	}
	return ""
}

// state appends a record outside the conversation: no parent, no uuid. fill writes its fields.
func (t *thread) state(fill func(w *writer)) {
	w := &t.u.w
	w.line()
	w.obj()
	fill(w)
	w.end()
	t.u.put(t.f, w, "", t.clock)
}

// user writes a user record of a class with the given content; extras writes fields behind the timestamp.
func (t *thread) user(class string, content func(w *writer), extras func(w *writer)) string {
	w := t.open()
	uuid := t.r.uuid()
	w.kstr("type", "user")
	w.kobj("message").kstr("role", "user").key("content")
	content(w)
	w.end()
	switch class {
	case classMeta:
		w.kbool("isMeta", true)
	case classCompact:
		w.kbool("isVisibleInTranscriptOnly", true).kbool("isCompactSummary", true)
	}
	t.seal(w, uuid)
	if extras != nil {
		extras(w)
	}
	at := t.at()
	t.close(w, uuid, true)
	if !t.filed {
		return uuid
	}
	t.u.ledger.classes[class]++
	switch class {
	case classHuman, classSlash, classBash:
		t.u.ledger.prompt(t.id, class, at)
	}
	return uuid
}

// said is a content of plain text, as a string.
func said(text string) func(*writer) { return func(w *writer) { w.str(text) } }

// saidInBlock is a content of one text block.
func saidInBlock(text string) func(*writer) {
	return func(w *writer) {
		w.arr().obj().kstr("type", "text").kstr("text", text).end().endArr()
	}
}

// wait lets time pass.
func (t *thread) wait(ms float64) { t.clock += t.u.within(t.clock, int64(ms)) }

// clockSteps are the sizes in ms by which a machine's clock jumps back.
var clockSteps = curve{{0, 5}, {0.5, 200}, {0.9, 7000}, {1, 175000}}
