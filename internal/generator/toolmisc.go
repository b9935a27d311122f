package generator

import (
	"strconv"
	"strings"
)

// drawn expands a template with the project's words.
func (t *thread) drawn(template string) string { return string(t.proj.lex.expand(nil, t.r, template)) }

// answerProse is a text of the size that answers have.
func (t *thread) answerProse(size curve, codeShare float64) string {
	var code *language
	if t.r.chance(codeShare) {
		code = t.proj.main
	}
	return string(t.proj.lex.prose(nil, t.r, int(size.draw(t.r)), code))
}

func buildTaskList(t *thread, c *call) {
	id, subject := strconv.Itoa(t.r.between(1, 20)), t.drawn("~V the ~a ~n")
	switch c.name {
	case "TaskCreate":
		about := t.drawn("~S ~S")
		c.input = func(w *writer) {
			w.obj().kstr("subject", subject).kstr("description", about).kstr("activeForm", "Working on "+subject).end()
		}
		c.out.text = "Task #" + id + " created successfully: " + subject
		c.out.result = func(w *writer) { w.obj().kobj("task").kstr("id", id).kstr("subject", subject).end().end() }
	case "TaskUpdate":
		to := pick(t.r, []string{"in_progress", "completed"})
		c.input = func(w *writer) { w.obj().kstr("taskId", id).kstr("status", to).end() }
		c.out.text = "Updated task #" + id + " status"
		c.out.result = func(w *writer) {
			w.obj().kbool("success", true).kstr("taskId", id).strs("updatedFields", []string{"status"})
			w.kobj("statusChange").kstr("from", "pending").kstr("to", to).end().end()
		}
	default:
		c.input = func(w *writer) { w.obj().end() }
		c.out.text = "#" + id + " [pending] " + subject
		c.out.result = func(w *writer) {
			w.obj().karr("tasks").obj().kstr("id", id).kstr("subject", subject).kstr("status", "pending").end().endArr().end()
		}
	}
}

func buildTodos(t *thread, c *call) {
	n := t.r.between(2, 7)
	done := t.r.intn(n + 1)
	items := make([]string, n)
	for i := range items {
		items[i] = t.drawn("~V the ~n of ~n")
	}
	list := func(w *writer, key string, done int) {
		w.karr(key)
		for i, item := range items {
			state := "pending"
			if i < done {
				state = "completed"
			} else if i == done {
				state = "in_progress"
			}
			w.obj().kstr("content", item).kstr("status", state).kstr("activeForm", "Working: "+item).end()
		}
		w.endArr()
	}
	c.input = func(w *writer) { w.obj(); list(w, "todos", done); w.end() }
	c.out.text = "Todos have been modified successfully. Ensure that you continue to use the todo list to track your progress. Please proceed with the current tasks if applicable"
	c.out.result = func(w *writer) {
		w.obj()
		list(w, "oldTodos", max(0, done-1))
		list(w, "newTodos", done)
		w.end()
	}
}

func buildFetch(t *thread, c *call) {
	url := t.drawn("https://docs.~n.dev/~v/~n")
	ask := t.drawn("How does the ~n ~v a ~n?")
	c.input = func(w *writer) { w.obj().kstr("url", url).kstr("prompt", ask).end() }
	c.out.text = t.answerProse(curve{{0, 300}, {0.5, 1800}, {1, 9000}}, 0.5)
	text, bytes, ms := c.out.text, t.r.between(2000, 400000), max(1, int(c.ms)-t.r.between(0, 4))
	c.out.result = func(w *writer) {
		w.obj().kint("bytes", bytes).kint("code", 200).kstr("codeText", "OK").kstr("result", text).kint("durationMs", ms).kstr("url", url).end()
	}
}

func buildSearch(t *thread, c *call) {
	query := t.drawn("~n ~n ~v ~a ~n 2026")
	c.input = func(w *writer) { w.obj().kstr("query", query).end() }
	var links []string
	for range t.r.between(3, 10) {
		links = append(links, t.drawn("~V the ~a ~n"), t.drawn("https://~n.example.com/~n/~n-~n"))
	}
	summary := t.answerProse(answerSize, 0.1)
	c.out.text = "Web search results for query: \"" + query + "\"\n\n" + strings.Join(links, "\n") + "\n\n" + summary
	id, seconds := t.r.token("srvtoolu_01", 22), strconv.FormatFloat(float64(c.ms)/1000, 'f', -1, 64)
	c.out.result = func(w *writer) {
		w.obj().kstr("query", query).karr("results").obj().kstr("tool_use_id", id).karr("content")
		for i := 0; i < len(links); i += 2 {
			w.obj().kstr("title", links[i]).kstr("url", links[i+1]).end()
		}
		w.endArr().end().str(summary).endArr().kraw("durationSeconds", seconds).end()
	}
}

