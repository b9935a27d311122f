package generator

import "strconv"

func buildBash(t *thread, c *call) {
	use := shellMix.draw(t.r)
	lex := t.proj.lex
	run := string(lex.expand(nil, t.r, use.run))
	if t.r.chance(0.3) {
		run = "cd " + t.cwd + " && " + run
	}
	describe := string(lex.expand(nil, t.r, use.describe))
	background := t.r.chance(0.007)
	c.input = func(w *writer) {
		w.obj().kstr("command", run).kstr("description", describe)
		if background {
			w.kbool("run_in_background", true)
		}
		w.end()
	}
	if background {
		id := "b" + t.r.hex(6)
		c.ms = int64(t.r.between(20, 300))
		c.out.text = "Command running in background with ID: " + id + ". Output is being written to: /tmp/claude/tasks/" + id + ".output"
		c.out.isError = no
		c.out.result = func(w *writer) {
			w.obj().kstr("stdout", "").kstr("stderr", "").kbool("interrupted", false).kbool("isImage", false).kstr("backgroundTaskId", id).end()
		}
		t.u.background = id
		t.u.notices = append(t.u.notices, notice{id: id, about: describe, at: t.clock + int64(bashTime.at(0.9+0.1*t.r.float())*1000)})
		return
	}
	stdout := string(use.output(nil, t.r, lex))
	c.out.text = stdout
	c.out.isError = no
	persisted := 0
	stored := ""
	switch {
	case len(stdout) > 30000 && t.ver.since(2, 1, 50):
		persisted = len(stdout)
		stored = t.store(stdout)
		c.out.text = "<persisted-output>\nOutput too large (" + strconv.Itoa(len(stdout)/1024) + "KB). Full output saved to: " + stored + "\n\nPreview (first 2KB):\n" + cut(stdout, 2000) + "\n...\n</persisted-output>"
		stdout = cut(stdout, 30000)
	case len(stdout) > 30000:
		stdout = cut(stdout, 30000)
		c.out.text = stdout + "\n\n... [output truncated] ..."
	}
	commit := t.ver.since(2, 1, 100) && use.weight == 5 && len(use.run) > 10 && use.run[:7] == "git add"
	sha, branch := t.r.hex(7), t.branch
	c.out.result = func(w *writer) {
		w.obj().kstr("stdout", stdout).kstr("stderr", "").kbool("interrupted", false).kbool("isImage", false)
		if t.ver.since(2, 1, 0) {
			w.kbool("noOutputExpected", stdout == "")
		}
		if stdout == "" && use.fail == "" {
			w.kstr("returnCodeInterpretation", "No matches found")
		}
		if persisted > 0 {
			w.kstr("persistedOutputPath", stored).kint("persistedOutputSize", persisted)
		}
		if commit {
			w.kobj("gitOperation").kobj("commit").kstr("sha", sha).kstr("kind", "committed").end()
			w.kobj("push").kstr("branch", branch).end().end()
		}
		w.end()
	}
}

// store keeps a large output as the program does, beside the session, and returns the path it names.
func (t *thread) store(text string) string {
	t.persist++
	name := "tool-results/" + t.r.token("b", 8) + ".txt"
	t.u.sidecars = append(t.u.sidecars, sidecar{t.folder() + "/" + name, []byte(text)})
	return t.proj.home + "/.claude/projects/" + t.folder() + "/" + name
}

func buildBackgroundOutput(t *thread, c *call) {
	id := t.u.background
	if id == "" {
		id = "b" + t.r.hex(6)
	}
	stdout := string(shellMix.draw(t.r).output(nil, t.r, t.proj.lex))
	switch c.name {
	case "TaskOutput":
		c.input = func(w *writer) { w.obj().kstr("task_id", id).kbool("block", true).kint("timeout", 180000).end() }
		c.out.text = "<retrieval_status>success</retrieval_status>\n\n<task_id>" + id + "</task_id>\n\n<output>\n" + stdout + "\n</output>"
		c.out.result = func(w *writer) {
			w.obj().kstr("retrieval_status", "success").kobj("task").kstr("task_id", id).kstr("task_type", "local_bash")
			w.kstr("status", "completed").kstr("output", stdout).kint("exitCode", 0).end().end()
		}
	default:
		c.input = func(w *writer) { w.obj().kstr("bash_id", id).end() }
		c.out.text = "<status>running</status>\n\n<stdout>\n" + stdout + "\n</stdout>"
		c.out.result = func(w *writer) {
			w.obj().kstr("shellId", id).kstr("status", "running").kraw("exitCode", "null").kstr("stdout", stdout).kstr("stderr", "").kint("stdoutLines", countLines(stdout)).end()
		}
	}
}

func buildKill(t *thread, c *call) {
	id := "b" + t.r.hex(6)
	c.input = func(w *writer) { w.obj().kstr("shell_id", id).end() }
	c.out.text = `{"message":"Successfully stopped shell: ` + id + `","shell_id":"` + id + `"}`
	c.out.result = func(w *writer) {
		w.obj().kstr("message", "Successfully stopped shell: "+id).kstr("shell_id", id).end()
	}
}
