package project

import (
	"io/fs"
	"strings"

	"gopkg.in/yaml.v3"
)

// nodeProperties is a model's or seed's entry in a _schema.yml.
type nodeProperties struct {
	name        string
	seed        bool
	file        string
	line        int
	description string
	config      config
	columns     []Column
	tests       []*Test
}

// properties is everything the YAML files beside the models say.
type properties struct {
	nodes   []*nodeProperties
	sources []*Source
	tests   []*Test // of sources
}

// readProperties reads one _schema.yml or _sources.yml. Keys it does not know are faults: most are misspelt.
func (p *properties) read(fsys fs.FS, file string, faults *Faults) {
	for _, top := range pairs(file, "file", readYAML(fsys, file, faults), faults) {
		switch top.key {
		case "version":
		case "models", "seeds":
			for _, item := range items(file, top.key, top.value, faults) {
				if n := readNode(file, top.key == "seeds", item, faults); n != nil {
					p.nodes = append(p.nodes, n)
				}
			}
		case "sources":
			for _, item := range items(file, top.key, top.value, faults) {
				p.readSource(file, item, faults)
			}
		case "exposures", "groups", "macros", "metrics", "semantic_models", "saved_queries", "data_tests", "unit_tests", "analyses":
			// dbt's; nothing to run here
		default:
			faults.add(file, top.line, "unknown key %q", top.key)
		}
	}
}

func readNode(file string, seed bool, n *yaml.Node, faults *Faults) *nodeProperties {
	out := &nodeProperties{seed: seed, file: file, line: lineOf(n), config: config{}}
	for _, p := range pairs(file, "entry", n, faults) {
		switch p.key {
		case "name":
			out.name = scalar(file, "name", p.value, faults)
		case "description":
			out.description = scalar(file, "description", p.value, faults)
		case "config":
			for _, c := range pairs(file, "config", p.value, faults) {
				out.config.merge(config{c.key: {value: plain(file, c.value, faults), file: file, line: c.line}})
			}
		case "meta":
			out.config.merge(config{"meta": {value: plain(file, p.value, faults), file: file, line: p.line}})
		case "tests", "data_tests":
			out.tests = append(out.tests, readTests(file, "", p.value, faults)...)
		case "columns":
			columns, tests := readColumns(file, p.value, faults)
			out.columns = columns
			out.tests = append(out.tests, tests...)
		case "docs", "access", "group", "constraints", "latest_version", "deprecation_date":
		default:
			faults.add(file, p.line, "unknown key %q", p.key)
		}
	}
	if out.name == "" {
		faults.add(file, out.line, "entry without a name")
		return nil
	}
	return out
}

func readColumns(file string, n *yaml.Node, faults *Faults) ([]Column, []*Test) {
	var columns []Column
	var tests []*Test
	seen := map[string]bool{}
	for _, item := range items(file, "columns", n, faults) {
		c := Column{Line: lineOf(item)}
		var own []*Test
		for _, p := range pairs(file, "column", item, faults) {
			switch p.key {
			case "name":
				c.Name = scalar(file, "name", p.value, faults)
			case "description":
				c.Description = scalar(file, "description", p.value, faults)
			case "meta":
				c.Meta, _ = plain(file, p.value, faults).(map[string]any)
			case "config":
				for _, e := range pairs(file, "config", p.value, faults) {
					if e.key == "meta" {
						c.Meta, _ = plain(file, e.value, faults).(map[string]any)
					}
				}
			case "tests", "data_tests":
				own = append(own, readTests(file, "", p.value, faults)...)
			case "data_type":
				c.Type = scalar(file, "data_type", p.value, faults)
			case "quote", "tags", "constraints", "granularity":
			default:
				faults.add(file, p.line, "unknown key %q", p.key)
			}
		}
		if c.Name == "" {
			faults.add(file, lineOf(item), "column without a name")
			continue
		}
		if seen[strings.ToLower(c.Name)] {
			faults.add(file, lineOf(item), "column %s is described twice", c.Name)
		}
		seen[strings.ToLower(c.Name)] = true
		for _, t := range own {
			t.Column = c.Name
		}
		columns = append(columns, c)
		tests = append(tests, own...)
	}
	return columns, tests
}

func (p *properties) readSource(file string, n *yaml.Node, faults *Faults) {
	var name, schema string
	var fresh Freshness
	var tables []*yaml.Node
	for _, e := range pairs(file, "source", n, faults) {
		switch e.key {
		case "name":
			name = scalar(file, "name", e.value, faults)
		case "schema":
			schema = scalar(file, "schema", e.value, faults)
		case "loaded_at_field", "freshness", "meta":
			fresh.readConfig(file, e, faults)
		case "config":
			fresh.readFreshness(file, e.value, faults)
		case "tables":
			tables = items(file, "tables", e.value, faults)
		case "description", "database", "tags", "loader", "quoting", "overrides":
		default:
			faults.add(file, e.line, "unknown key %q", e.key)
		}
	}
	if name == "" {
		faults.add(file, lineOf(n), "source without a name")
		return
	}
	if schema == "" {
		schema = name
	}
	for _, table := range tables {
		s := &Source{Name: name, Schema: schema, Freshness: fresh, File: file, Line: lineOf(table)}
		p.readTable(file, s, table, faults)
	}
}

func (p *properties) readTable(file string, s *Source, n *yaml.Node, faults *Faults) {
	var tests []*Test
	for _, e := range pairs(file, "table", n, faults) {
		switch e.key {
		case "name":
			s.Table = scalar(file, "name", e.value, faults)
		case "identifier":
			s.Identifier = scalar(file, "identifier", e.value, faults)
		case "description":
			s.Description = scalar(file, "description", e.value, faults)
		case "loaded_at_field", "freshness", "meta":
			s.Freshness.readConfig(file, e, faults)
		case "tests", "data_tests":
			tests = append(tests, readTests(file, "", e.value, faults)...)
		case "columns":
			columns, own := readColumns(file, e.value, faults)
			s.Columns = columns
			tests = append(tests, own...)
		case "config":
			s.Freshness.readFreshness(file, e.value, faults)
		case "tags", "loader", "quoting", "external":
		default:
			faults.add(file, e.line, "unknown key %q", e.key)
		}
	}
	if s.Table == "" {
		faults.add(file, s.Line, "table without a name")
		return
	}
	if s.Identifier == "" {
		s.Identifier = s.Table
	}
	for _, t := range tests {
		t.Source = s
	}
	p.sources = append(p.sources, s)
	p.tests = append(p.tests, tests...)
}
