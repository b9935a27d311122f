package redact

import (
	"bytes"
	"slices"
)

// unescape reads one character of text with its escapes undone, and says how many bytes it took. It knows JSON's escapes
// at any depth of nesting (any number of backslashes before the character), and those of URLs. What is no escape of an
// ASCII character stands for itself.
func unescape(text []byte) (c byte, n int) {
	c = text[0]
	switch c {
	case '\\':
		k := 1
		for k < len(text) && text[k] == '\\' {
			k++
		}
		if k == len(text) {
			return c, k
		}
		switch e := text[k]; e {
		case '"', '\'', '`', '/':
			return e, k + 1
		case 'n':
			return '\n', k + 1
		case 'r':
			return '\r', k + 1
		case 't':
			return '\t', k + 1
		case 'u':
			if k+5 <= len(text) {
				hi, ok1 := hexPair(text[k+1], text[k+2])
				lo, ok2 := hexPair(text[k+3], text[k+4])
				if ok1 && ok2 && hi == 0 && lo < 0x80 && lo > 0 {
					return lo, k + 5
				}
			}
		}
		return c, k
	case '%':
		if len(text) >= 3 {
			if v, ok := hexPair(text[1], text[2]); ok && v < 0x80 && v > 0 {
				return v, 3
			}
		}
	}
	return c, 1
}

// escapes reads a text character by character. Behind an escape of a URL, and up to the next white space, a plus sign is
// a space.
type escapes struct {
	url  bool
	plus bool // one was read as a space
}

func (e *escapes) next(text []byte) (c byte, n int) {
	c, n = unescape(text)
	switch {
	case text[0] == '%' && n > 1:
		e.url = true
	case text[0] == ' ' || text[0] == '\n' || text[0] == '"':
		e.url = false
	case e.url && c == '+':
		c, e.plus = ' ', true
	}
	return c, n
}

func hexPair(a, b byte) (byte, bool) {
	x, y := hexValue[a], hexValue[b]
	return x<<4 | y&0xF, x < 16 && y < 16
}

// hexValue is 16 and more for what is no hex digit.
var hexValue = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xFF
	}
	for i := range 10 {
		t['0'+i] = byte(i)
	}
	for i := range 6 {
		t['a'+i], t['A'+i] = byte(10+i), byte(10+i)
	}
	return t
}()

func hasEscapes(text []byte) bool {
	return bytes.IndexByte(text, '\\') >= 0 || bytes.IndexByte(text, '%') >= 0
}

// view is text as something else reads it, with where each of its bytes came from.
type view struct {
	text []byte
	from []int32 // one more than text: the end
}

// keepView is the largest view that is kept for the next text, bytes.
const keepView = 1 << 20

// unescape makes the view that of a text with its escapes undone; false if there are none.
func (v *view) unescape(text []byte) bool {
	if cap(v.text) > keepView {
		*v = view{}
	}
	v.text, v.from = slices.Grow(v.text[:0], len(text)), slices.Grow(v.from[:0], len(text)+1)
	var e escapes
	for i := 0; i < len(text); {
		c, n := e.next(text[i:])
		v.text = append(v.text, c)
		v.from = append(v.from, int32(i))
		i += n
	}
	v.from = append(v.from, int32(len(text)))
	return len(v.text) < len(text) || e.plus
}

// boundaryAt reports whether a word may begin at i: there is none before it, or what is before it is an escape, whose
// last letter is not part of a word.
func boundaryAt(text []byte, i int) bool {
	if i == 0 || !isWord(text[i-1]) {
		return true
	}
	switch {
	case i >= 2 && text[i-2] == '\\':
		return true
	case i >= 3 && text[i-3] == '%':
		return true
	case i >= 6 && text[i-5] == 'u' && text[i-6] == '\\':
		return true
	}
	return false
}
