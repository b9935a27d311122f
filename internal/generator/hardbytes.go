package generator

import "bytes"

// damage rewrites a file's bytes the way crashes, editors and other programs leave them. It only adds: every object
// that was there can still be read, and what is broken is noted. full says that every kind of damage is to occur, as
// far as the file has lines for it.
func (f *file) damage(r *rng, full bool) {
	if len(f.lines) == 0 {
		return
	}
	d := &damager{r: r, old: f.b, file: f, feed: "\n", plenty: full && len(f.lines) > 30}
	f.b = make([]byte, 0, len(f.b)+len(f.b)/8)
	if r.chance(0.15) {
		d.feed = "\r\n"
	}
	if r.chance(0.3) {
		f.b = append(f.b, "\xef\xbb\xbf"...)
	}
	for i := range f.lines {
		d.before(i)
		d.line(&f.lines[i])
	}
	d.end()
}

type damager struct {
	r      *rng
	file   *file
	old    []byte
	feed   string
	joined bool // the line before goes on
	plenty bool
	turn   int
}

// ghost is the text of a record that was never finished.
func (d *damager) ghost() []byte {
	w := &writer{}
	w.obj().kstr("parentUuid", d.r.uuid()).kbool("isSidechain", false).kstr("type", "user").kstr("sessionId", d.r.uuid())
	w.kobj("message").kstr("role", "user").kstr("content", "what was {\"type\": \"x\"} written when the power failed? größe 日本").end()
	w.kstr("uuid", d.r.uuid()).kstr("timestamp", "2026-02-03T04:05:06.789Z").end()
	text := w.b[:d.r.between(2, len(w.b)-1)]
	return bytes.TrimRight(text, "} ") // an object in it must not look whole
}

func (d *damager) note(offset int, reason string) {
	d.file.broken = append(d.file.broken, Place{Offset: int64(offset), Size: int64(len(d.file.b) - offset), Reason: reason})
}

// brokenLines are not JSON; none of them ends in what could be a record.
var brokenLines = []string{
	`{"type":"user","uuid":"x",}`, `{'type': 'user'}`, `{"type":"user" "uuid":"x"}`, `{"n":01}`, `{"a":"\x"}`, `{"a":tru}`, "{\"a\":\"raw\ttab\"}",
	`nonsense`, `}`, `[1]]`, `{]`, `-`, `NaN`, `<html><body>504 Gateway Time-out</body></html>`, `<<<<<<< HEAD`, "{\"type\":\"user\",\x00\"uuid\":\"x\"}",
}

// otherValues are JSON, but no objects.
var otherValues = []string{`42`, `"a text"`, `null`, `true`, `[1,2,{"a":3}]`, `-1.5e3`, `[]`, `""`}

// before puts damage before a line.
func (d *damager) before(i int) {
	f := d.file
	start := len(f.b)
	if d.joined {
		if f.lines[i].uuid != "" && d.r.chance(0.3) {
			f.b = append(f.b, "garbage between two"...)
			d.note(start, "garbage between objects")
			d.file.lines[i].alone = true
		}
		return
	}
	kind := d.r.intn(160)
	if d.plenty && i%3 == 1 && d.turn < 8 {
		kind, d.turn = d.turn, d.turn+1
	}
	switch kind {
	case 0:
		f.b = append(f.b, d.ghost()...)
		d.note(start, "cut line")
		f.b = append(f.b, d.feed...)
	case 1:
		if f.lines[i].uuid == "" {
			return
		}
		f.b = append(f.b, d.ghost()...)
		d.note(start, "cut line with a whole object behind it")
		f.lines[i].alone = true
	case 2:
		f.b = append(f.b, pick(d.r, brokenLines)...)
		d.note(start, "broken JSON")
		f.b = append(f.b, d.feed...)
	case 3:
		f.b = append(f.b, pick(d.r, otherValues)...)
		d.note(start, "not an object")
		f.b = append(f.b, d.feed...)
	case 4:
		f.b = append(f.b, make([]byte, d.r.between(1, 4096))...)
	case 5:
		f.b = append(f.b, pick(d.r, []string{"\n", "   \n", "\t\r\n", "\x00\x00\n"})...)
	case 6:
		f.b = append(append(f.b, d.ghost()...), d.ghost()...)
		d.note(start, "two cut lines in one")
		f.b = append(f.b, d.feed...)
	case 7:
		f.b = append(f.b, "  \t"...)
	}
}

// line writes a whole object, sometimes with white space in it, sometimes with the next on the same line.
func (d *damager) line(l *line) {
	f := d.file
	text := d.old[l.from:l.to]
	if d.r.chance(0.06) {
		text = spaced(text)
	}
	l.from = len(f.b)
	f.b = append(f.b, text...)
	l.to = len(f.b)
	d.joined = false
	last := l == &f.lines[len(f.lines)-1]
	switch {
	case !last && !l.alone && d.r.chance(0.04):
		d.joined = true
		f.b = append(f.b, pick(d.r, []string{"", "", " ", "\t", "\r"})...)
	case !l.alone && d.r.chance(0.01):
		start := len(f.b)
		f.b = append(f.b, "xyz"...)
		d.note(start, "garbage behind an object")
		f.b = append(f.b, d.feed...)
	default:
		f.b = append(f.b, d.feed...)
	}
}

// end leaves the file's end as a writer that is still at work, or died, would.
func (d *damager) end() {
	f := d.file
	switch d.r.intn(5) {
	case 0, 1:
		start := len(f.b)
		f.b = append(f.b, d.ghost()...)
		f.half = &Place{Offset: int64(start), Size: int64(len(f.b) - start), Reason: "half-written last line"}
	case 2:
		if !f.lines[len(f.lines)-1].alone && bytes.HasSuffix(f.b, []byte("}"+d.feed)) {
			f.b = f.b[:len(f.b)-len(d.feed)] // whole, but its line feed is missing; what is broken would still wait for it
		}
	case 3:
		f.b = append(f.b, make([]byte, 512)...)
	}
}

// spaced writes white space into JSON, wherever it may stand.
func spaced(text []byte) []byte {
	out := make([]byte, 0, len(text)+len(text)/16)
	inString, escaped := false, false
	for _, c := range text {
		out = append(out, c)
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case !inString && (c == ':' || c == ',' || c == '{' || c == '['):
			out = append(out, ' ')
		}
	}
	return out
}
