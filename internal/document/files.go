package document

import "strings"

// MaxCommand is how much of a shell command a block keeps, bytes.
const MaxCommand = 8 << 10

// fileInput is what a tool's input says of a file or a command. Fields, not names of tools, decide: a tool that nobody has
// seen before is read like those it resembles.
type fileInput struct {
	path, notebook, command                       value
	from, to, content, edits, newSource, editMode value
}

func readFileInput(of value) fileInput {
	var f fileInput
	c := of.members()
	for c.next() {
		switch c.key {
		case "file_path":
			f.path = c.val
		case "notebook_path":
			f.notebook = c.val
		case "command":
			f.command = c.val
		case "old_string":
			f.from = c.val
		case "new_string":
			f.to = c.val
		case "content":
			f.content = c.val
		case "edits":
			f.edits = c.val
		case "new_source":
			f.newSource = c.val
		case "edit_mode":
			f.editMode = c.val
		}
	}
	return f
}

// fileOf fills a tool call's file, its command, and the lines that it asks to change. What the result says of the lines is
// better: it knows the file.
func (v *Converter) fileOf(b *Block, input value) {
	if input.isText() && b.Input.Valid && strings.HasPrefix(b.Input.V, "{") {
		object, err := FromJSON(nil, []byte(b.Input.V), Extra{})
		if err != nil {
			return
		}
		input = value{typeDocument, string(object)}
	}
	if input.kind != typeDocument {
		return
	}
	f := readFileInput(input)
	b.FilePath = first(v.nonEmptyText(f.path), v.nonEmptyText(f.notebook))
	if command := v.onlyText(f.command); command.Valid {
		b.Command = Some(cutText(command.V, MaxCommand))
	}
	if !b.FilePath.Valid {
		return
	}
	var n lineChange
	switch {
	case f.from.isText() && f.to.isText():
		n = changedLines(f.from.str(), f.to.str())
	case f.edits.kind == typeArray:
		for c := f.edits.members(); c.next(); {
			if edit := readFileInput(c.val); edit.from.isText() && edit.to.isText() {
				n.add(changedLines(edit.from.str(), edit.to.str()))
			}
		}
	case f.content.isText():
		n.added = lines(f.content.str())
	case f.newSource.isText() && f.editMode.isText() && f.editMode.str() == "insert":
		n.added = lines(f.newSource.str())
	default: // nothing is written, or over what nobody knows
		return
	}
	b.InputLinesAdded, b.InputLinesRemoved = Some(n.added), Some(n.removed)
}

// nonEmptyText is onlyText, but "" counts as absent.
func (t *texts) nonEmptyText(v value) Null[string] {
	if s := t.onlyText(v); s.V != "" {
		return s
	}
	return Null[string]{}
}

// fileResult fills what a tool's result says of the file it changed: the lines of its patch, or all lines of a new file.
func (v *Converter) fileResult(kind, content, patch, userModified value) {
	row := v.row
	row.ResultType = v.onlyText(kind)
	if userModified.kind == typeBoolean {
		row.ResultUserModified = v.flag(userModified)
	}
	switch {
	case row.ResultType.V == "create" && content.isText():
		row.ResultLinesAdded, row.ResultLinesRemoved = Some(lines(content.str())), Some(int64(0))
	case patch.kind == typeArray:
		n := patchLines(patch)
		row.ResultLinesAdded, row.ResultLinesRemoved = Some(n.added), Some(n.removed)
	}
}

// patchLines counts the lines that the hunks of a structuredPatch add and remove.
func patchLines(patch value) lineChange {
	var n lineChange
	for hunk := patch.members(); hunk.next(); {
		for line := field(hunk.val, "lines").members(); line.next(); {
			if !line.val.isText() {
				continue
			}
			switch text := line.val.str(); {
			case strings.HasPrefix(text, "+"):
				n.added++
			case strings.HasPrefix(text, "-"):
				n.removed++
			}
		}
	}
	return n
}

// cutText is at most limit bytes of a valid text, whole characters.
func cutText(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && text[limit]&0xC0 == 0x80 {
		limit--
	}
	return text[:limit]
}
