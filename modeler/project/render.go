package project

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	gonja "github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/parser"
)

// Names says which table a model reads where it says ref or source; a nil function means the real name.
type Names struct {
	Ref    func(*Node) string
	Source func(*Source) string
}

// Compiled is a model's SQL with the way back to its file.
type Compiled struct {
	SQL   string
	lines []int
}

// Line is the line of the model's file that stands behind a line of the SQL, both from 1; 0 if there is none.
func (c Compiled) Line(sqlLine int) int {
	if sqlLine < 1 || sqlLine > len(c.lines) {
		return 0
	}
	return c.lines[sqlLine-1]
}

// template is a model's Jinja, parsed.
type template struct {
	jinja *exec.Template
	vars  map[string]any
}

// templateError is Jinja's complaint, with the line it stands in.
type templateError struct {
	line    int
	message string
}

func (e *templateError) Error() string { return e.message }

func parseTemplate(text string, vars map[string]any) (*template, error) {
	loader, err := loaders.NewMemoryLoader(map[string]string{"/model.sql": markLines(text)})
	if err != nil {
		return nil, err
	}
	settings := gonja.New()
	settings.StrictUndefined = true
	jinja, err := exec.NewTemplate("/model.sql", settings, loader, &exec.Environment{
		Context:           exec.EmptyContext().Update(builtins.GlobalFunctions).Update(builtins.GlobalVariables),
		Filters:           builtins.Filters,
		Tests:             builtins.Tests,
		ControlStructures: builtins.ControlStructures,
		Methods:           builtins.Methods,
	})
	if err != nil {
		bad := cleanError(err)
		if bad.line == 0 {
			bad.line = brokenTag(text)
		}
		return nil, bad
	}
	return &template{jinja: jinja, vars: vars}, nil
}

var tagWord = regexp.MustCompile(`^\{%[-+]?\s*(\w+)`)

// brokenTag is the line of the first tag that does not parse by itself, for the errors to which Jinja gives no line.
func brokenTag(text string) int {
	around := map[string][2]string{
		"if": {"", "{% endif %}"}, "elif": {"{% if 1 %}", "{% endif %}"}, "for": {"", "{% endfor %}"}, "set": {"", ""},
	}
	for i := 0; i < len(text); i++ {
		end := tagEnd(text, i)
		if end == i {
			continue
		}
		tag := text[i:end]
		probe := tag
		if m := tagWord.FindStringSubmatch(tag); m != nil {
			wrap, ok := around[m[1]]
			if !ok {
				continue
			}
			probe = wrap[0] + tag + wrap[1]
		}
		loader, err := loaders.NewMemoryLoader(map[string]string{"/tag": probe})
		if err == nil {
			_, err = exec.NewTemplate("/tag", gonja.New(), loader, &exec.Environment{ControlStructures: builtins.ControlStructures})
		}
		if err != nil {
			return lineAt(text, i)
		}
		i = end - 1
	}
	return 0
}

// functions are the names a model's Jinja may use beside Jinja's own.
type functions struct {
	ref    func(name string) (string, error)
	source func(name, table string) (string, error)
	config func(key string, value any)
	this   string
	schema string
}

func (t *template) render(f functions) (Compiled, error) {
	context := exec.NewContext(map[string]any{
		"ref":    func(args *exec.VarArgs) (string, error) { return callRef(args, f.ref) },
		"source": func(args *exec.VarArgs) (string, error) { return callSource(args, f.source) },
		"config": func(args *exec.VarArgs) (string, error) { return "", callConfig(args, f.config) },
		"var":    func(args *exec.VarArgs) (any, error) { return t.callVar(args) },
		// The runner itself restricts what a model reads to what changed, so the same text always yields whole rows.
		"is_incremental": func() bool { return false },
		"this":           f.this,
		"execute":        true,
		"target":         map[string]any{"name": "native", "type": "duckdb", "schema": f.schema},
	})
	text, err := t.jinja.ExecuteToString(context)
	if err != nil {
		return Compiled{}, cleanError(err)
	}
	return unmarkLines(text), nil
}

func callRef(args *exec.VarArgs, ref func(string) (string, error)) (string, error) {
	switch n := len(args.Args); {
	case n == 1 && args.Args[0].IsString():
		return ref(args.Args[0].String())
	case n == 2 && args.Args[1].IsString(): // ref('project', 'model')
		return ref(args.Args[1].String())
	}
	return "", errors.New("ref takes a model's name")
}

func callSource(args *exec.VarArgs, source func(string, string) (string, error)) (string, error) {
	if len(args.Args) != 2 || !args.Args[0].IsString() || !args.Args[1].IsString() {
		return "", errors.New("source takes a source's and a table's name")
	}
	return source(args.Args[0].String(), args.Args[1].String())
}

