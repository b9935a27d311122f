package redact

import "encoding/binary"

// part is the text of one of several blocks of a message.
type part struct {
	at   span
	path []string
}

// gather adds the text of an element of a list of blocks; one that has none begins anew.
func (w *walk) gather(e element, texts []part) []part {
	if e.kind != typeDocument {
		w.joined(texts)
		return nil
	}
	for i := e.value.from + 4; ; {
		field, ok, err := w.next(i, e.value.to)
		if err != nil || !ok {
			break
		}
		i = field.value.to
		if field.kind == typeString && string(w.doc[field.key.from:field.key.to]) == "text" {
			path := append(append([]string(nil), w.path...), string(w.doc[e.key.from:e.key.to]), "text")
			return append(texts, part{at: field.content(w.doc), path: path})
		}
	}
	w.joined(texts)
	return nil
}

// joined finds the secrets that are spread over several texts: each of them holds a part.
func (w *walk) joined(texts []part) {
	if len(texts) < 2 {
		return
	}
	var all []byte
	starts := make([]int, 0, len(texts)+1)
	for _, t := range texts {
		starts = append(starts, len(all))
		all = append(all, w.doc[t.at.from:t.at.to]...)
	}
	starts = append(starts, len(all))
	for _, f := range w.text(all, 0, nil) {
		for i := range texts {
			from, to := max(f.from, starts[i]), min(f.to, starts[i+1])
			if from >= to || from == f.from && to == f.to {
				continue
			}
			piece := f
			piece.span = span{from - starts[i], to - starts[i]}
			path := w.path
			w.path = texts[i].path[:len(texts[i].path)-1]
			w.add(texts[i].at, []found{piece}, "text")
			w.path = path
		}
	}
}

// place is where in a conversation's document the walk is.
type place uint8

const (
	placeOther place = iota
	placeTop
	placeData    // of a progress record, which holds another record's message
	placeMessage // as the API has it
	placeList    // blocks
	placeBlock
)

// below is where the members of a field are.
func (p place) below(key string, kind byte) place {
	switch {
	case p == placeTop && key == "message" && kind == typeDocument:
		return placeMessage
	case p == placeTop && key == "data" && kind == typeDocument:
		return placeData
	case p == placeData && key == "message" && kind == typeDocument:
		return placeTop
	case key == "content" && kind == typeArray:
		return placeList
	case p == placeList && kind == typeDocument:
		return placeBlock
	}
	return placeOther
}

// identity are the fields by which rows are keyed, joined and ordered. They are made by programs, never typed; changed
// ones would tear apart what belongs together.
var identity = map[place]map[string]bool{
	placeTop: {
		"_id": true, "uuid": true, "parentUuid": true, "logicalParentUuid": true, "sessionId": true, "requestId": true,
		"timestamp": true, "ingestedAt": true, "type": true, "messageId": true, "leafUuid": true, "promptId": true,
		"agentId": true, "toolUseID": true, "parentToolUseID": true, "sourceToolUseID": true, "sourceToolAssistantUUID": true,
	},
	placeMessage: {"id": true, "type": true, "role": true, "model": true},
	placeBlock:   {"id": true, "tool_use_id": true, "type": true},
}

// longestID is the longest text that is taken for an identity, bytes.
const longestID = 200

// keeps reports whether a field stays as it is, whatever it looks like.
func (p place) keeps(key string, e element, doc []byte, in span) bool {
	if e.kind != typeString {
		return p == placeTop && key == "_id"
	}
	if identity[p][key] {
		return e.value.to-e.value.from <= longestID || key == "_id"
	}
	if p != placeBlock || key != "signature" && key != "data" {
		return false
	}
	// A signature is checked by the API, byte by byte. What it covers is of the same block.
	kind := blockType(doc[in.from:in.to])
	return key == "signature" && kind == "thinking" || key == "data" && kind == "redacted_thinking"
}

// blockType is a block's type.
func blockType(block []byte) string {
	w := walk{doc: block}
	if len(block) < 5 || int(binary.LittleEndian.Uint32(block)) != len(block) {
		return ""
	}
	for i := 4; ; {
		e, ok, err := w.next(i, len(block))
		if err != nil || !ok {
			return ""
		}
		i = e.value.to
		if e.kind == typeString && string(block[e.key.from:e.key.to]) == "type" {
			at := e.content(block)
			return string(block[at.from:at.to])
		}
	}
}
