package redact

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"claude-analytics/proto"
)

// passes at most: what stands where a secret stood could, in a contrived text, make another pattern match.
const maxPasses = 4

// Document returns doc with its secrets replaced, and what was found; the same slice and nil if there is nothing. What
// is not BSON is treated as text.
func (r *Rules) Document(doc bson.Raw) (bson.Raw, []*proto.Finding) {
	s := r.scanner()
	defer r.pool.Put(s)
	var all []*proto.Finding
	for range maxPasses {
		out, findings := s.document(doc)
		if len(findings) == 0 {
			break
		}
		doc, all = out, append(all, findings...)
	}
	return doc, all
}

// Text returns text with its secrets replaced, and what was found; the same slice and nil if there is nothing.
func (r *Rules) Text(text []byte) ([]byte, []*proto.Finding) {
	s := r.scanner()
	defer r.pool.Put(s)
	var all []*proto.Finding
	for range maxPasses {
		list := settle(s.text(text, 0, nil))
		if len(list) == 0 {
			break
		}
		for i := range list {
			all = append(all, list[i].finding(""))
		}
		text = replace(nil, text, list)
	}
	return text, all
}

func (f *found) finding(path string) *proto.Finding {
	return &proto.Finding{Rule: f.rule.id, Path: path, Hash: hex.EncodeToString(f.hash[:])}
}

// replace appends text to out with what was found replaced by its kind and a part of its hash.
func replace(out, text []byte, list []found) []byte {
	at := 0
	for i := range list {
		f := &list[i]
		out = append(out, text[at:f.from]...)
		out = append(out, markerBegin...)
		out = append(out, f.rule.id...)
		out = append(out, ':')
		out = hex.AppendEncode(out, f.hash[:6])
		out = append(out, ']')
		at = f.to
	}
	return append(out, text[at:]...)
}

func (s *scanner) document(doc []byte) ([]byte, []*proto.Finding) {
	if !s.survey(doc) {
		return doc, nil
	}
	w := walk{scanner: s, doc: doc}
	if err := w.document(0, len(doc), placeTop, 0); err != nil {
		list := settle(s.text(doc, 0, nil))
		if len(list) == 0 {
			return doc, nil
		}
		findings := make([]*proto.Finding, len(list))
		for i := range list {
			findings[i] = list[i].finding("")
		}
		return replace(nil, doc, list), findings
	}
	if len(w.edits) == 0 {
		return doc, nil
	}
	return w.rewrite()
}

// survey passes once over a document and marks the places at which to look closer. It returns false if there are none.
func (s *scanner) survey(doc []byte) bool {
	s.marks, s.keyed = s.marks[:0], false
	l := &s.levels[0]
	s.look(doc, l, true)
	for _, spot := range l.spots {
		if s.rules[spot.rule].arms != nil {
			s.marks = append(s.marks, spot.at)
		}
	}
	eachRun(doc, func(from, to int) {
		l.buf = decoded(doc[from:to], l.buf, func(plain []byte) bool {
			if s.promising(plain, 1) {
				s.marks = append(s.marks, int32(from))
				return false
			}
			return true
		})
	})
	slices.Sort(s.marks)
	return len(s.marks) > 0 || s.keyed || len(s.always) > 0 || severalTexts(doc)
}

// promising reports whether a text has spots, or what it encodes has.
func (s *scanner) promising(text []byte, depth int) bool {
	l := &s.levels[depth]
	s.look(text, l, false)
	is := len(l.spots) > 0
	if !is && depth < deepest {
		eachRun(text, func(from, to int) {
			l.buf = decoded(text[from:to], l.buf, func(plain []byte) bool {
				is = is || s.promising(plain, depth+1)
				return !is
			})
		})
	}
	return is
}

// severalTexts reports whether a document holds more than one text block.
func severalTexts(doc []byte) bool {
	field := []byte("\x02text\x00")
	i := bytes.Index(doc, field)
	return i >= 0 && bytes.Contains(doc[i+len(field):], field)
}

