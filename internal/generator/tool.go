package generator

// tool is one tool: how often it is called, how long it takes, how it fails, and what it is asked and answers.
type tool struct {
	name     string
	weight   float64
	since    func(v cli) bool
	takes    curve // wall time in seconds
	failures []failure
	// build fills input and the outcome of a call that works.
	build func(t *thread, c *call)
}

// failure is one way in which a call of a tool may end badly, with its share of calls.
type failure struct {
	share  float64
	status string
	text   string // template; empty: the text that the status always has
	wrap   bool   // in <tool_use_error>
}

func always(cli) bool { return true }

// Texts that the program writes, whatever the tool.
const (
	rejectedText    = "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was a file edit, the new_string was NOT written to the file). STOP what you are doing and wait for the user to tell you how to proceed."
	cancelledText   = "Sibling tool call errored"
	interruptedText = "[Request interrupted by user for tool use]"
)

// plan draws a call of the tool: what is asked and how it ends. parallel says that it stands beside others.
func (t *thread) plan(use *tool, parallel bool) *call {
	c := &call{tool: use, name: use.name, id: t.r.token("toolu_01", 22), ms: int64(use.takes.draw(t.r) * 1000)}
	if use.name == "Task" {
		c.name = t.ver.agentTool()
	}
	c.out.status = statusSuccess
	c.ms = t.u.within(t.clock, c.ms)
	use.build(t, c)
	p := t.r.float()
	for _, f := range use.failures {
		if p -= f.share; p < 0 {
			t.fail(c, f)
			return c
		}
	}
	switch {
	case parallel && t.r.chance(0.014):
		t.fail(c, failure{status: statusCancelled})
	case t.r.chance(0.0006):
		t.fail(c, failure{status: statusDenied})
	case !t.sidechain && t.r.chance(0.0015):
		c.out, c.children = outcome{status: statusPending, text: c.out.text}, nil
	}
	return c
}

// fail turns a planned call into one that ends badly.
func (t *thread) fail(c *call, f failure) {
	text := f.text
	o := outcome{status: f.status, isError: yes}
	switch f.status {
	case statusRejected:
		text = rejectedText
		o.result, o.denial = resultText("User rejected tool use"), "user-rejected"
	case statusCancelled:
		text, f.wrap = cancelledText, true
	case statusDenied:
		text, o.denial = "Permission to use "+c.name+" has been denied.", "permission-rule"
	case statusInterrupted:
		text = interruptedText
		o.result = func(w *writer) {
			w.obj().kstr("stdout", "").kstr("stderr", "").kbool("interrupted", true).kbool("isImage", false).end()
		}
	default:
		text = string(t.proj.lex.expand(nil, t.r, text))
		if f.status == statusError && c.name == "Bash" {
			text += "\n" + c.failText(t)
		}
	}
	if o.result == nil {
		o.result = resultText("Error: " + text)
	}
	if f.wrap {
		text = "<tool_use_error>" + text + "</tool_use_error>"
	}
	o.text = text
	if f.status != statusTimeout && f.wrap || f.status == statusDenied {
		c.ms = int64(t.r.between(1, 40)) // refused before it ran
	}
	if f.status == statusTimeout {
		c.ms = 120000 + int64(t.r.between(5, 300))
	}
	c.out, c.children = o, nil
}

// failText is what the command of a Bash call prints when it fails.
func (c *call) failText(t *thread) string {
	return string(shellMix.draw(t.r).failure(nil, t.r, t.proj.lex))
}

func resultText(text string) func(*writer) { return func(w *writer) { w.str(text) } }

