package document

import (
	"encoding/binary"
	"math"
	"strconv"
	"unsafe"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// number reads a number. Integers of up to 18 digits, nearly all there are, take no second look.
func (p *transcoder) number(at int) error {
	start := p.pos
	i, in := p.pos, p.in
	if in[i] == '-' {
		i++
	}
	digits := i
	var n int64
	for i < len(in) && in[i] >= '0' && in[i] <= '9' {
		n = n*10 + int64(in[i]-'0') // wraps for long numbers, which are read again below
		i++
	}
	p.pos = i
	count := i - digits
	if i == len(in) {
		return ErrIncomplete
	}
	if count == 0 {
		return p.fail("expected a digit")
	}
	if in[digits] == '0' && count > 1 {
		p.pos = digits + 1
		return p.fail("a number does not start with 0")
	}
	if c := in[i]; c == '.' || c == 'e' || c == 'E' {
		if err := p.fraction(); err != nil {
			return err
		}
		return p.longNumber(at, in[start:p.pos], false)
	}
	negative := digits > start
	if count > 18 || n == 0 && negative {
		return p.longNumber(at, in[start:i], n != 0 || !negative)
	}
	if negative {
		n = -n
	}
	p.integer(at, n)
	return nil
}

func (p *transcoder) integer(at int, n int64) {
	if n >= math.MinInt32 && n <= math.MaxInt32 {
		p.out[at] = typeInt32
		p.out = binary.LittleEndian.AppendUint32(p.out, uint32(int32(n)))
		return
	}
	p.out[at] = typeInt64
	p.out = appendUint64(p.out, uint64(n))
}

// fraction checks what follows a number's integer digits.
func (p *transcoder) fraction() error {
	if p.in[p.pos] == '.' {
		p.pos++
		if err := p.digits(); err != nil {
			return err
		}
	}
	if c := p.in[p.pos]; c == 'e' || c == 'E' {
		p.pos++
		if p.pos < len(p.in) && (p.in[p.pos] == '+' || p.in[p.pos] == '-') {
			p.pos++
		}
		return p.digits()
	}
	return nil
}

// digits reads one digit or more, and requires a byte after them: inside an object there is one.
func (p *transcoder) digits() error {
	start := p.pos
	for p.pos < len(p.in) && p.in[p.pos] >= '0' && p.in[p.pos] <= '9' {
		p.pos++
	}
	if p.pos == len(p.in) {
		return ErrIncomplete
	}
	if p.pos == start {
		return p.fail("expected a digit")
	}
	return nil
}

// longNumber stores a number that is no short integer.
func (p *transcoder) longNumber(at int, text []byte, integer bool) error {
	s := unsafe.String(unsafe.SliceData(text), len(text)) // not kept by any of its readers
	if integer {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			p.integer(at, n)
			return nil
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err == nil {
		p.out[at] = typeDouble
		p.out = appendUint64(p.out, math.Float64bits(f))
		return nil
	}
	if d, err := bson.ParseDecimal128(string(text)); err == nil && d.IsInf() == 0 && !d.IsNaN() {
		h, l := d.GetBytes()
		p.out[at] = typeDecimal
		p.out = appendUint64(appendUint64(p.out, l), h)
		return nil
	}
	p.out[at] = typeString
	p.text(s)
	return nil
}