// marked reports whether a place between from and to was marked.
func (s *scanner) marked(from, to int) bool {
	if len(s.always) > 0 {
		return true
	}
	i, _ := slices.BinarySearch(s.marks, int32(from))
	return i < len(s.marks) && int(s.marks[i]) < to
}

// BSON's types that hold text, or other values.
const (
	typeDouble    = 0x01
	typeString    = 0x02
	typeDocument  = 0x03
	typeArray     = 0x04
	typeBinary    = 0x05
	typeObjectID  = 0x07
	typeBoolean   = 0x08
	typeDate      = 0x09
	typeRegex     = 0x0B
	typeDBPointer = 0x0C
	typeCode      = 0x0D
	typeSymbol    = 0x0E
	typeScope     = 0x0F
	typeInt32     = 0x10
	typeTimestamp = 0x11
	typeInt64     = 0x12
	typeDecimal   = 0x13
)

// maxDepth is the most that a MongoDB server can be configured to store.
const maxDepth = 1000

var errMalformed = errors.New("malformed BSON")

// edit is what is to be replaced in the text that stands at an offset of a document.
type edit struct {
	at   int
	list []found
	path string
}

// walk looks at the marked texts of a document.
type walk struct {
	*scanner
	doc   []byte
	path  []string
	edits []edit
	// inName says that a field's name holds a secret.
	inName bool
}

// element is one field of a document; offsets are the whole document's.
type element struct {
	kind       byte
	key, value span
}

// next reads the field at i of a document that ends at end; ok is false at its end.
func (w *walk) next(i, end int) (e element, ok bool, err error) {
	if i >= end-1 {
		if i != end-1 || w.doc[i] != 0 {
			return e, false, errMalformed
		}
		return e, false, nil
	}
	e.kind = w.doc[i]
	n := bytes.IndexByte(w.doc[i+1:end], 0)
	if n < 0 {
		return e, false, errMalformed
	}
	e.key = span{i + 1, i + 1 + n}
	e.value.from = i + n + 2
	size := valueSize(e.kind, w.doc[e.value.from:end-1])
	if size < 0 || e.value.from+size > end-1 {
		return e, false, errMalformed
	}
	e.value.to = e.value.from + size
	return e, true, nil
}

// document looks at what is between from and to.
func (w *walk) document(from, to int, at place, depth int) error {
	if to-from < 5 || int(int32(binary.LittleEndian.Uint32(w.doc[from:]))) != to-from || depth > maxDepth {
		return errMalformed
	}
	var texts []part
	for i := from + 4; ; {
		e, ok, err := w.next(i, to)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		i = e.value.to
		if err := w.element(e, at, span{from, to}, depth); err != nil {
			return err
		}
		if at == placeList {
			texts = w.gather(e, texts)
		}
	}
	w.joined(texts)
	return nil
}

func (w *walk) element(e element, at place, in span, depth int) error {
	if w.marked(e.key.from, e.key.to) {
		n := len(w.edits)
		w.add(e.key, w.text(w.doc[e.key.from:e.key.to], 0, nil), string(w.doc[e.key.from:e.key.to]))
		w.inName = w.inName || len(w.edits) > n
	}
	key := string(w.doc[e.key.from:e.key.to])
	switch e.kind {
	case typeDocument, typeArray:
		w.path = append(w.path, key)
		err := w.document(e.value.from, e.value.to, at.below(key, e.kind), depth+1)
		w.path = w.path[:len(w.path)-1]
		return err
	case typeScope:
		inner := e.value.from + 4
		size := valueSize(typeCode, w.doc[inner:e.value.to])
		if size < 0 || inner+size > e.value.to {
			return errMalformed
		}
		w.value(span{inner + 4, inner + size - 1}, key)
		w.path = append(w.path, key)
		err := w.document(inner+size, e.value.to, placeOther, depth+1)
		w.path = w.path[:len(w.path)-1]
		return err
	}
	content := e.content(w.doc)
	if content.from == content.to || at.keeps(key, e, w.doc, in) {
		return nil
	}
	w.value(content, key)
	return nil
}

