package project

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// link turns the names in refs and sources into nodes, and binds the tests.
func (l *loader) link() {
	sources := map[string]*Source{}
	for _, s := range l.project.Sources {
		sources[s.Key()] = s
	}
	for _, n := range append(append([]*Node{}, l.project.Nodes...), l.singular...) {
		for _, m := range n.refs {
			up := l.project.byName[m.name]
			if up == nil {
				l.faults.add(n.File, m.line, "unknown ref %q", m.name)
				continue
			}
			n.Refs = append(n.Refs, up)
		}
		for _, m := range n.sources {
			s := sources[m.name]
			if s == nil {
				l.faults.add(n.File, m.line, "unknown source %q", m.name)
				continue
			}
			n.Sources = append(n.Sources, s)
		}
	}
}

var refText = regexp.MustCompile(`^\s*ref\s*\(\s*['"](\w+)['"]\s*\)\s*$`)

// bindTests binds the tests to the nodes they name.
func (l *loader) bindTests() {
	p := l.project
	tests := p.Tests[:0]
	for _, t := range p.Tests {
		if t.Node != nil && p.byName[t.Node.Name] != t.Node {
			continue // the model is switched off
		}
		if t.Column == "" {
			l.faults.add(t.File, t.Line, "test %s must stand below a column", t.Kind)
		}
		if t.Kind == "relationships" {
			m := refText.FindStringSubmatch(fmt.Sprint(t.Args["to"]))
			switch {
			case m == nil:
				l.faults.add(t.File, t.Line, "relationships: to must be ref('model')")
			case p.byName[m[1]] == nil:
				l.faults.add(t.File, t.Line, "unknown ref %q", m[1])
			case t.Args["field"] == nil:
				l.faults.add(t.File, t.Line, "relationships: field is missing")
			default:
				t.to = p.byName[m[1]]
			}
		}
		if t.Name == "" {
			t.Name = t.defaultName()
		}
		tests = append(tests, t)
	}
	p.Tests = append(tests, l.impliedTests()...)
	for _, n := range l.singular {
		t := &Test{Name: n.Name, Kind: KindSingular, Severity: SeverityError, File: n.File, Line: 1, singular: n}
		for key, v := range n.inline {
			switch text, _ := v.value.(string); {
			case key == "severity" && (strings.EqualFold(text, SeverityWarn) || strings.EqualFold(text, SeverityError)):
				t.Severity = strings.ToLower(text)
			case key == "tags" || key == "meta" || key == "enabled":
			default:
				l.faults.add(n.File, v.line, "unknown config %q of a test, or a value it cannot have", key)
			}
		}
		if n.inline.enabled() {
			p.Tests = append(p.Tests, t)
		}
	}
}

// impliedTests are those that follow from contracts and from the freshness of sources.
func (l *loader) impliedTests() []*Test {
	var out []*Test
	for _, n := range l.project.Nodes {
		if !n.Contract || n.yaml == nil {
			continue
		}
		for _, c := range n.Columns {
			if c.Type == "" {
				l.faults.add(n.yaml.file, c.Line, "%s has an enforced contract, and %s no data_type", n.Name, c.Name)
			}
		}
		t := &Test{Kind: KindContract, Node: n, Severity: SeverityError, File: n.yaml.file, Line: n.yaml.line}
		t.Name = t.defaultName()
		out = append(out, t)
	}
	for _, s := range l.project.Sources {
		if !s.Freshness.limited() {
			continue
		}
		t := &Test{Kind: KindFreshness, Source: s, Severity: SeverityError, File: s.File, Line: s.Line}
		if s.Freshness.Severity != "" {
			t.Severity = s.Freshness.Severity
		}
		t.Name = t.defaultName()
		out = append(out, t)
	}
	return out
}

// order sorts the nodes so that each comes after its upstream, and names cycles.
func (p *Project) order(faults *Faults) {
	sort.Slice(p.Nodes, func(i, j int) bool { return p.Nodes[i].Name < p.Nodes[j].Name })
	const (
		unseen = iota
		open
		done
	)
	state := map[*Node]int{}
	var out, path []*Node
	var visit func(n *Node)
	visit = func(n *Node) {
		switch state[n] {
		case done:
			return
		case open:
			at := len(path) - 1
			for path[at] != n {
				at--
			}
			names := make([]string, 0, len(path)-at+1)
			for _, m := range append(path[at:len(path):len(path)], n) {
				names = append(names, m.Name)
			}
			last := path[len(path)-1]
			faults.add(last.File, lineOfCall(last.source, "ref", n.Name), "cycle: %s", strings.Join(names, " → "))
			return
		}
		state[n] = open
		path = append(path, n)
		for _, up := range n.Refs {
			visit(up)
		}
		path = path[:len(path)-1]
		state[n] = done
		out = append(out, n)
	}
	for _, n := range p.Nodes {
		visit(n)
	}
	p.Nodes = out
}

// hash gives every node a hash that changes when its rows may change without any document changing.
func (p *Project) hash(faults *Faults) {
	for _, n := range p.Nodes {
		h := sha256.New()
		fmt.Fprintf(h, "%s\n%s\n%s\n%s\n%v\n", n.Schema, n.Name, n.Materialized, n.RefreshBy, n.UniqueKey)
		if len(n.Rules) > 0 {
			fmt.Fprintln(h, n.Rules)
		}
		if n.Materialized == Seed {
			columns := make([]string, 0, len(n.ColumnTypes))
			for c, typ := range n.ColumnTypes {
				columns = append(columns, c+" "+typ)
			}
			sort.Strings(columns)
			fmt.Fprintf(h, "%v\n%s", columns, n.source)
		} else {
			compiled, err := n.Compile(Names{})
			if err != nil {
				var fault Fault
				if !errors.As(err, &fault) {
					fault = Fault{File: n.File, Message: err.Error()}
				}
				*faults = append(*faults, fault)
				continue
			}
			fmt.Fprintln(h, compiled.SQL)
		}
		for _, up := range n.Refs {
			fmt.Fprintln(h, up.Hash)
		}
		n.Hash = hex.EncodeToString(h.Sum(nil))[:32]
	}
}

// Downstream is every node that depends on one of the given ones, those excluded, in order.
func (p *Project) Downstream(of map[*Node]bool) []*Node {
	reached := map[*Node]bool{}
	var out []*Node
	for _, n := range p.Nodes {
		for _, up := range n.Refs {
			if of[up] || reached[up] {
				reached[n] = true
				break
			}
		}
		if reached[n] && !of[n] {
			out = append(out, n)
		}
	}
	return out
}
