package redact

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// fileRules is the part of gitleaks' format that means something here.
type fileRules struct {
	Title       string   `toml:"title"`
	Description string   `toml:"description"`
	MinVersion  string   `toml:"minVersion"`
	Extend      *extend  `toml:"extend"`
	Allowlist   *list    `toml:"allowlist"`
	Allowlists  []list   `toml:"allowlists"`
	Rules       []inFile `toml:"rules"`
}

type extend struct {
	UseDefault    *bool    `toml:"useDefault"`
	DisabledRules []string `toml:"disabledRules"`
	Path          string   `toml:"path"`
	URL           string   `toml:"url"`
}

type inFile struct {
	ID          string   `toml:"id"`
	Description string   `toml:"description"`
	Regex       string   `toml:"regex"`
	SecretGroup int      `toml:"secretGroup"`
	Entropy     float64  `toml:"entropy"`
	Keywords    []string `toml:"keywords"`
	Path        string   `toml:"path"`
	Tags        []string `toml:"tags"`
	SkipReport  bool     `toml:"skipReport"`
	Required    []any    `toml:"required"`
	Allowlist   *list    `toml:"allowlist"`
	Allowlists  []list   `toml:"allowlists"`
}

type list struct {
	Description string   `toml:"description"`
	Condition   string   `toml:"condition"`
	RegexTarget string   `toml:"regexTarget"`
	Regexes     []string `toml:"regexes"`
	Stopwords   []string `toml:"stopwords"`
	Paths       []string `toml:"paths"`
	Commits     []string `toml:"commits"`
	TargetRules []string `toml:"targetRules"`
}

var ruleID = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// readFile reads a user's rules. All faults are reported together, each with its line.
func readFile(name string, data []byte) (*definitions, error) {
	var file fileRules
	decoder := toml.NewDecoder(strings.NewReader(string(data)))
	if err := decoder.DisallowUnknownFields().Decode(&file); err != nil {
		return nil, errors.Join(decodeFaults(name, err)...)
	}
	lines := ruleLines(data)
	line := func(i int) int {
		if i >= 0 && i < len(lines) {
			return lines[i]
		}
		return 1
	}
	out := &definitions{place: func(i int) string { return fmt.Sprintf("%s:%d", name, line(i)) }}
	var faults []error
	fault := func(i int, text string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", out.place(i), fmt.Sprintf(text, args...)))
	}
	if e := file.Extend; e != nil {
		if e.Path != "" || e.URL != "" {
			fault(-1, "extend: only useDefault and disabledRules can be used; put the other file's rules into this one")
		}
		out.replaceAll = e.UseDefault != nil && !*e.UseDefault
		out.without = e.DisabledRules
	}
	if file.Allowlist != nil {
		file.Allowlists = append(file.Allowlists, *file.Allowlist)
	}
	for i := range file.Allowlists {
		l, err := file.Allowlists[i].definition(false)
		if err != nil {
			fault(-1, "allowlist: %v", err)
			continue
		}
		out.allow = append(out.allow, *l)
	}
	seen := map[string]bool{}
	for i := range file.Rules {
		in := &file.Rules[i]
		switch {
		case !ruleID.MatchString(in.ID):
			fault(i, "id %q must be of the letters a-z, digits, '-' and '_', at most 64", in.ID)
		case seen[in.ID]:
			fault(i, "rule %s: there are two of this id", in.ID)
		}
		seen[in.ID] = true
		if in.Path != "" || len(in.Required) > 0 || in.SkipReport {
			fault(i, "rule %s: path, required and skipReport mean nothing here: a conversation is not a file; leave them out", in.ID)
		}
		if in.Regex == "" {
			fault(i, "rule %s: it has no regex", in.ID)
			continue
		}
		d, err := in.definition(false)
		if err == nil {
			_, err = d.compile()
		}
		if err != nil {
			fault(i, "rule %s: %v", in.ID, err)
			continue
		}
		out.rules = append(out.rules, *d)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return out, nil
}

// decodeFaults are those of the format itself.
func decodeFaults(name string, err error) []error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) {
		var faults []error
		for i := range strict.Errors {
			row, _ := strict.Errors[i].Position()
			faults = append(faults, fmt.Errorf("%s:%d: %s is not known here", name, row, strings.Join(strict.Errors[i].Key(), ".")))
		}
		return faults
	}
	var one *toml.DecodeError
	if errors.As(err, &one) {
		row, column := one.Position()
		return []error{fmt.Errorf("%s:%d:%d: %w", name, row, column, err)}
	}
	return []error{fmt.Errorf("%s: %w", name, err)}
}

// ruleLines are the lines at which the rules begin.
func ruleLines(data []byte) []int {
	var lines []int
	parser := unstable.Parser{}
	parser.Reset(data)
	for parser.NextExpression() {
		e := parser.Expression()
		if e.Kind != unstable.ArrayTable {
			continue
		}
		key := e.Key()
		if key.Next() && string(key.Node().Data) == "rules" && key.IsLast() {
			lines = append(lines, parser.Shape(key.Node().Raw).Start.Line)
		}
	}
	return lines
}

// definition of a rule; a lenient one leaves out what a document cannot hold.
func (in *inFile) definition(lenient bool) (*definition, error) {
	d := &definition{id: in.ID, regex: in.Regex, group: in.SecretGroup, entropy: in.Entropy, keywords: slices.Clone(in.Keywords)}
	if math.IsNaN(d.entropy) || d.entropy < 0 || d.entropy > 8 {
		return nil, fmt.Errorf("entropy is %v, but must be between 0 and 8", d.entropy)
	}
	lists := in.Allowlists
	if in.Allowlist != nil {
		lists = append(slices.Clone(lists), *in.Allowlist)
	}
	for i := range lists {
		l, err := lists[i].definition(lenient)
		if err != nil {
			return nil, fmt.Errorf("allowlist: %w", err)
		}
		if l != nil {
			d.allow = append(d.allow, *l)
		}
	}
	return d, nil
}

func (l *list) definition(lenient bool) (*allowDefinition, error) {
	d := &allowDefinition{target: l.RegexTarget, regexes: l.Regexes, stopwords: l.Stopwords, rules: l.TargetRules}
	switch strings.ToUpper(cmp.Or(l.Condition, "OR")) {
	case "OR", "||":
	case "AND", "&&":
		d.all = true
	default:
		return nil, fmt.Errorf("condition %q must be AND or OR", l.Condition)
	}
	if !slices.Contains([]string{"", "secret", "match", "line"}, l.RegexTarget) {
		return nil, fmt.Errorf("regexTarget %q must be match or line", l.RegexTarget)
	}
	if len(l.Paths)+len(l.Commits) > 0 {
		switch {
		case !lenient:
			return nil, errors.New("paths and commits mean nothing here: a conversation is not a file; leave them out")
		case d.all:
			return nil, nil
		}
	}
	if len(l.Regexes)+len(l.Stopwords) == 0 {
		if lenient {
			return nil, nil
		}
		return nil, errors.New("it has neither regexes nor stopwords")
	}
	_, err := d.compile()
	return d, err
}
