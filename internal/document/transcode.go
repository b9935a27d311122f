package document

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// BSON's type bytes.
const (
	typeDouble     = 0x01
	typeString     = 0x02
	typeDocument   = 0x03
	typeArray      = 0x04
	typeBinary     = 0x05
	typeUndefined  = 0x06
	typeObjectID   = 0x07
	typeBoolean    = 0x08
	typeDate       = 0x09
	typeNull       = 0x0A
	typeRegex      = 0x0B
	typeDBPointer  = 0x0C
	typeJavaScript = 0x0D
	typeSymbol     = 0x0E
	typeScope      = 0x0F
	typeInt32      = 0x10
	typeTimestamp  = 0x11
	typeInt64      = 0x12
	typeDecimal    = 0x13
	typeMaxKey     = 0x7F
	typeMinKey     = 0xFF
)

const replacement = "\uFFFD"

// transcoder reads JSON at in[pos:] and appends BSON to out, in one pass, without a tree between.
type transcoder struct {
	in       []byte
	out      []byte
	pos      int
	replaced int
}

func appendUint64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }
func putUint32(b []byte, v uint32)           { binary.LittleEndian.PutUint32(b, v) }

func (p *transcoder) fail(detail string) error {
	return &SyntaxError{Offset: p.pos, Detail: detail}
}

func (p *transcoder) space() {
	for p.pos < len(p.in) && isSpace(p.in[p.pos]) {
		p.pos++
	}
}

// next skips white space and returns the byte it stops at; false at the end of input.
func (p *transcoder) next() (byte, bool) {
	if p.pos < len(p.in) {
		if c := p.in[p.pos]; c > ' ' {
			return c, true
		}
	}
	p.space()
	if p.pos == len(p.in) {
		return 0, false
	}
	return p.in[p.pos], true
}

// members reads an object's members and its '}'. added is not nil for the outermost object only.
func (p *transcoder) members(depth int, added *additions) error {
	c, ok := p.next()
	if !ok {
		return ErrIncomplete
	}
	if c == '}' {
		p.pos++
		return nil
	}
	for {
		if c != '"' {
			return p.fail("expected a key")
		}
		at := len(p.out)
		p.out = append(p.out, 0)
		if err := p.key(); err != nil {
			return err
		}
		if c, ok = p.next(); !ok {
			return ErrIncomplete
		}
		if c != ':' {
			return p.fail("expected ':'")
		}
		p.pos++
		if err := p.member(at, depth, added); err != nil {
			return err
		}
		if c, ok = p.next(); !ok {
			return ErrIncomplete
		}
		switch c {
		case ',':
			p.pos++
			if c, ok = p.next(); !ok {
				return ErrIncomplete
			}
		case '}':
			p.pos++
			return nil
		default:
			return p.fail("expected ',' or '}'")
		}
	}
}

// member reads the value of the member whose element, type byte and key written, begins at out[at].
func (p *transcoder) member(at, depth int, added *additions) error {
	if added == nil {
		return p.value(at, depth)
	}
	kind, replaced := added.replaces(p, p.out[at+1:len(p.out)-1])
	if !replaced {
		return p.value(at, depth)
	}
	end := at
	if kind != 0 {
		p.out[at] = kind
		end = len(p.out)
	}
	// The object's own value is read all the same, since it must be JSON, and forgotten.
	count := p.replaced
	skipped := len(p.out)
	p.out = append(p.out, 0)
	err := p.value(skipped, depth)
	p.out, p.replaced = p.out[:end], count
	return err
}

// value reads one value, appends it and sets its type byte at out[at].
func (p *transcoder) value(at, depth int) error {
	c, ok := p.next()
	if !ok {
		return ErrIncomplete
	}
	switch c {
	case '"':
		p.out[at] = typeString
		return p.stringValue()
	case '{', '[':
		if depth == MaxJSONDepth {
			return fmt.Errorf("%w: more than %d levels at byte %d", ErrTooDeep, MaxJSONDepth, p.pos)
		}
		p.pos++
		start := len(p.out)
		p.out = append(p.out, 0, 0, 0, 0)
		var err error
		if c == '{' {
			p.out[at] = typeDocument
			err = p.members(depth+1, nil)
		} else {
			p.out[at] = typeArray
			err = p.elements(depth + 1)
		}
		if err != nil {
			return err
		}
		return p.close(start)
	case 't':
		p.out[at] = typeBoolean
		p.out = append(p.out, 1)
		return p.literal("true")
	case 'f':
		p.out[at] = typeBoolean
		p.out = append(p.out, 0)
		return p.literal("false")
	case 'n':
		p.out[at] = typeNull
		return p.literal("null")
	}
	if c == '-' || c >= '0' && c <= '9' {
		return p.number(at)
	}
	return p.fail("expected a value")
}

// elements reads an array's elements and its ']'.
func (p *transcoder) elements(depth int) error {
	c, ok := p.next()
	if !ok {
		return ErrIncomplete
	}
	if c == ']' {
		p.pos++
		return nil
	}
	for i := uint64(0); ; i++ {
		at := len(p.out)
		p.out = append(p.out, 0)
		p.out = append(strconv.AppendUint(p.out, i, 10), 0)
		if err := p.value(at, depth); err != nil {
			return err
		}
		if c, ok = p.next(); !ok {
			return ErrIncomplete
		}
		if c == ']' {
			p.pos++
			return nil
		}
		if c != ',' {
			return p.fail("expected ',' or ']'")
		}
		p.pos++
	}
}

func (p *transcoder) literal(word string) error {
	for i := range len(word) {
		if p.pos+i == len(p.in) {
			return ErrIncomplete
		}
		if p.in[p.pos+i] != word[i] {
			p.pos += i
			return p.fail("expected " + word)
		}
	}
	p.pos += len(word)
	return nil
}