// content is where an element's text is.
func (e element) content(doc []byte) span {
	switch e.kind {
	case typeString, typeCode, typeSymbol:
		return span{e.value.from + 4, e.value.to - 1}
	case typeBinary:
		switch doc[e.value.from+4] {
		case 3, 4, 5, 6: // UUIDs, a checksum, what is encrypted
		default:
			return span{e.value.from + 5, e.value.to}
		}
	case typeRegex:
		return span{e.value.from, e.value.from + bytes.IndexByte(doc[e.value.from:], 0)}
	}
	return span{}
}

// value looks at a text, alone, and together with its field's name where that says what it is.
func (w *walk) value(at span, key string) {
	text := w.doc[at.from:at.to]
	var list []found
	if w.marked(at.from, at.to) {
		list = w.text(text, 0, nil)
	}
	if w.keyed && len(text) >= shortestKeyed && len(text) <= longestKeyed && w.words.contains([]byte(key)) {
		list = w.assigned(text, key, list)
	}
	w.add(at, list, key)
}

// What a field's name can say of its value, bytes.
const shortestKeyed, longestKeyed = 8, 4096

// assigned finds what a text is by the name of its field, as it would be found in name="text".
func (w *walk) assigned(text []byte, key string, list []found) []found {
	begin := len(key) + 2
	both := make([]byte, 0, begin+len(text)+1)
	both = append(both, key...)
	both = append(both, '=', '"')
	both = append(both, text...)
	both = append(both, '"')
	n := len(list)
	list = w.text(both, 0, list)
	kept := list[:n]
	for _, f := range list[n:] {
		f.from, f.to = max(0, f.from-begin), min(len(text), f.to-begin)
		if f.from < f.to {
			kept = append(kept, f)
		}
	}
	return kept
}

// add notes what was found in the text at a place.
func (w *walk) add(at span, list []found, key string) {
	if list = settle(list); len(list) > 0 {
		w.edits = append(w.edits, edit{at: at.from, list: list, path: strings.Join(append(slices.Clone(w.path), key), ".")})
	}
}

// valueSize is how many bytes a value takes, -1 if that cannot be told.
func valueSize(kind byte, data []byte) int {
	switch kind {
	case typeString, typeCode, typeSymbol:
		n := prefixed(data, 1, 4)
		if n < 0 || n > len(data) || data[n-1] != 0 {
			return -1
		}
		return n
	case typeDocument, typeArray, typeScope:
		return prefixed(data, 5, 0)
	case typeBinary:
		return prefixed(data, 0, 5)
	case typeDBPointer:
		if n := prefixed(data, 1, 4); n >= 0 {
			return n + 12
		}
	case typeRegex:
		pattern := bytes.IndexByte(data, 0)
		if pattern < 0 {
			return -1
		}
		if options := bytes.IndexByte(data[pattern+1:], 0); options >= 0 {
			return pattern + options + 2
		}
	case typeInt32:
		return 4
	case typeInt64, typeDouble, typeDate, typeTimestamp:
		return 8
	case typeBoolean:
		return 1
	case 0x06, 0x0A, 0xFF, 0x7F: // undefined, null, the least and the greatest key
		return 0
	case typeObjectID:
		return 12
	case typeDecimal:
		return 16
	}
	return -1
}

// prefixed is the size of a value that begins with a length, which is at least least and leaves out more bytes.
func prefixed(data []byte, least, more int) int {
	if len(data) < max(4, more) {
		return -1
	}
	n := int(int32(binary.LittleEndian.Uint32(data)))
	if n < least || n > len(data) {
		return -1
	}
	return n + more
}
