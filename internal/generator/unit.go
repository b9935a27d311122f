package generator

import (
	"bytes"
)

// unit is one session with all its files and, sometimes, a fork of it: what is made independently of all others.
type unit struct {
	g        *Generator
	index    int
	r        *rng
	ledger   *ledger
	files    []*file
	sidecars []sidecar
	w        writer
	end      int64 // no record is to be later (ms)

	lastAt     int64 // readable time of the last assistant line
	background string
	notices    []notice
	hideAgents bool // sub-agents write no files of their own

	live func(f *file, w *writer, uuid string) // takes lines instead of the files
}

func (g *Generator) newUnit(index int) *unit {
	return &unit{
		g: g, index: index, r: derive(g.cfg.Seed, "session", uint64(index)), ledger: newLedger(), end: g.cfg.End.UnixMilli(),
	}
}

// put appends a finished line to a file.
func (u *unit) put(f *file, w *writer, uuid string, at int64) {
	if u.live != nil {
		u.live(f, w, uuid)
		return
	}
	f.add(w, uuid)
	f.newest = max(f.newest, at)
}

func (u *unit) newFile(path string) *file {
	f := &file{path: path}
	u.files = append(u.files, f)
	return f
}

// within shortens a wait so that time does not run out of the window.
func (u *unit) within(now, ms int64) int64 { return max(1, min(ms, (u.end-now)/20)) }

// forks says whether a unit holds a second session that copies the first one's history.
func (g *Generator) forks(index int) bool {
	return derive(g.cfg.Seed, "fork", uint64(index)).chance(0.05)
}

// make generates the unit.
func (u *unit) make(fork bool) {
	id, second := u.r.uuid(), u.r.uuid()
	if second < id {
		id, second = second, id
	}
	place := fraction(u.index, u.g.cfg.Seed)
	t := u.newThread(id, place)
	t.begin()
	t.talk()
	if fork {
		u.fork(t, second)
	}
	if u.r.chance(0.03) {
		u.titles(t.proj)
	}
	plant := u.g.cfg.Secrets && u.index == 0
	if plant {
		u.plant(t)
	}
	if u.g.cfg.Hard {
		u.harden(t)
	}
	if plant {
		u.plantBroken(t.ver)
	}
}

// fraction spreads the indexes evenly over [0, 1), however many there will be.
func fraction(index int, seed uint64) float64 {
	x := (uint64(index)+1)*golden + mix(seed)
	return float64(x>>11) / (1 << 53)
}

// newThread opens a session's main thread at a place in the time window.
func (u *unit) newThread(id string, place float64) *thread {
	r := u.r
	proj := u.g.projects.draw(r)
	s := &session{u: u, id: id, proj: proj, cwd: proj.cwd, branch: pick(r, proj.branches), texts: map[*sourceFile]string{}}
	t := &thread{session: s, r: r, filed: true}
	s.ver, t.model = versionAt(r, place)
	s.nickname = pick(r, nicknameWords) + "-" + pick(r, nicknameWords) + "-" + pick(r, nicknameWords)
	s.perm = permissions.draw(r)
	s.entry = pick(r, []string{"cli", "cli", "cli", "cli", "cli", "claude-desktop", "sdk-ts"})
	s.hooks = r.chance(0.55)
	if s.ver.since(2, 1, 40) && r.chance(0.1) {
		s.team, s.agent = "team-"+pick(r, nicknameWords), pick(r, firstNames)
	}
	t.f = u.newFile(proj.slug + "/" + id + ".jsonl")
	t.clock = u.startTime(place)
	return t
}

// workHours are the UTC hours at which sessions begin.
var workHours = curve{{0, 0.01}, {0.04, 2}, {0.08, 6.5}, {0.25, 9.5}, {0.5, 14}, {0.75, 18.5}, {0.93, 22.2}, {1, 23.99}}

func (u *unit) startTime(place float64) int64 {
	const dayMS = 24 * 3600 * 1000
	start, window := u.g.cfg.Start.UnixMilli(), u.end-u.g.cfg.Start.UnixMilli()
	at := start + int64(place*float64(window)*0.998)
	if window < 4*dayMS {
		return at
	}
	at = at - at%dayMS + int64(workHours.draw(u.r)*3600*1000)
	return min(max(at, start), u.end-window/1000)
}

// fork copies the beginning of a session's file under another session id, as /branch and older versions' --resume do,
// and goes on from there. The copies keep their uuids, message ids and times.
func (u *unit) fork(t *thread, id string) {
	source := t.f
	s := *t.session
	s.id, s.promptID = id, ""
	next := &thread{session: &s, r: u.r, clock: t.clock, parent: t.parent, model: t.model, context: t.context, filed: true}
	next.f = u.newFile(s.proj.slug + "/" + id + ".jsonl")
	upTo := u.r.between(len(source.lines)/3, len(source.lines))
	old, renamed := []byte(`"sessionId":"`+t.id+`"`), []byte(`"sessionId":"`+id+`"`)
	for _, l := range source.lines[:upTo] {
		if l.uuid == "" {
			continue
		}
		text := bytes.Replace(source.b[l.from:l.to], old, renamed, 1)
		text = bytes.Replace(text, []byte(`"session_id":"`+t.id+`"`), []byte(`"session_id":"`+id+`"`), 1)
		u.w.line()
		u.w.b = append(u.w.b, text...)
		if s.ver.since(2, 1, 100) {
			u.w.b = u.w.b[:len(u.w.b)-1]
			u.w.kobj("forkedFrom").kstr("sessionId", t.id).kstr("messageUuid", l.uuid).end().end()
		}
		next.parent = l.uuid
		u.put(next.f, &u.w, l.uuid, t.clock)
	}
	next.wait(thinkTime.draw(u.r))
	for i := range u.r.between(1, 3) {
		next.turn(i, u.r.between(1, 12))
		next.pause()
	}
	next.afterwards()
}

// titles writes a file that holds nothing but titles of other sessions: it has no start.
func (u *unit) titles(p *project) {
	id := u.r.uuid()
	f := u.newFile(p.slug + "/" + id + ".jsonl")
	for range u.r.between(1, 3) {
		w := &u.w
		w.line()
		w.obj().kstr("type", "summary").kstr("summary", string(p.lex.expand(nil, u.r, "~N ~n ~s"))).kstr("leafUuid", u.r.uuid()).end()
		u.put(f, w, "", u.end)
	}
	u.ledger.session(id)
}
