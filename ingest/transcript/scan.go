package transcript

import (
	"encoding/binary"
	"math/bits"
)

// maxScanDepth is how deep a value may be nested for its end to be looked for. It is far above what can be converted:
// what lies between is a whole object that is set aside by itself, with what follows it on the line read on.
const maxScanDepth = 10_000

// verdict is what a scanner can say of the bytes it has seen.
type verdict uint8

const (
	// scanMore: all bytes were taken and the value goes on.
	scanMore verdict = iota
	// scanDone: the value ended.
	scanDone
	// scanFault: the byte cannot stand there. A line feed is such a byte: no value goes past its line.
	scanFault
	// scanDeep: the value is nested deeper than maxScanDepth.
	scanDeep
)

type scanState uint8

const (
	wantValue scanState = iota
	wantFirstKey
	wantKey
	wantColon
	wantFirstElement
	afterValue
	inString
	inEscape
	inUnicode
	inLiteral
	numberMinus
	numberZero
	numberDigits
	numberPoint
	numberFraction
	numberExp
	numberExpSign
	numberExpDigits
)

// scanner finds the end of one JSON value, strictly by RFC 8259, in bytes that may arrive in pieces. Unlike a decoder
// it needs nothing it has already seen, which is what lets a line of any length be skipped in bounded memory.
type scanner struct {
	state   scanState
	key     bool   // the string being read is a key
	hex     uint8  // hex digits still wanted by \u
	literal string // rest of true, false or null
	depth   int
	object  [(maxScanDepth + 63) / 64]uint64 // one bit a level: an object, not an array
}

func (s *scanner) reset() {
	s.state, s.depth = wantValue, 0
}

// feed takes the next bytes. n is how many belong to the value; at scanFault and scanDeep, p[n] is the byte at fault.
func (s *scanner) feed(p []byte) (n int, v verdict) {
	for i := 0; i < len(p); {
		c := p[i]
		switch s.state {
		case inString:
			i += plain(p[i:])
			if i == len(p) {
				return i, scanMore
			}
			switch p[i] {
			case '"':
				if s.key {
					s.state = wantColon
				} else if s.ended() {
					return i + 1, scanDone
				}
			case '\\':
				s.state = inEscape
			default:
				return i, scanFault
			}
			i++
			continue
		case afterValue:
			switch {
			case c == ',' && s.inObject():
				s.state = wantKey
			case c == ',':
				s.state = wantValue
			case c == '}' && s.inObject(), c == ']' && !s.inObject():
				s.depth--
				if s.ended() {
					return i + 1, scanDone
				}
			case !isSpace(c):
				return i, scanFault
			}
		case wantFirstKey, wantKey:
			switch {
			case c == '"':
				s.state, s.key = inString, true
			case c == '}' && s.state == wantFirstKey:
				s.depth--
				if s.ended() {
					return i + 1, scanDone
				}
			case !isSpace(c):
				return i, scanFault
			}
		case wantColon:
			if c == ':' {
				s.state = wantValue
			} else if !isSpace(c) {
				return i, scanFault
			}
		case wantValue, wantFirstElement:
			v, again := s.begin(c)
			if v != scanMore {
				return i, v
			}
			if again {
				s.depth--
				if s.ended() {
					return i + 1, scanDone
				}
			}
		default:
			taken, v := s.token(c)
			if v == scanDone {
				return i + taken, scanDone
			}
			if v != scanMore {
				return i, v
			}
			i += taken
			continue
		}
		i++
	}
	return len(p), scanMore
}

