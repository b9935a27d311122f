package document

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// text appends a Go string as a BSON string.
func (p *transcoder) text(s string) {
	start := len(p.out)
	p.out = append(p.out, 0, 0, 0, 0)
	if utf8.ValidString(s) {
		p.out = append(p.out, s...)
	} else {
		p.valid([]byte(s))
	}
	p.out = append(p.out, 0)
	putUint32(p.out[start:], uint32(len(p.out)-start-4))
}

func (p *transcoder) stringValue() error {
	start := len(p.out)
	p.out = append(p.out, 0, 0, 0, 0)
	if _, err := p.body(); err != nil {
		return err
	}
	p.out = append(p.out, 0)
	size := len(p.out) - start - 4
	if size > math.MaxInt32 {
		return ErrTooLarge
	}
	putUint32(p.out[start:], uint32(size))
	return nil
}

// key appends a key as a cstring.
func (p *transcoder) key() error {
	start := len(p.out)
	escaped, err := p.body()
	if err != nil {
		return err
	}
	if escaped {
		p.out = p.withoutNUL(p.out, start)
	}
	p.out = append(p.out, 0)
	return nil
}

func (p *transcoder) withoutNUL(b []byte, start int) []byte {
	for i := start; i < len(b); i++ {
		if b[i] == 0 {
			tail := string(b[i+1:])
			b = append(append(b[:i], replacement...), tail...)
			p.replaced++
		}
	}
	return b
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// body reads a string from its opening to its closing quote and appends its text. escaped reports whether any
// character was written as an escape.
func (p *transcoder) body() (escaped bool, err error) {
	in := p.in
	i := p.pos + 1
	start := i
	var wide uint64 // has a high bit if a byte may be outside ASCII
	for {
		// Eight bytes at a time up to the first quote, backslash or control character. Borrows can mark bytes
		// above a true hit, never below it, so the lowest mark is exact.
		for i+8 <= len(in) {
			x := binary.LittleEndian.Uint64(in[i:])
			quote := x ^ lowBits*'"'
			slash := x ^ lowBits*'\\'
			hit := ((quote-lowBits)&^quote | (slash-lowBits)&^slash | (x-lowBits*' ')&^x) & highBits
			wide |= x
			if hit != 0 {
				i += bits.TrailingZeros64(hit) / 8
				goto special
			}
			i += 8
		}
		for i < len(in) {
			c := in[i]
			if c == '"' || c == '\\' || c < ' ' {
				goto special
			}
			wide |= uint64(c)
			i++
		}
		p.pos = i
		return escaped, ErrIncomplete
	special:
		if wide&highBits == 0 {
			p.out = append(p.out, in[start:i]...)
		} else {
			p.valid(in[start:i])
		}
		switch in[i] {
		case '"':
			p.pos = i + 1
			return escaped, nil
		case '\\':
			escaped = true
			p.pos = i + 1
			if err := p.escape(); err != nil {
				return escaped, err
			}
			i, start, wide = p.pos, p.pos, 0
		default:
			p.pos = i
			return escaped, p.fail("control character in a string")
		}
	}
}

// valid appends text, its invalid bytes replaced.
func (p *transcoder) valid(b []byte) {
	if utf8.Valid(b) {
		p.out = append(p.out, b...)
		return
	}
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			p.replaced++
			p.out = append(p.out, replacement...)
		} else {
			p.out = append(p.out, b[:n]...)
		}
		b = b[n:]
	}
}

// unescaped maps the letter after a backslash to its character; 0: none.
var unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads what follows a backslash.
func (p *transcoder) escape() error {
	if p.pos == len(p.in) {
		return ErrIncomplete
	}
	if c := unescaped[p.in[p.pos]]; c != 0 {
		p.out = append(p.out, c)
		p.pos++
		return nil
	}
	if p.in[p.pos] != 'u' {
		return p.fail("unknown escape")
	}
	p.pos++
	r, err := p.hex4()
	if err != nil {
		return err
	}
	if utf16.IsSurrogate(r) {
		r, err = p.pair(r)
		if err != nil {
			return err
		}
	}
	p.out = utf8.AppendRune(p.out, r)
	return nil
}

// pair completes a surrogate pair; half of one becomes U+FFFD, and what follows it is read on its own.
func (p *transcoder) pair(first rune) (rune, error) {
	rest := p.in[p.pos:]
	if len(rest) == 0 || len(rest) == 1 && rest[0] == '\\' {
		return 0, ErrIncomplete
	}
	if rest[0] == '\\' && rest[1] == 'u' {
		at := p.pos
		p.pos += 2
		second, err := p.hex4()
		if err != nil {
			return 0, err
		}
		if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
			return r, nil
		}
		p.pos = at
	}
	p.replaced++
	return utf8.RuneError, nil
}

func (p *transcoder) hex4() (rune, error) {
	var r rune
	for range 4 {
		if p.pos == len(p.in) {
			return 0, ErrIncomplete
		}
		c := p.in[p.pos]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, p.fail("expected four hex digits")
		}
		r = r<<4 | rune(c)
		p.pos++
	}
	return r, nil
}
