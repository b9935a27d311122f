package generator

import (
	"path"
	"strings"
)

// pickFile chooses a file of the project, more often one that the session has seen already.
func (t *thread) pickFile() *sourceFile {
	if len(t.recent) > 0 && t.r.chance(0.78) {
		return pick(t.r, t.recent)
	}
	f := t.proj.files[t.r.skewed(len(t.proj.files))]
	t.recent = append(t.recent, f)
	if len(t.recent) > 12 {
		t.recent = t.recent[1:]
	}
	return f
}

func buildRead(t *thread, c *call) {
	f := t.pickFile()
	c.file = fileChange{operation: "read", path: f.path}
	if t.r.chance(0.006) {
		buildReadImage(t, c, f)
		return
	}
	text := t.view(f)
	total := countLines(text)
	first := 1
	partial := total > 120 && t.r.chance(0.55)
	if partial {
		first = t.r.between(1, total-60)
		text = lineRange(text, first, t.r.between(30, min(250, total-first)))
	}
	lines := countLines(text)
	c.input = func(w *writer) {
		w.obj().kstr("file_path", f.path)
		if partial {
			w.kint("offset", first).kint("limit", lines)
		}
		w.end()
	}
	c.out.text = string(numbered(nil, text, first))
	if t.ver.since(1, 0, 90) && t.r.chance(0.35) {
		c.out.text += "\n\n<system-reminder>\nThink about whether this file could be harmful before you work on it.\n</system-reminder>\n"
	}
	c.out.result = func(w *writer) {
		w.obj().kstr("type", "text").kobj("file").kstr("filePath", f.path).kstr("content", text)
		w.kint("numLines", lines).kint("startLine", first).kint("totalLines", total).end().end()
	}
}

// imageSize is the length of images in base64.
var imageSize = curve{{0, 3000}, {0.5, 90000}, {0.9, 420000}, {0.99, 1500000}, {1, 2000000}}

