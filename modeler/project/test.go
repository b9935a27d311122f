package project

import (
	"fmt"
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
	Kind     string // not_null, unique, accepted_values, relationships, singular
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

// relation is what the test reads.
func (t *Test) relation() string {
	base := ""
	switch {
	case t.Source != nil:
		base = t.Source.Relation()
	default:
		base = t.Node.Relation()
	}
	if t.Where != "" {
		return fmt.Sprintf("(SELECT * FROM %s WHERE %s)", base, t.Where)
	}
	return base
}

// SQL is the query whose rows are the failures.
func (t *Test) SQL() (string, error) {
	column := Quote(t.Column)
	switch t.Kind {
	case "not_null":
		return fmt.Sprintf("SELECT * FROM %s WHERE %s IS NULL", t.relation(), column), nil
	case "unique":
		return fmt.Sprintf("SELECT %[2]s, count(*) AS n FROM %[1]s WHERE %[2]s IS NOT NULL GROUP BY 1 HAVING count(*) > 1", t.relation(), column), nil
	case "accepted_values":
		values := make([]string, 0)
		for _, v := range list(t.Args["values"]) {
			values = append(values, Literal(fmt.Sprint(v)))
		}
		return fmt.Sprintf("SELECT %[2]s, count(*) AS n FROM %[1]s WHERE %[2]s IS NOT NULL AND %[2]s::VARCHAR NOT IN (%[3]s) GROUP BY 1",
			t.relation(), column, strings.Join(values, ", ")), nil
	case "relationships":
		return fmt.Sprintf("SELECT c.%[2]s FROM %[1]s c WHERE c.%[2]s IS NOT NULL AND NOT EXISTS (SELECT 1 FROM %[3]s p WHERE p.%[4]s = c.%[2]s)",
			t.relation(), column, t.to.Relation(), Quote(fmt.Sprint(t.Args["field"]))), nil
	}
	compiled, err := t.singular.Compile(Names{})
	return compiled.SQL, err
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
