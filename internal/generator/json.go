package generator

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// writer appends JSON text. It puts commas by looking at the last byte, so callers only name keys and values.
// Strings are escaped the way JSON.stringify does it: control characters, quote and backslash, nothing else.
type writer struct {
	b      []byte
	start  int   // where the current line begins
	stamps []int // places of timestamps written by when, for rewriting them in live mode
}

// line begins a new line in an emptied buffer.
func (w *writer) line() {
	w.b, w.start, w.stamps = w.b[:0], 0, w.stamps[:0]
}

func (w *writer) sep() {
	if n := len(w.b); n > w.start {
		switch w.b[n-1] {
		case '{', '[', ':':
		default:
			w.b = append(w.b, ',')
		}
	}
}

func (w *writer) obj() *writer    { w.sep(); w.b = append(w.b, '{'); return w }
func (w *writer) end() *writer    { w.b = append(w.b, '}'); return w }
func (w *writer) arr() *writer    { w.sep(); w.b = append(w.b, '['); return w }
func (w *writer) endArr() *writer { w.b = append(w.b, ']'); return w }

func (w *writer) key(k string) *writer {
	w.sep()
	w.b = append(w.b, '"')
	w.b = append(w.b, k...)
	w.b = append(w.b, '"', ':')
	return w
}

func (w *writer) str(s string) *writer {
	w.sep()
	w.b = appendString(w.b, s)
	return w
}

func (w *writer) num(n int64) *writer {
	w.sep()
	w.b = strconv.AppendInt(w.b, n, 10)
	return w
}

// raw appends text that is JSON already.
func (w *writer) raw(s string) *writer {
	w.sep()
	w.b = append(w.b, s...)
	return w
}

func (w *writer) boolean(v bool) *writer {
	if v {
		return w.raw("true")
	}
	return w.raw("false")
}

// when appends an ISO timestamp in milliseconds and remembers its place.
func (w *writer) when(ms int64) *writer {
	w.sep()
	w.stamps = append(w.stamps, len(w.b)+1)
	w.b = append(w.b, '"')
	w.b = appendTime(w.b, ms)
	w.b = append(w.b, '"')
	return w
}

func (w *writer) kstr(k, v string) *writer       { return w.key(k).str(v) }
func (w *writer) kint(k string, v int) *writer   { return w.key(k).num(int64(v)) }
func (w *writer) kbool(k string, v bool) *writer { return w.key(k).boolean(v) }
func (w *writer) kraw(k, v string) *writer       { return w.key(k).raw(v) }
func (w *writer) kobj(k string) *writer          { return w.key(k).obj() }
func (w *writer) karr(k string) *writer          { return w.key(k).arr() }

// kref writes a string, or null when it is empty.
func (w *writer) kref(k, v string) *writer {
	if v == "" {
		return w.kraw(k, "null")
	}
	return w.kstr(k, v)
}

func (w *writer) strs(k string, values []string) *writer {
	w.karr(k)
	for _, v := range values {
		w.str(v)
	}
	return w.endArr()
}

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		case '\r':
			b = append(b, '\\', 'r')
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}

const timeLayout = "2006-01-02T15:04:05.000Z"

// appendTime appends a time in UTC as JavaScript's toISOString writes it.
func appendTime(b []byte, ms int64) []byte {
	return time.UnixMilli(ms).UTC().AppendFormat(b, timeLayout)
}

func isoTime(ms int64) string { return string(appendTime(nil, ms)) }

// day returns the UTC date of a time in milliseconds.
func day(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.DateOnly) }

// cut shortens text to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