// Measured wall times in seconds.
var (
	bashTime  = curve{{0, 0.02}, {0.5, 1.71}, {0.9, 21.9}, {0.99, 284}, {0.9999, 2400}, {1, 40967}}
	readTime  = curve{{0, 0.004}, {0.5, 0.02}, {0.9, 0.35}, {0.99, 1.7}, {0.9999, 60}, {1, 1673}}
	editTime  = curve{{0, 0.02}, {0.5, 0.12}, {0.9, 11.9}, {0.99, 299}, {0.9999, 4000}, {1, 45647}}
	grepTime  = curve{{0, 0.03}, {0.5, 0.40}, {0.9, 1.0}, {0.99, 2.6}, {1, 244}}
	listTime  = curve{{0, 0.001}, {0.5, 0.004}, {0.9, 0.01}, {0.99, 1}, {1, 8}}
	writeTime = curve{{0, 0.02}, {0.5, 0.06}, {0.9, 19.6}, {0.99, 216}, {1, 344}}
	globTime  = curve{{0, 0.02}, {0.5, 0.44}, {0.9, 2.3}, {0.99, 10}, {1, 859}}
	fetchTime = curve{{0, 0.4}, {0.5, 4.8}, {0.9, 13.7}, {0.99, 121}, {1, 121}}
	webTime   = curve{{0, 4}, {0.5, 13.9}, {0.9, 24}, {0.99, 169}, {1, 169}}
	askTime   = curve{{0, 4}, {0.5, 63.8}, {0.9, 373}, {0.99, 3268}, {1, 9629}}
	planTime  = curve{{0, 5}, {0.5, 91.3}, {0.9, 789}, {0.99, 9629}, {1, 9629}}
	otherTime = curve{{0, 0.01}, {0.5, 0.3}, {0.9, 3}, {0.99, 30}, {1, 120}}
)

const (
	notFoundText  = "String to replace not found in file.\nString: ~i(~n, ~n)"
	notReadText   = "File has not been read yet. Read it first before writing to it."
	staleText     = "File has been modified since read, either by the user or by a linter. Read it again before attempting to write it."
	severalText   = "Found ~d matches of the string to replace, but replace_all is false.\nString: return ~n"
	noFileText    = "File does not exist. Did you mean ~n.~n?"
	tooLargeText  = "File content (~D0 tokens) exceeds maximum allowed tokens (25000). Use offset and limit parameters to read specific portions of the file."
	badInputText  = "InputValidationError: the required parameter `~n` is missing"
	badPatternTxt = "ripgrep: regex parse error: unclosed group near ~n"
)

// failuresOf are the measured ways to fail of tools by name; tools that are not in it use otherFailures.
var failuresOf = map[string][]failure{
	"Bash": {
		{0.064, statusError, "Exit code 1", false},
		{0.005, statusError, "Exit code 2", false},
		{0.002, statusError, "Exit code 127", false},
		{0.0082, statusRejected, "", false},
		{0.0005, statusInterrupted, "", false},
		{0.0003, statusTimeout, "Exit code 143\nCommand timed out after 2m 0s", false},
	},
	"Read":            {{0.005, statusError, noFileText, true}, {0.0055, statusError, tooLargeText, true}},
	"Edit":            {{0.0196, statusError, notFoundText, true}, {0.0107, statusError, notReadText, true}, {0.002, statusError, staleText, true}, {0.002, statusError, severalText, true}, {0.0109, statusRejected, "", false}},
	"Grep":            {{0.0045, statusError, badPatternTxt, false}, {0.0042, statusError, badInputText, true}},
	"Write":           {{0.017, statusError, notReadText, true}, {0.004, statusError, staleText, true}, {0.0077, statusRejected, "", false}},
	"Glob":            {{0.0175, statusCancelled, "", false}, {0.005, statusError, badInputText, true}},
	"Task":            {{0.019, statusError, "Agent type '~n' not found. Available agents: general-purpose, Explore", true}, {0.0096, statusRejected, "", false}},
	"WebFetch":        {{0.04, statusError, "Request failed with status code 404", false}},
	"AskUserQuestion": {{0.11, statusRejected, "", false}},
	"ExitPlanMode":    {{0.84, statusRejected, "", false}},
	"TaskUpdate":      {{0.001, statusError, "Task not found", true}},
	"TaskCreate":      {},
	"TodoWrite":       {},
	"WebSearch":       {},
}

var otherFailures = []failure{{0.012, statusError, "~S", false}, {0.006, statusError, badInputText, true}, {0.003, statusRejected, "", false}}