func buildReadImage(t *thread, c *call, f *sourceFile) {
	name := path.Dir(strings.ReplaceAll(f.path, `\`, "/")) + "/screenshot.png"
	data := t.r.base64(int(imageSize.draw(t.r)))
	c.file.path = name
	c.input = func(w *writer) { w.obj().kstr("file_path", name).end() }
	image := func(w *writer) {
		w.obj().kstr("type", "image").kobj("source").kstr("type", "base64").kstr("media_type", "image/png").kstr("data", data).end().end()
	}
	c.out.list = image
	c.out.result = func(w *writer) {
		w.obj().kstr("type", "image").kobj("file").kstr("base64", cut(data, 1200)).kstr("type", "image/png").kint("originalSize", len(data)*3/4).end().end()
	}
}

// change rewrites a few lines of a text: it returns what is replaced, by what, and the number of its first line.
func (t *thread) change(text string, lang *language) (from, to string, lineNo, at int) {
	if len(text) < 20 {
		return text, string(t.proj.lex.source(nil, t.r, lang, 60)), 1, 0
	}
	start := strings.LastIndexByte(text[:t.r.intn(len(text)-10)], '\n') + 1
	end := start
	for n := t.r.between(1, 7); n > 0 && end < len(text); n-- {
		next := strings.IndexByte(text[end:], '\n')
		if next < 0 {
			end = len(text)
			break
		}
		end += next + 1
	}
	from = strings.TrimSuffix(text[start:end], "\n")
	block := string(t.proj.lex.expand(nil, t.r, pick(t.r, lang.blocks)))
	to = strings.TrimRight(lineRange(block, 1, t.r.between(1, 14)), "\n")
	if t.r.chance(0.6) {
		to = from + "\n" + to
	}
	return from, to, strings.Count(text[:start], "\n") + 1, start
}

// hunk writes one entry of structuredPatch with up to three lines of context.
func hunk(w *writer, text, from, to string, lineNo, at int) {
	before := lastLines(text[:at], 3)
	after := lineRange(strings.TrimPrefix(text[at+len(from):], "\n"), 1, 3)
	context := countLines(before)
	w.obj().kint("oldStart", max(1, lineNo-context)).kint("oldLines", context+countLines(from)+countLines(after))
	w.kint("newStart", max(1, lineNo-context)).kint("newLines", context+countLines(to)+countLines(after)).karr("lines")
	prefixed(w, before, " ")
	prefixed(w, from, "-")
	prefixed(w, to, "+")
	prefixed(w, after, " ")
	w.endArr().end()
}

func prefixed(w *writer, text, prefix string) {
	if text == "" {
		return
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		w.str(prefix + line)
	}
}

func buildEdit(t *thread, c *call) {
	f := t.pickFile()
	text := t.view(f)
	from, to, lineNo, at := t.change(text, f.lang)
	c.file = fileChange{
		operation: "edit", path: f.path, asked: differingLines(from, to),
		patch: lineCount{added: int64(countLines(to)), removed: int64(countLines(from))},
	}
	c.input = func(w *writer) {
		w.obj().kstr("file_path", f.path).kstr("old_string", from).kstr("new_string", to)
		if t.ver.since(2, 1, 0) {
			w.kbool("replace_all", false)
		}
		w.end()
	}
	if c.name == "MultiEdit" {
		c.file.operation = "multi_edit"
		c.input = func(w *writer) {
			w.obj().kstr("file_path", f.path).karr("edits").obj().kstr("old_string", from).kstr("new_string", to).end().endArr().end()
		}
	}
	c.out.text = "The file " + f.path + " has been updated successfully."
	if !t.ver.since(2, 1, 0) {
		c.out.text = "The file " + f.path + " has been updated. Here's the result of running `cat -n` on a snippet of the edited file:\n" + string(numbered(nil, to, lineNo))
	}
	c.out.result = func(w *writer) {
		w.obj().kstr("filePath", f.path)
		if c.name == "MultiEdit" {
			w.karr("edits").obj().kstr("old_string", from).kstr("new_string", to).kbool("replace_all", false).end().endArr().kstr("originalFileContents", text)
		} else {
			w.kstr("oldString", from).kstr("newString", to).kstr("originalFile", text)
		}
		w.karr("structuredPatch")
		hunk(w, text, from, to, lineNo, at)
		w.endArr().kbool("userModified", false).kbool("replaceAll", false).end()
	}
	if len(text) < 200000 {
		t.texts[f] = text[:at] + to + text[at+len(from):]
	}
}

func buildWrite(t *thread, c *call) {
	create := t.r.chance(0.8)
	f := t.pickFile()
	name, before := f.path, t.view(f)
	text := string(t.proj.lex.source(nil, t.r, f.lang, int(fileSize.at(t.r.float()*0.93))))
	if create {
		name = t.proj.join(string(t.proj.lex.expand(nil, t.r, "src/~n/~v_~n"))) + f.lang.ext
	} else {
		t.texts[f] = text
	}
	c.input = func(w *writer) { w.obj().kstr("file_path", name).kstr("content", text).end() }
	whole := lineCount{added: int64(countLines(text))}
	c.file = fileChange{operation: "write", path: name, create: create, asked: whole, patch: whole}
	if create {
		c.out.text = "File created successfully at: " + name
		c.out.result = func(w *writer) {
			w.obj().kstr("type", "create").kstr("filePath", name).kstr("content", text).karr("structuredPatch").endArr()
			if t.ver.since(2, 1, 0) {
				w.kraw("originalFile", "null")
			}
			w.end()
		}
		return
	}
	c.file.patch = lineCount{added: int64(countLines(lineRange(text, 1, 15))), removed: int64(countLines(lineRange(before, 1, 12)))}
	c.out.text = "The file " + name + " has been updated successfully."
	c.out.result = func(w *writer) {
		w.obj().kstr("type", "update").kstr("filePath", name).kstr("content", text).karr("structuredPatch")
		hunk(w, before, lineRange(before, 1, 12), lineRange(text, 1, 15), 1, 0)
		w.endArr().kstr("originalFile", before).end()
	}
}

func buildGrep(t *thread, c *call) {
	pattern := pick(t.r, t.proj.lex.idents)
	mode := pick(t.r, []string{"content", "content", "files_with_matches", "count"})
	n := t.r.skewed(40)
	var out []byte
	var files []string
	for range n {
		out = t.proj.lex.expand(out, t.r, pick(t.r, []string{"~p:~D:  return ~i(~n, ~n)\n", "~p:~D:    const ~n = await ~i(~n);\n", "~p:~D-\n"}))
		files = append(files, t.proj.files[t.r.skewed(len(t.proj.files))].path)
	}
	content := strings.TrimSuffix(string(out), "\n")
	c.input = func(w *writer) {
		w.obj().kstr("pattern", pattern).kstr("path", t.cwd).kstr("output_mode", mode)
		if mode == "content" {
			w.kbool("-n", true)
		}
		w.end()
	}
	switch {
	case n == 0 || mode == "count":
		c.out.text, n, files, content = "No files found", 0, nil, ""
	case mode == "content":
		c.out.text, files = content, nil
	default:
		c.out.text = "Found " + string(appendInt(nil, n)) + " files\n" + strings.Join(files, "\n")
	}
	c.out.result = func(w *writer) {
		w.obj().kstr("mode", mode).kint("numFiles", len(files)).strs("filenames", files)
		if mode == "content" {
			w.kstr("content", content).kint("numLines", countLines(content))
		}
		if n > 30 {
			w.kint("appliedLimit", 30)
		}
		w.end()
	}
}

func buildGlob(t *thread, c *call) {
	var files []string
	for range t.r.skewed(60) {
		files = append(files, t.proj.files[t.r.skewed(len(t.proj.files))].path)
	}
	pattern := string(t.proj.lex.expand(nil, t.r, pick(t.r, []string{"**/*", "src/**/*", "**/*~n*"}))) + t.proj.main.ext
	c.input = func(w *writer) { w.obj().kstr("pattern", pattern).end() }
	c.out.text = "No files found"
	if len(files) > 0 {
		c.out.text = strings.Join(files, "\n")
	}
	ms := max(1, int(c.ms)-t.r.between(0, 5))
	c.out.result = func(w *writer) {
		w.obj().strs("filenames", files).kint("durationMs", ms).kint("numFiles", len(files)).kbool("truncated", false).end()
	}
}

func buildNotebook(t *thread, c *call) {
	name := t.proj.join(string(t.proj.lex.expand(nil, t.r, "notebooks/~n_~n.ipynb")))
	cell, source := t.r.between(0, 30), string(t.proj.lex.source(nil, t.r, languages["py"], 300))
	c.input = func(w *writer) {
		w.obj().kstr("notebook_path", name).kint("cell_number", cell).kstr("new_source", source).kstr("edit_mode", "replace").end()
	}
	c.file = fileChange{operation: "edit", path: name}
	c.out.text = "Updated cell " + string(appendInt(nil, cell)) + " with " + source
	c.out.result = func(w *writer) {
		w.obj().kint("cell_number", cell).kstr("new_source", source).kstr("cell_type", "code").kstr("language", "python").kstr("edit_mode", "replace").kstr("error", "").end()
	}
}