func buildAsk(t *thread, c *call) {
	question, header := t.drawn("Which ~n should ~v the ~n?"), t.drawn("~N")
	options := []string{t.drawn("~V ~n"), t.drawn("Keep the ~n"), t.drawn("Neither")}
	questions := func(w *writer) {
		w.karr("questions").obj().kstr("question", question).kstr("header", header).karr("options")
		for _, o := range options {
			w.obj().kstr("label", o).kstr("description", o+" (see "+t.proj.lex.paths[0]+")").end()
		}
		w.endArr().kbool("multiSelect", false).end().endArr()
	}
	answer := pick(t.r, options)
	c.input = func(w *writer) { w.obj(); questions(w); w.end() }
	c.out.text = `User has answered your questions: "` + question + `"="` + answer + `". You can now continue with the user's answers in mind.`
	c.out.result = func(w *writer) {
		w.obj()
		questions(w)
		w.kobj("answers").kstr(question, answer).end().end()
	}
}

func buildPlan(t *thread, c *call) {
	plan := "# " + t.drawn("~V the ~a ~n") + "\n\n" + t.answerProse(curve{{0, 900}, {0.5, 3000}, {1, 12000}}, 0.4)
	file := t.proj.home + "/.claude/plans/" + t.nickname + ".md"
	c.input = func(w *writer) { w.obj().kstr("plan", plan).end() }
	c.out.text = "User has approved your plan. You can now start coding. Start with updating your todo list if applicable"
	c.out.result = func(w *writer) {
		w.obj().kstr("plan", plan).kbool("isAgent", false).kstr("filePath", file).end()
	}
}

func buildSkill(t *thread, c *call) {
	name := t.drawn("~v-~n")
	c.input = func(w *writer) { w.obj().kstr("skill", name).end() }
	c.out.text = "Launching skill: " + name
	c.out.result = func(w *writer) {
		w.obj().kbool("success", true).kstr("commandName", name).strs("allowedTools", []string{"Bash", "Read"}).end()
	}
}

// buildPlain serves tools with a simple input and a short answer.
func buildPlain(t *thread, c *call) {
	key, value := pick(t.r, []string{"query", "id", "name", "target", "path"}), t.drawn("~n ~n")
	c.input = func(w *writer) { w.obj().kstr(key, value).end() }
	c.out.text = t.drawn("~S")
	text := c.out.text
	c.out.result = func(w *writer) { w.obj().kbool("success", true).kstr("message", text).end() }
}

// buildMCP serves tools of MCP servers: their result is a list of blocks.
func buildMCP(t *thread, c *call) {
	args := []string{t.drawn("~n"), t.drawn("~n ~a ~n"), t.drawn("~n-~D")}
	c.input = func(w *writer) {
		w.obj().kstr(args[0], args[1]).kstr("ref", args[2])
		if t.r.chance(0.3) {
			w.kint("limit", 25)
		}
		w.end()
	}
	var text []byte
	for n := int(8 * outputScale.draw(t.r)); n >= 0; n-- {
		text = t.proj.lex.expand(text, t.r, "- generic [ref=e~D]: ~s\n  - link \"~n ~n\" [ref=e~D] [cursor=pointer]: /~n/~n\n")
	}
	body := string(text)
	picture := ""
	if strings.HasSuffix(c.name, "take_screenshot") {
		body, picture = "Took the viewport screenshot", t.r.base64(int(imageSize.draw(t.r)))
	}
	blocks := func(w *writer) {
		w.obj().kstr("type", "text").kstr("text", body).end()
		if picture != "" {
			w.obj().kstr("type", "image").kobj("source").kstr("type", "base64").kstr("media_type", "image/png").kstr("data", picture).end().end()
		}
	}
	c.out.list = blocks
	c.out.result = func(w *writer) {
		w.arr().obj().kstr("type", "text").kstr("text", body).end().endArr()
	}
}
