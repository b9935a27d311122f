package redact

import (
	"cmp"
	"encoding/binary"
	"slices"

	"claude-analytics/proto"
)

// rewrite makes the document with the edits applied, and says what they were. The document has been walked, so it is
// well formed.
func (w *walk) rewrite() ([]byte, []*proto.Finding) {
	slices.SortStableFunc(w.edits, func(a, b edit) int { return cmp.Compare(a.at, b.at) })
	w.edits = merged(w.edits)
	var findings []*proto.Finding
	for i := range w.edits {
		for k := range w.edits[i].list {
			findings = append(findings, w.edits[i].list[k].finding(w.edits[i].path))
		}
	}
	return w.copy(make([]byte, 0, len(w.doc)+64*len(findings)), 0, len(w.doc)), w.clean(findings)
}

// merged makes one of the edits of the same text.
func merged(edits []edit) []edit {
	kept := edits[:1]
	for _, e := range edits[1:] {
		if last := &kept[len(kept)-1]; last.at == e.at {
			last.list = settle(append(last.list, e.list...))
		} else {
			kept = append(kept, e)
		}
	}
	return kept
}

// edit is what to replace in the text at an offset.
func (w *walk) edit(at int) []found {
	i, ok := slices.BinarySearchFunc(w.edits, at, func(e edit, at int) int { return cmp.Compare(e.at, at) })
	if !ok {
		return nil
	}
	return w.edits[i].list
}

// copy appends the document between from and to.
func (w *walk) copy(out []byte, from, to int) []byte {
	begin := len(out)
	out = append(out, 0, 0, 0, 0)
	for i := from + 4; ; {
		e, ok, err := w.next(i, to)
		if err != nil || !ok {
			break
		}
		i = e.value.to
		out = append(out, e.kind)
		out = replace(out, w.doc[e.key.from:e.key.to], w.edit(e.key.from))
		out = append(out, 0)
		out = w.copyValue(out, e)
	}
	out = append(out, 0)
	binary.LittleEndian.PutUint32(out[begin:], uint32(len(out)-begin))
	return out
}

func (w *walk) copyValue(out []byte, e element) []byte {
	switch e.kind {
	case typeDocument, typeArray:
		return w.copy(out, e.value.from, e.value.to)
	case typeScope:
		begin, inner := len(out), e.value.from+4
		code := span{inner, inner + valueSize(typeCode, w.doc[inner:e.value.to])}
		out = append(out, 0, 0, 0, 0)
		out = w.copyText(out, span{code.from + 4, code.to - 1}, 1)
		out = append(out, 0)
		out = w.copy(out, code.to, e.value.to)
		binary.LittleEndian.PutUint32(out[begin:], uint32(len(out)-begin))
		return out
	case typeString, typeCode, typeSymbol:
		return append(w.copyText(out, e.content(w.doc), 1), 0)
	}
	content := e.content(w.doc)
	list := w.edit(content.from)
	if content.from == content.to || list == nil {
		return append(out, w.doc[e.value.from:e.value.to]...)
	}
	if e.kind == typeRegex {
		out = replace(out, w.doc[content.from:content.to], list)
		return append(out, w.doc[content.to:e.value.to]...)
	}
	// Binary, whose old subtype 2 has its length twice: with another content it is given the general subtype.
	begin := len(out)
	subtype := w.doc[e.value.from+4]
	if subtype == 2 {
		subtype = 0
	}
	out = append(out, 0, 0, 0, 0, subtype)
	out = replace(out, w.doc[content.from:content.to], list)
	binary.LittleEndian.PutUint32(out[begin:], uint32(len(out)-begin-5))
	return out
}

// copyText appends a text behind its length, which counts more bytes than the text has.
func (w *walk) copyText(out []byte, at span, more int) []byte {
	begin := len(out)
	out = append(out, 0, 0, 0, 0)
	out = replace(out, w.doc[at.from:at.to], w.edit(at.from))
	binary.LittleEndian.PutUint32(out[begin:], uint32(len(out)-begin-4+more))
	return out
}

// clean takes secrets out of the paths too: a field's name can be one.
func (w *walk) clean(findings []*proto.Finding) []*proto.Finding {
	if !w.inName {
		return findings
	}
	for _, f := range findings {
		if list := settle(w.text([]byte(f.Path), 0, nil)); len(list) > 0 {
			f.Path = string(replace(nil, []byte(f.Path), list))
		}
	}
	return findings
}