func callConfig(args *exec.VarArgs, set func(string, any)) error {
	if len(args.Args) > 0 {
		return errors.New("config takes named values only")
	}
	for key, value := range args.KwArgs {
		v := value.ToGoSimpleType(false)
		if err, ok := v.(error); ok {
			return fmt.Errorf("config %s: %w", key, err)
		}
		set(key, v)
	}
	return nil
}

func (t *template) callVar(args *exec.VarArgs) (any, error) {
	if len(args.Args) == 0 || !args.Args[0].IsString() {
		return nil, errors.New("var takes a variable's name")
	}
	name := args.Args[0].String()
	if v, ok := t.vars[name]; ok {
		return v, nil
	}
	if len(args.Args) > 1 {
		return args.Args[1].Interface(), nil
	}
	if v, ok := args.KwArgs["default"]; ok {
		return v.Interface(), nil
	}
	return nil, fmt.Errorf("unknown var %q", name)
}

var errorLine = regexp.MustCompile(`(?i)\bline:? (\d+)`)

// cleanError keeps the cause and the line of Jinja's long error chains.
func cleanError(err error) *templateError {
	out := &templateError{message: err.Error()}
	var syntax *parser.SyntaxError
	if errors.As(err, &syntax) {
		out.line, out.message = syntax.Line, syntax.Message
		if near := strings.TrimSpace(stripMarks(syntax.Raw)); near != "" {
			out.message += fmt.Sprintf(", near %q", near)
		}
		return out
	}
	// The innermost place is the last one named.
	if all := errorLine.FindAllStringSubmatch(out.message, -1); all != nil {
		out.line, _ = strconv.Atoi(all[len(all)-1][1])
	}
	var cause interface{ Cause() error }
	for errors.As(err, &cause) {
		err = cause.Cause()
	}
	out.message = stripMarks(err.Error())
	return out
}

// Jinja keeps no account of where a line of its output comes from. So every line of the text outside of tags begins
// with a mark that holds its number; the marks come out again after rendering.
const (
	markStart = '\x01'
	markEnd   = '\x02'
)

// markLines marks every line, and puts the line breaks inside a tag after it, so that Jinja's own line numbers hold.
func markLines(text string) string {
	var b strings.Builder
	line := 1
	mark := func() { fmt.Fprintf(&b, "%c%d%c", markStart, line, markEnd) }
	mark()
	for i := 0; i < len(text); {
		if end := tagEnd(text, i); end > i {
			tag := text[i:end]
			breaks := strings.Count(tag, "\n")
			b.WriteString(strings.NewReplacer("\r\n", " ", "\n", " ").Replace(tag))
			for range breaks {
				line++
				b.WriteByte('\n')
				mark()
			}
			i = end
			continue
		}
		b.WriteByte(text[i])
		if text[i] == '\n' {
			line++
			mark()
		}
		i++
	}
	return b.String()
}

// tagEnd is where the tag that begins at i ends; i if none begins there.
func tagEnd(text string, i int) int {
	rest := text[i:]
	closing := ""
	switch {
	case strings.HasPrefix(rest, "{#"):
		if n := strings.Index(rest, "#}"); n >= 0 {
			return i + n + 2
		}
		return i
	case strings.HasPrefix(rest, "{{"):
		closing = "}}"
	case strings.HasPrefix(rest, "{%"):
		closing = "%}"
	default:
		return i
	}
	quote := byte(0)
	for j := 2; j < len(rest); j++ {
		switch c := rest[j]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case strings.HasPrefix(rest[j:], closing):
			return i + j + 2
		}
	}
	return i
}

var marks = regexp.MustCompile(string(markStart) + `(\d+)` + string(markEnd))

func stripMarks(text string) string { return marks.ReplaceAllString(text, "") }

func unmarkLines(text string) Compiled {
	var c Compiled
	var out []string
	current := 0
	for _, line := range strings.Split(text, "\n") {
		all := marks.FindAllStringSubmatch(line, -1)
		if len(all) > 0 {
			current, _ = strconv.Atoi(all[0][1])
		}
		clean := strings.TrimRight(stripMarks(line), " \t\r")
		if clean != "" || len(out) > 0 { // no blank lines at the top
			out = append(out, clean)
			c.lines = append(c.lines, current)
		}
		if len(all) > 0 {
			current, _ = strconv.Atoi(all[len(all)-1][1])
		}
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out, c.lines = out[:len(out)-1], c.lines[:len(c.lines)-1]
	}
	c.SQL = strings.Join(out, "\n")
	return c
}
