package generator

// newToolbox returns every tool, to be drawn with its measured share of calls. The few that a version does not know are
// drawn again.
func newToolbox() (all weighted[*tool]) {
	before := func(major, minor, patch int) func(cli) bool {
		return func(v cli) bool { return !v.since(major, minor, patch) }
	}
	since := func(major, minor, patch int) func(cli) bool {
		return func(v cli) bool { return v.since(major, minor, patch) }
	}
	add := func(name string, weight float64, when func(cli) bool, takes curve, build func(*thread, *call)) {
		failures, known := failuresOf[name]
		if !known {
			failures = otherFailures
		}
		all.add(&tool{name, weight, when, takes, failures, build}, weight)
	}
	add("Bash", 302, always, bashTime, buildBash)
	add("Read", 235, always, readTime, buildRead)
	add("Edit", 201, always, editTime, buildEdit)
	add("Grep", 108, always, grepTime, buildGrep)
	add("TaskUpdate", 58, cli.hasTaskTools, listTime, buildTaskList)
	add("TaskCreate", 27, cli.hasTaskTools, listTime, buildTaskList)
	add("Write", 19, always, writeTime, buildWrite)
	add("Glob", 16, always, globTime, buildGlob)
	add("TodoWrite", 11, always, listTime, buildTodos)
	add("Task", 11, always, otherTime, buildAgent)
	add("AskUserQuestion", 3, since(2, 0, 30), askTime, buildAsk)
	add("WebFetch", 2.7, always, fetchTime, buildFetch)
	add("ExitPlanMode", 1.8, always, planTime, buildPlan)
	add("WebSearch", 1.3, always, webTime, buildSearch)
	add("TaskOutput", 1.5, since(2, 0, 64), otherTime, buildBackgroundOutput)
	add("Skill", 1.2, since(2, 0, 20), listTime, buildSkill)
	add("MultiEdit", 4, before(2, 0, 0), editTime, buildEdit)
	add("LS", 6, before(2, 0, 0), readTime, buildPlain)
	add("BashOutput", 2, before(2, 0, 64), otherTime, buildBackgroundOutput)
	add("KillBash", 0.3, before(2, 0, 0), otherTime, buildKill)
	add("KillShell", 0.3, since(2, 0, 0), otherTime, buildKill)
	add("NotebookEdit", 0.5, always, editTime, buildNotebook)
	add("SlashCommand", 0.2, before(2, 1, 0), otherTime, buildPlain)
	add("Workflow", 1, cli.hasWorkflows, otherTime, buildWorkflow)
	for i, name := range []string{
		"TaskList", "TaskGet", "EnterPlanMode", "TaskStop", "ToolSearch", "SendMessage", "LSP", "ListMcpResourcesTool", "ReadMcpResourceTool",
		"TeamCreate", "TeamDelete", "Monitor", "CronCreate", "CronList", "CronDelete", "ScheduleWakeup", "StructuredOutput", "PushNotification",
		"EnterWorktree", "RemoteTrigger",
	} {
		build := buildPlain
		if i < 2 {
			build = buildTaskList
		}
		add(name, 0.9/float64(i+1)+0.08, since(2, 1, 16+9*i), otherTime, build)
	}
	for _, server := range []struct {
		name  string
		share float64
		tools []string
	}{
		{"playwright", 4, []string{"browser_navigate", "browser_click", "browser_snapshot", "browser_take_screenshot", "browser_evaluate", "browser_type", "browser_wait_for"}},
		{"github", 1.5, []string{"get_issue", "list_pull_requests", "create_pull_request", "get_file_contents", "search_code"}},
		{"linear", 1, []string{"list_issues", "get_issue", "create_comment", "update_issue"}},
		{"postgres", 1, []string{"query", "list_tables", "describe_table"}},
		{"context7", 0.7, []string{"resolve-library-id", "get-library-docs"}},
		{"sentry", 0.5, []string{"find_issues", "get_event", "list_projects"}},
		{"claude_ai_Figma", 0.4, []string{"get_screenshot", "get_metadata", "get_design_context"}},
	} {
		for _, name := range server.tools {
			add("mcp__"+server.name+"__"+name, server.share/float64(len(server.tools)), since(1, 0, 40), otherTime, buildMCP)
		}
	}
	return all
}

// pickTool draws a tool that the thread may use. Sub-agents spawn no others, and nobody asks the user on their behalf.
func (t *thread) pickTool() *tool {
	for {
		use := t.u.g.tools.draw(t.r)
		if !use.since(t.ver) {
			continue
		}
		if t.sidechain {
			switch use.name {
			case "Task", "Workflow", "AskUserQuestion", "ExitPlanMode", "TodoWrite":
				continue
			}
		}
		return use
	}
}

// toolNamed returns a tool by its name; it must exist.
func (g *Generator) toolNamed(name string) *tool {
	for _, t := range g.tools.items {
		if t.name == name {
			return t
		}
	}
	panic("no tool " + name)
}
