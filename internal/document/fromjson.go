package document

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Extra is what the watcher adds to a transcript's object on its way into MongoDB. A zero field other than ID adds
// nothing, and the object's own key of that name, if any, stays.
type Extra struct {
	// ID becomes _id, as an ObjectId.
	ID [12]byte
	// ProjectID and SourceFile become projectId and sourceFile. Bytes that are not UTF-8 become U+FFFD.
	ProjectID  string
	SourceFile string
	// IngestedAt becomes ingestedAt, in BSON's milliseconds.
	IngestedAt time.Time
}

// FromJSON appends one JSON object to dst as BSON, in the shape that MongoDB holds it in: _id, then all keys of the
// object in their order, then projectId, sourceFile, ingestedAt. Only white space may follow the object.
//
// Where the object has one of those three keys itself, the value of Extra stands in that key's place, as it would
// after the watcher's insert; an _id of its own is dropped, since the row's identity is the object's place in its file.
// A repeated key is kept as often as it occurs; readers take the last, as JavaScript does.
//
// Integers become int32 or int64 where they fit, other numbers double; a number beyond double's range becomes
// Decimal128 where that holds it exactly, else a string of its digits. A NUL in a key, which BSON cannot hold, becomes
// U+FFFD, as do bytes that are not UTF-8 and halves of surrogate pairs; Decoder counts them.
//
// On an error the returned slice is dst as it was given.
func FromJSON(dst, object []byte, extra Extra) ([]byte, error) {
	dst = slices.Grow(dst, len(object)+len(object)/4+128)
	var d Decoder
	out, n, err := d.Prefix(dst, object, extra)
	if err != nil {
		return dst, err
	}
	for ; n < len(object); n++ {
		if !isSpace(object[n]) {
			return dst, &SyntaxError{Offset: n, Detail: "text after the object"}
		}
	}
	return out, nil
}

// FromJSONPrefix is FromJSON for the first object of b; more may follow it. consumed is how many bytes of b it took,
// leading white space included. ErrIncomplete asks for more bytes.
func FromJSONPrefix(dst, b []byte, extra Extra) (out []byte, consumed int, err error) {
	var d Decoder
	return d.Prefix(dst, b, extra)
}

// Decoder is FromJSONPrefix for callers who want to know what could not be taken over as it was. The zero value is
// ready; it is not safe for concurrent use.
type Decoder struct {
	// Replaced counts the characters of the last object that became U+FFFD.
	Replaced int

	p transcoder
}

// Prefix is FromJSONPrefix. On an error consumed is where reading stopped.
func (d *Decoder) Prefix(dst, b []byte, extra Extra) (out []byte, consumed int, err error) {
	p := &d.p
	*p = transcoder{in: b, out: dst}
	err = p.root(extra)
	d.Replaced = p.replaced
	out, consumed = p.out, p.pos
	*p = transcoder{}
	if err != nil {
		return dst, consumed, err
	}
	if len(out)-len(dst) > MaxSize {
		return dst, consumed, ErrTooLarge
	}
	return out, consumed, nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// root transcodes the first object of the input.
func (p *transcoder) root(extra Extra) error {
	p.space()
	if p.pos == len(p.in) {
		return ErrIncomplete
	}
	switch c := p.in[p.pos]; {
	case c == '{':
	case c == '[', c == '"', c == '-', c >= '0' && c <= '9', c == 't', c == 'f', c == 'n':
		return fmt.Errorf("%w: it starts with %q", ErrNotObject, c)
	default:
		return p.fail("expected an object")
	}
	p.pos++
	start := len(p.out)
	p.out = append(p.out, 0, 0, 0, 0)
	p.out = append(p.out, typeObjectID, '_', 'i', 'd', 0)
	p.out = append(p.out, extra.ID[:]...)
	added := additions{Extra: extra}
	err := p.members(1, &added)
	if err != nil {
		return err
	}
	p.out = added.rest(p)
	return p.close(start)
}

// additions writes Extra's fields, each once: in place of the object's own key, or at the end.
type additions struct {
	Extra
	project, file, ingested bool
}

// replaces reports whether the watcher's value stands for the object's own, and writes it, without its type and key,
// if it is the first of that key. kind 0 means that the member is to be left out.
func (a *additions) replaces(p *transcoder, key []byte) (kind byte, yes bool) {
	switch string(key) {
	case "_id":
		return 0, true
	case "projectId":
		if a.ProjectID == "" || a.project {
			return 0, a.project
		}
		a.project = true
		p.text(a.ProjectID)
		return typeString, true
	case "sourceFile":
		if a.SourceFile == "" || a.file {
			return 0, a.file
		}
		a.file = true
		p.text(a.SourceFile)
		return typeString, true
	case "ingestedAt":
		if a.IngestedAt.IsZero() || a.ingested {
			return 0, a.ingested
		}
		a.ingested = true
		p.out = appendUint64(p.out, uint64(a.IngestedAt.UnixMilli()))
		return typeDate, true
	}
	return 0, false
}

// rest writes the fields whose keys the object did not have.
func (a *additions) rest(p *transcoder) []byte {
	for _, key := range [...]string{"projectId", "sourceFile", "ingestedAt"} {
		at := len(p.out)
		p.out = append(p.out, 0)
		p.out = append(p.out, key...)
		p.out = append(p.out, 0)
		if kind, _ := a.replaces(p, []byte(key)); kind != 0 {
			p.out[at] = kind
		} else {
			p.out = p.out[:at]
		}
	}
	return p.out
}

// close ends the document that began at start: terminator and length.
func (p *transcoder) close(start int) error {
	p.out = append(p.out, 0)
	size := len(p.out) - start
	if size > math.MaxInt32 {
		return ErrTooLarge
	}
	putUint32(p.out[start:], uint32(size))
	return nil
}

// isJSONObject reports whether text is one JSON object and nothing else.
func isJSONObject(text string) bool {
	_, err := FromJSON(nil, []byte(text), Extra{})
	return err == nil
}
