package project

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// Severity of a failing test.
const (
	SeverityError = "error"
	SeverityWarn  = "warn"
)

// Test is a data test: generic (a line of _schema.yml) or singular (a file of tests/). It passes when its query
// returns no rows.
type Test struct {
	Name     string
	Kind     string // not_null, unique, accepted_values, relationships, contract, freshness, singular
	Node     *Node  // what a generic test of a model tests
	Source   *Source
	Column   string
	Args     map[string]any
	Where    string
	Severity string
	File     string
	Line     int

	to       *Node // of relationships
	singular *Node // of a file of tests/
}

// Kinds of tests that are not written down: they follow from a model's contract and from a source's freshness.
const (
	KindContract  = "contract"
	KindFreshness = "freshness"
	KindSingular  = "singular"
)

var genericArgs = map[string][]string{
	"not_null":        {},
	"unique":          {},
	"accepted_values": {"values", "quote"},
	"relationships":   {"to", "field"},
}

// readTests reads the list below tests: or data_tests:, in dbt's old form and in the one with arguments:.
func readTests(file, column string, n *yaml.Node, faults *Faults) []*Test {
	var out []*Test
	for _, item := range items(file, "tests", n, faults) {
		t := &Test{Column: column, Severity: SeverityError, Args: map[string]any{}, File: file, Line: lineOf(item)}
		if item.Kind == yaml.ScalarNode {
			t.Kind = item.Value
		} else {
			t.read(item, faults)
		}
		if _, ok := genericArgs[t.Kind]; !ok {
			faults.add(file, t.Line, "unknown test %q", t.Kind)
			continue
		}
		out = append(out, t)
	}
	return out
}

func (t *Test) read(item *yaml.Node, faults *Faults) {
	entries := pairs(t.File, "test", item, faults)
	var body []pair
	for _, e := range entries {
		if _, ok := genericArgs[e.key]; ok && t.Kind == "" {
			t.Kind = e.key
			body = append(body, pairs(t.File, e.key, e.value, faults)...)
			continue
		}
		if e.key == "test_name" {
			t.Kind = scalar(t.File, "test_name", e.value, faults)
			continue
		}
		body = append(body, e)
	}
	if t.Kind == "" {
		if len(entries) > 0 {
			t.Kind = entries[0].key
		}
		return
	}
	for _, e := range body {
		t.readArg(e, faults)
	}
}

func (t *Test) readArg(e pair, faults *Faults) {
	switch e.key {
	case "name":
		t.Name = scalar(t.File, "name", e.value, faults)
	case "description":
	case "where":
		t.Where = scalar(t.File, "where", e.value, faults)
	case "severity":
		t.setSeverity(e, faults)
	case "config":
		for _, c := range pairs(t.File, "config", e.value, faults) {
			switch c.key {
			case "where":
				t.Where = scalar(t.File, "where", c.value, faults)
			case "severity":
				t.setSeverity(c, faults)
			case "tags", "meta", "store_failures", "limit", "enabled", "group":
			default:
				faults.add(t.File, c.line, "unknown config %q of a test", c.key)
			}
		}
	case "arguments":
		for _, a := range pairs(t.File, "arguments", e.value, faults) {
			t.readArg(a, faults)
		}
	default:
		for _, known := range genericArgs[t.Kind] {
			if e.key == known {
				t.Args[e.key] = plain(t.File, e.value, faults)
				return
			}
		}
		faults.add(t.File, e.line, "unknown argument %q of test %s", e.key, t.Kind)
	}
}

func (t *Test) setSeverity(e pair, faults *Faults) {
	switch s := strings.ToLower(scalar(t.File, "severity", e.value, faults)); s {
	case SeverityError, SeverityWarn:
		t.Severity = s
	default:
		faults.add(t.File, e.line, "severity %q is neither error nor warn", s)
	}
}

// defaultName follows dbt: kind, table, column.
func (t *Test) defaultName() string {
	of := ""
	switch {
	case t.Node != nil:
		of = t.Node.Name
	case t.Source != nil:
		of = t.Source.Name + "_" + t.Source.Table
	}
	return strings.Trim(strings.Join([]string{t.Kind, of, t.Column}, "_"), "_")
}
