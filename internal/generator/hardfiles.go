package generator

import (
	"runtime"
	"strings"
)

// copiedFile is a session's file copied by hand: the same records under another name.
func copiedFile(t *thread) {
	f := t.u.newFile(strings.TrimSuffix(t.f.path, ".jsonl") + " copy.jsonl")
	for _, l := range t.f.lines {
		if l.uuid == "" {
			continue
		}
		t.u.w.line()
		t.u.w.b = append(t.u.w.b, t.f.b[l.from:l.to]...)
		t.u.put(f, &t.u.w, l.uuid, t.clock)
	}
}

// anonymousSession has no sessionId on any line: it is known by its file's name.
func anonymousSession(t *thread) {
	s := t.u.small(cli{2, 1, 50}, "notes of "+t.r.hex(6)+" 🎉")
	for _, text := range []string{"refactor ~p", "and test ~i"} {
		s.wait(900)
		s.odd.noSession = true
		s.user(classHuman, said(s.drawn(text)), nil)
		s.wait(900)
		s.odd.noSession = true
		s.answer(reply{blocks: []block{{text: s.drawn("~S")}}, model: s.model, usage: s.spend(30), stop: "end_turn"})
	}
}

// strangeFileNames goes on with the session in files whose names no program would choose.
func strangeFileNames(t *thread) {
	names := []string{"with spaces (1)", "ümläut – 日本語 🚀", "100% [x] {y} 'z' \"q\" `$HOME`", "tab\tand\nline feed", "-rf", strings.Repeat("n", 240)}
	if runtime.GOOS == "linux" {
		names = append(names, "any bytes \xff\xfe\x80")
	}
	own := t.f
	for _, name := range names {
		t.f = t.u.newFile(t.proj.slug + "/" + name + t.r.hex(4) + ".jsonl")
		t.say(t.drawn("look at ~p"))
		t.tool(t.success("Glob"))
		t.text(t.drawn("~S"))
	}
	t.f = own
}

// strangeProjects are sessions in folders with long names and emoji.
func strangeProjects(t *thread) {
	long := "/home/ada/" + strings.Repeat("very-long-folder-name-ü🚀/", 14)
	for _, place := range []struct{ cwd, slug string }{
		{long[:len(long)-1], ""},
		{"/home/ada/🚀 rocket", "-home-ada-🚀 rocket"},
		{"/home/ada/a b.c", "-home-ada-a b.c"},
		{"/tmp/*>", "-tmp-*>"},
	} {
		s := t.u.small(cli{2, 1, 120}, t.r.uuid())
		proj := &project{name: s.proj.name, lex: s.proj.lex, main: s.proj.main, branches: s.proj.branches, files: s.proj.files, home: s.proj.home}
		proj.cwd, proj.base, proj.slug = place.cwd, place.cwd, place.slug
		if proj.slug == "" {
			proj.slug = slugOf(proj.cwd)
		}
		s.proj, s.cwd = proj, proj.cwd
		s.f.path = proj.slug + "/" + s.id + ".jsonl"
		s.say(s.drawn("create ~p"))
		s.tool(s.success("Write"))
		s.tool(s.success("Task"))
		s.text(s.drawn("~S"))
	}
}

// twoProjects goes on with the session in the folder of another project.
func twoProjects(t *thread) {
	own := t.f
	t.f = t.u.newFile(t.proj.slug + "-moved/" + t.id + ".jsonl")
	t.say(t.drawn("document ~p"))
	t.text(t.drawn("~S"))
	t.f = own
}

// emptyFiles hold nothing, or nothing but NUL bytes, line feeds or white space.
func emptyFiles(t *thread) {
	for _, content := range []string{"", strings.Repeat("\x00", 4096), "\n\n\n", " \t\r\n", "\xef\xbb\xbf"} {
		t.u.newFile(t.proj.slug + "/" + t.r.uuid() + ".jsonl").b = []byte(content)
	}
}

func workflow(t *thread) {
	s := t.u.small(cli{2, 1, 200}, t.r.uuid())
	s.say(s.drawn("run the ~n workflow"))
	s.tool(s.success("Workflow"))
	s.text(s.drawn("~S"))
}

// bigLine is an image of 17 MB.
func bigLine(t *thread) {
	c := t.success("Read")
	data := t.r.base64(17_000_000)
	c.out.list = func(w *writer) {
		w.obj().kstr("type", "image").kobj("source").kstr("type", "base64").kstr("media_type", "image/png").kstr("data", data).end().end()
	}
	c.out.result = nil
	t.tool(c)
}
