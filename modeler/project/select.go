package project

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// ErrSelector is wrapped by every error of a selector: it cannot be read, or names nothing.
var ErrSelector = errors.New("nothing can be selected")

// Select gives the nodes that dbt's selectors name, in order. A list of selectors is a union, and so is a space; a
// comma is an intersection. Nothing selected means everything. It is an error if a selector matches nothing.
func (p *Project) Select(selectors, exclude []string) ([]*Node, error) {
	nodes, err := p.choose(selectors, exclude)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSelector, err)
	}
	return nodes, nil
}

func (p *Project) choose(selectors, exclude []string) ([]*Node, error) {
	chosen := map[*Node]bool{}
	selectors = fields(selectors)
	if len(selectors) == 0 {
		for _, n := range p.Nodes {
			chosen[n] = true
		}
	}
	for _, s := range selectors {
		some, err := p.intersection(s)
		if err != nil {
			return nil, err
		}
		if len(some) == 0 {
			return nil, fmt.Errorf("selector %q matches no model", s)
		}
		for n := range some {
			chosen[n] = true
		}
	}
	for _, s := range fields(exclude) {
		some, err := p.intersection(s)
		if err != nil {
			return nil, err
		}
		for n := range some {
			delete(chosen, n)
		}
	}
	var out []*Node
	for _, n := range p.Nodes {
		if chosen[n] {
			out = append(out, n)
		}
	}
	return out, nil
}

func fields(selectors []string) []string {
	var out []string
	for _, s := range selectors {
		out = append(out, strings.Fields(s)...)
	}
	return out
}

func (p *Project) intersection(selector string) (map[*Node]bool, error) {
	var out map[*Node]bool
	for _, part := range strings.Split(selector, ",") {
		some, err := p.term(part)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = some
			continue
		}
		for n := range out {
			if !some[n] {
				delete(out, n)
			}
		}
	}
	return out, nil
}

// term is one selector with its graph operators: @x, +x, 2+x, x+, x+3.
func (p *Project) term(text string) (map[*Node]bool, error) {
	up, down, whole := 0, 0, false // generations; -1: all
	body := text
	if rest, ok := strings.CutPrefix(body, "@"); ok {
		whole, body = true, rest
	} else if at := strings.Index(body, "+"); at >= 0 && isDigits(body[:at]) {
		up, body = generations(body[:at]), body[at+1:]
	}
	if at := strings.LastIndex(body, "+"); at >= 0 && isDigits(body[at+1:]) {
		down, body = generations(body[at+1:]), body[:at]
	}
	if body == "" {
		return nil, fmt.Errorf("selector %q names nothing", text)
	}
	out := map[*Node]bool{}
	for _, n := range p.Nodes {
		ok, err := p.matches(n, body)
		if err != nil {
			return nil, err
		}
		if ok {
			out[n] = true
		}
	}
	switch {
	case whole: // the models, all that depend on them, and all those need
		out = p.spread(p.spread(out, -1, p.downOf), -1, upOf)
	default:
		upper, lower := p.spread(out, up, upOf), p.spread(out, down, p.downOf)
		for _, set := range []map[*Node]bool{upper, lower} {
			for n := range set {
				out[n] = true
			}
		}
	}
	return out, nil
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

func generations(s string) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	return -1
}

func upOf(n *Node) []*Node { return n.Refs }

func (p *Project) downOf(n *Node) []*Node {
	var out []*Node
	for _, m := range p.Nodes {
		for _, up := range m.Refs {
			if up == n {
				out = append(out, m)
			}
		}
	}
	return out
}

func (p *Project) spread(from map[*Node]bool, generations int, next func(*Node) []*Node) map[*Node]bool {
	out := map[*Node]bool{}
	edge := make([]*Node, 0, len(from))
	for n := range from {
		out[n] = true
		edge = append(edge, n)
	}
	for ; generations != 0 && len(edge) > 0; generations-- {
		var further []*Node
		for _, n := range edge {
			for _, m := range next(n) {
				if !out[m] {
					out[m] = true
					further = append(further, m)
				}
			}
		}
		edge = further
	}
	return out
}

func (p *Project) matches(n *Node, text string) (bool, error) {
	method, value, ok := strings.Cut(text, ":")
	if !ok {
		if strings.ContainsAny(text, `/\`) {
			return matchPath(n, text)
		}
		if strings.HasSuffix(text, ".sql") || strings.HasSuffix(text, ".csv") {
			return glob(text, path.Base(n.File))
		}
		return matchFQN(n, text)
	}
	method, attribute, _ := strings.Cut(method, ".")
	switch method {
	case "fqn":
		return matchFQN(n, value)
	case "tag":
		return anyOf(value, n.Tags)
	case "path":
		return matchPath(n, value)
	case "file":
		stem := strings.TrimSuffix(path.Base(n.File), path.Ext(n.File))
		return anyOf(value, []string{path.Base(n.File), stem})
	case "package":
		return anyOf(value, []string{p.Name})
	case "source":
		return matchSource(n, value)
	case "resource_type":
		kind := "model"
		if n.Materialized == Seed {
			kind = "seed"
		}
		return value == kind, nil
	case "config":
		return matchConfig(n, attribute, value)
	}
	return false, fmt.Errorf("unknown selector method %q in %q", method, text)
}

// matchFQN follows dbt: a name, a folder (everything in it), or a pattern over both; the project's name may be left out.
func matchFQN(n *Node, pattern string) (bool, error) {
	if ok, err := glob(pattern, n.Name); ok || err != nil {
		return ok, err
	}
	want := strings.Split(pattern, ".")
	for skip := range n.FQN {
		// dbt counts folders from the path in model-paths, so a pattern may begin at any of them.
		have := n.FQN[skip:]
		if len(want) > len(have) {
			break
		}
		matched := true
		for i, w := range want {
			ok, err := glob(w, have[i])
			if err != nil {
				return false, err
			}
			matched = matched && ok
		}
		if matched {
			return true, nil
		}
	}
	return false, nil
}

func matchPath(n *Node, pattern string) (bool, error) {
	pattern = strings.Trim(strings.TrimPrefix(pattern, "./"), "/")
	if strings.HasPrefix(n.File, pattern+"/") {
		return true, nil
	}
	for file := n.File; file != "."; file = path.Dir(file) {
		if ok, err := glob(pattern, file); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func matchSource(n *Node, pattern string) (bool, error) {
	for _, s := range n.Sources {
		if ok, err := anyOf(pattern, []string{s.Name, s.Key()}); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func matchConfig(n *Node, attribute, value string) (bool, error) {
	switch attribute {
	case "materialized":
		return anyOf(value, []string{string(n.Materialized)})
	case "schema":
		return anyOf(value, []string{n.Schema})
	case "tags":
		return anyOf(value, n.Tags)
	}
	if key, ok := strings.CutPrefix(attribute, "meta."); ok {
		v, has := n.Meta[key]
		return has && fmt.Sprint(v) == value, nil
	}
	return false, fmt.Errorf("unknown config %q in a selector", attribute)
}

func anyOf(pattern string, names []string) (bool, error) {
	for _, name := range names {
		if ok, err := glob(pattern, name); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func glob(pattern, name string) (bool, error) {
	ok, err := path.Match(pattern, name)
	if err != nil {
		return false, fmt.Errorf("selector pattern %q: %w", pattern, err)
	}
	return ok, nil
}
