package document

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf8"
)

// texts gives values their text form and remembers what could not be taken over as it was.
type texts struct {
	issues Issues
	// field is the top-level field being read, for errors.
	field string
	// broken is the first error of a value that is not BSON inside.
	broken error
}

// of is the text form of a value: a text as it is, an ObjectId's hex digits, anything else as JSON. NULL for what is
// absent or null.
func (t *texts) of(v value) Null[string] {
	switch v.kind {
	case 0, typeNull, typeUndefined:
		return Null[string]{}
	case typeString, typeSymbol:
		return Some(t.valid(v.str()))
	case typeObjectID:
		return Some(objectIDText(v.data))
	case typeBoolean:
		return Some(strconv.FormatBool(v.data[0] != 0))
	}
	var w jsonWriter
	if err := w.value(v, 0); err != nil {
		t.fail(err)
		return Null[string]{}
	}
	if w.replaced {
		t.issues.add(IssueText)
	}
	return Some(string(w.buf))
}

// onlyText is a text as it is; anything else is NULL. For fields of foreign objects, which may hold anything.
func (t *texts) onlyText(v value) Null[string] {
	if !v.isText() {
		return Null[string]{}
	}
	return t.of(v)
}

// nonEmpty is of, but "" counts as absent: for ids and names.
func (t *texts) nonEmpty(v value) Null[string] {
	s := t.of(v)
	if s.V == "" {
		return Null[string]{}
	}
	return s
}

// valid is s with U+FFFD for every byte that is not UTF-8.
func (t *texts) valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	t.issues.add(IssueText)
	return validText(s)
}

func (t *texts) fail(err error) {
	if t.broken == nil {
		t.broken = fmt.Errorf("%s: %w", t.field, err)
	}
}

// flag is a boolean field; anything but a boolean is NULL.
func (t *texts) flag(v value) Null[bool] {
	if v.kind == typeBoolean {
		return Some(v.data[0] != 0)
	}
	if !v.isNull() {
		t.issues.add(IssueFlag)
	}
	return Null[bool]{}
}

// count is a whole number of any number type; anything else is NULL.
func (t *texts) count(v value) Null[int64] {
	if v.isNull() {
		return Null[int64]{}
	}
	n, ok := v.integer()
	if !ok {
		t.issues.add(IssueNumber)
		return Null[int64]{}
	}
	return Some(n)
}

// scaled is a number times factor, rounded: seconds to milliseconds, dollars to billionths.
func (t *texts) scaled(v value, factor float64) Null[int64] {
	if v.isNull() {
		return Null[int64]{}
	}
	f, ok := v.float()
	f = math.Round(f * factor)
	if !ok || math.Abs(f) >= 1e18 {
		t.issues.add(IssueNumber)
		return Null[int64]{}
	}
	return Some(int64(f))
}

func validText(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				b.WriteString(replacement)
				continue
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}

// characters counts the Unicode characters of valid text: its bytes less those that continue one.
func characters(s string) int64 {
	n, i := len(s), 0
	for ; i+8 <= len(s); i += 8 {
		x := le64(s[i:])
		n -= bits.OnesCount64(x >> 7 & (^x >> 6) & lowBits)
	}
	for ; i < len(s); i++ {
		if !utf8.RuneStart(s[i]) {
			n--
		}
	}
	return int64(n)
}