// begin starts the value that c is the first byte of. closes is true for the ']' of an empty array.
func (s *scanner) begin(c byte) (v verdict, closes bool) {
	switch {
	case c == '"':
		s.state, s.key = inString, false
	case c == '{', c == '[':
		if s.depth == maxScanDepth {
			return scanDeep, false
		}
		word, bit := s.depth/64, uint64(1)<<(s.depth%64)
		s.depth++
		if c == '{' {
			s.object[word] |= bit
			s.state = wantFirstKey
		} else {
			s.object[word] &^= bit
			s.state = wantFirstElement
		}
	case c == ']' && s.state == wantFirstElement:
		return scanMore, true
	case c == '-':
		s.state = numberMinus
	case c == '0':
		s.state = numberZero
	case c >= '1' && c <= '9':
		s.state = numberDigits
	case c == 't':
		s.state, s.literal = inLiteral, "true"[1:]
	case c == 'f':
		s.state, s.literal = inLiteral, "false"[1:]
	case c == 'n':
		s.state, s.literal = inLiteral, "null"[1:]
	case !isSpace(c):
		return scanFault, false
	}
	return scanMore, false
}

// token goes on in an escape, a literal or a number. taken is 0 where c ends a number without belonging to it.
func (s *scanner) token(c byte) (taken int, v verdict) {
	switch s.state {
	case inEscape:
		switch c {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			s.state = inString
		case 'u':
			s.state, s.hex = inUnicode, 4
		default:
			return 0, scanFault
		}
		return 1, scanMore
	case inUnicode:
		if !isHex(c) {
			return 0, scanFault
		}
		if s.hex--; s.hex == 0 {
			s.state = inString
		}
		return 1, scanMore
	case inLiteral:
		if c != s.literal[0] {
			return 0, scanFault
		}
		if s.literal = s.literal[1:]; s.literal == "" && s.ended() {
			return 1, scanDone
		}
		return 1, scanMore
	default:
		return s.number(c)
	}
}

func (s *scanner) number(c byte) (taken int, v verdict) {
	digit := c >= '0' && c <= '9'
	whole := false // the number may end before c
	switch s.state {
	case numberMinus:
		switch {
		case c == '0':
			s.state = numberZero
			return 1, scanMore
		case digit:
			s.state = numberDigits
			return 1, scanMore
		}
	case numberZero, numberDigits:
		switch {
		case digit && s.state == numberDigits:
			return 1, scanMore
		case c == '.':
			s.state = numberPoint
			return 1, scanMore
		case c == 'e', c == 'E':
			s.state = numberExp
			return 1, scanMore
		}
		whole = true
	case numberPoint, numberFraction:
		switch {
		case digit:
			s.state = numberFraction
			return 1, scanMore
		case s.state == numberFraction && (c == 'e' || c == 'E'):
			s.state = numberExp
			return 1, scanMore
		}
		whole = s.state == numberFraction
	case numberExp, numberExpSign, numberExpDigits:
		switch {
		case digit:
			s.state = numberExpDigits
			return 1, scanMore
		case s.state == numberExp && (c == '+' || c == '-'):
			s.state = numberExpSign
			return 1, scanMore
		}
		whole = s.state == numberExpDigits
	}
	if !whole {
		return 0, scanFault
	}
	if s.ended() {
		return 0, scanDone
	}
	return 0, scanMore
}

// ended notes the end of a value and reports whether it was the outermost.
func (s *scanner) ended() bool {
	s.state = afterValue
	return s.depth == 0
}

func (s *scanner) inObject() bool {
	level := s.depth - 1
	return s.object[level/64]&(1<<(level%64)) != 0
}

// plain is the number of leading bytes that mean nothing special inside a string. It looks at eight bytes at a time,
// since most of a transcript is text in strings.
func plain(p []byte) int {
	const (
		low  = 0x0101010101010101
		high = 0x8080808080808080
	)
	i := 0
	for ; i+8 <= len(p); i += 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		quote := w ^ low*'"'
		slash := w ^ low*'\\'
		// A byte's high bit is set where the byte is '"', '\\', or below 0x20. Borrows can set bits above a true hit
		// only, so the lowest one is right.
		hit := ((quote - low) &^ quote) | ((slash - low) &^ slash) | ((w - low*0x20) &^ w)
		if hit &= high; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for ; i < len(p); i++ {
		if c := p[i]; c == '"' || c == '\\' || c < 0x20 {
			break
		}
	}
	return i
}

// isSpace reports JSON's white space, but for the line feed, which ends a line.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
