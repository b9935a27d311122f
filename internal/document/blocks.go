package document

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// MaxResultText is how much of a tool's result a block keeps, bytes; of what is longer it keeps length and hash.
const MaxResultText = 64 << 10

// blockFields are the fields of a content block that columns are made of.
type blockFields struct {
	typ, text, thinking, name, id, toolUseID, input, content, isError value
}

func readBlock(of value) blockFields {
	var f blockFields
	c := of.members()
	for c.next() {
		switch c.key {
		case "type":
			f.typ = c.val
		case "text":
			f.text = c.val
		case "thinking":
			f.thinking = c.val
		case "name", "tool_name":
			f.name = c.val
		case "id":
			f.id = c.val
		case "tool_use_id":
			f.toolUseID = c.val
		case "input":
			f.input = c.val
		case "content":
			f.content = c.val
		case "is_error":
			f.isError = c.val
		}
	}
	return f
}

// contentBlocks explodes a message's content. A bare text is one block, and so is a single object. An element of a
// list keeps its place in it as block_index, whatever it is.
func (v *Converter) contentBlocks(content value) {
	switch content.kind {
	case typeString, typeSymbol:
		v.textBlock(content, 0)
	case typeDocument:
		v.block(readBlock(content), 0)
	case typeArray:
		c := content.members()
		for i := int32(0); c.next(); i++ {
			switch c.val.kind {
			case typeString, typeSymbol:
				v.textBlock(c.val, i)
			case typeDocument:
				v.block(readBlock(c.val), i)
			default:
				v.blocks = append(v.blocks, Block{BlockIndex: i, BlockType: typeUnknown})
			}
		}
	}
}

// toolDocument makes the one block of a document that is itself a tool's use or result, its fields at the top or below
// message. It reports whether the document is one.
func (v *Converter) toolDocument(m message) bool {
	kind := v.row.Type
	if kind != "tool_use" && kind != "tool_result" || m.content.kind == typeArray && hasToolBlock(m.content) {
		return false
	}
	f := readBlock(v.top.message)
	top := v.top.tool
	for _, p := range [...]struct{ into, other *value }{
		{&f.name, &top.name},
		{&f.id, &top.id},
		{&f.toolUseID, &top.toolUseID},
		{&f.input, &top.input},
		{&f.content, &top.content},
		{&f.isError, &top.isError},
	} {
		if p.into.isNull() {
			*p.into = *p.other
		}
	}
	if f.content.isNull() {
		f.content = m.content
	}
	f.typ = v.top.typ
	v.block(f, 0)
	return true
}

// hasToolBlock reports whether a list of blocks holds a tool's use or result of its own.
func hasToolBlock(list value) bool {
	c := list.members()
	for c.next() {
		if kind := field(c.val, "type"); kind.isText() && (kind.str() == "tool_use" || kind.str() == "tool_result") {
			return true
		}
	}
	return false
}

func (v *Converter) textBlock(text value, index int32) {
	v.block(blockFields{typ: value{typeString, "\x05\x00\x00\x00text\x00"}, text: text}, index)
}

// block makes one row of raw.content_blocks. Its type may be one that nobody has seen before: it keeps what it shares
// with the known ones, and the whole of it stands in message_raw.
func (v *Converter) block(f blockFields, index int32) {
	b := Block{BlockIndex: index, BlockType: v.nonEmpty(f.typ).Or(typeUnknown)}
	if b.BlockType == typeUnknown && f.text.isText() {
		b.BlockType = "text"
	}
	b.Text = v.onlyText(f.text)
	if b.BlockType == "thinking" {
		b.Text = first(v.onlyText(f.thinking), b.Text)
	}
	b.ToolName = v.nonEmpty(f.name)
	b.ToolUseID = v.nonEmpty(f.toolUseID)
	if strings.HasSuffix(b.BlockType, "tool_use") {
		b.ToolUseID = first(b.ToolUseID, v.nonEmpty(f.id))
	}
	b.Input = v.toolInput(f.input)
	if b.Input.Valid {
		v.fileOf(&b, f.input)
	}
	b.IsError = v.flag(f.isError)
	if strings.HasSuffix(b.BlockType, "tool_result") {
		v.blockResult(&b, f.content)
	}
	switch {
	case b.Text.Valid:
		b.CharLen = characters(b.Text.V)
	case b.Input.Valid:
		b.CharLen = characters(b.Input.V)
	default:
		b.CharLen = b.ResultLength.V
	}
	if b.BlockType == "text" && b.Text.Valid {
		b.CleanLength = Some(b.CharLen)
		if clean := withoutReminders(b.Text.V); len(clean) < len(b.Text.V) {
			b.CleanLength = Some(characters(clean))
		}
		count, languages := fencedBlocks(b.Text.V)
		b.CodeBlockCount = Some(int32(count))
		if len(languages) > 0 {
			b.CodeLanguages = Some(strings.Join(languages, ","))
		}
	}
	v.blocks = append(v.blocks, b)
}

// toolInput is a tool's input as JSON. Some releases wrote the object as a text, which is taken for what it holds.
func (v *Converter) toolInput(input value) Null[string] {
	if input.isText() {
		text := strings.TrimSpace(v.of(input).V)
		if strings.HasPrefix(text, "{") && isJSONObject(text) {
			return Some(text)
		}
	}
	return v.jsonOf(v.field, input)
}

// blockResult fills a tool result: its text, cut; its length and, if it was cut, its hash, of the whole.
func (v *Converter) blockResult(b *Block, content value) {
	if content.isNull() {
		return
	}
	text := v.contentText(content, 0)
	if content.kind == typeDocument && !text.Valid {
		text = v.jsonOf(v.field, content)
	}
	b.ResultLength = Some(characters(text.V))
	if len(text.V) > MaxResultText {
		sum := sha256.Sum256([]byte(text.V))
		b.ResultSHA256 = Some(hex.EncodeToString(sum[:]))
		end := MaxResultText
		for !utf8.RuneStart(text.V[end]) {
			end--
		}
		text.V = text.V[:end]
	}
	b.ResultText = text
}
