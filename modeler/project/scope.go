package project

import "strings"

// assignScopes decides how each node is refreshed, and refuses what could not be refreshed exactly.
func (p *Project) assignScopes(faults *Faults) {
	for _, n := range p.Nodes {
		switch n.Materialized {
		case Seed:
			n.Scope = Static
		case View:
			n.Scope = viewScope(n)
		case Table:
			n.Scope = tableScope(n)
		case Incremental:
			n.Scope = incrementalScope(n, faults)
		}
	}
}

func everyRef(n *Node, ok func(*Node) bool) bool {
	for _, up := range n.Refs {
		if !ok(up) {
			return false
		}
	}
	return true
}

func isStatic(n *Node) bool { return n.Scope == Static }

func isSession(n *Node) bool { return n.Scope == Session || n.Scope == Static }

func viewScope(n *Node) Scope {
	switch {
	case len(n.Sources) == 0 && everyRef(n, isStatic):
		return Static
	case everyRef(n, isSession):
		return Session
	}
	return Query
}

func tableScope(n *Node) Scope {
	if len(n.Sources) == 0 && everyRef(n, isStatic) {
		return Static
	}
	return Whole
}

func incrementalScope(n *Node, faults *Faults) Scope {
	fault := func(up, format string, args ...any) {
		line := 0
		if up != "" {
			line = lineOfCall(n.source, "ref", up)
		}
		faults.add(n.File, line, format, args...)
	}
	if len(n.UniqueKey) == 0 {
		fault("", "%s is incremental and has no unique_key", n.Name)
	}
	if n.RefreshBy == "" {
		fault("", "%s is incremental and has no refresh_by: config(meta={'refresh_by': '<column>'})", n.Name)
		return Whole
	}
	if len(n.Columns) > 0 {
		if _, ok := n.column(n.RefreshBy); !ok {
			fault("", "refresh_by %s is no column of %s in _schema.yml", n.RefreshBy, n.Name)
		}
	}
	if strings.EqualFold(n.RefreshBy, SessionKey) {
		for _, up := range n.Refs {
			if !isSession(up) {
				fault(up.Name, "%s is refreshed by session and cannot read %s (%s): it may read sources, seeds, and models that are refreshed by session",
					n.Name, up.Name, up.Scope)
			}
		}
		return Session
	}
	for _, s := range n.Sources {
		faults.add(n.File, lineOfCall(n.source, "source", s.Table), "%s is refreshed by %s and cannot read source %s: let it read a mart",
			n.Name, n.RefreshBy, s.Key())
	}
	for _, up := range n.Refs {
		switch {
		case isStatic(up) || up.Materialized == Table:
		case up.Materialized == View:
			fault(up.Name, "%s is refreshed by %s and cannot read the view %s: let it read a mart", n.Name, n.RefreshBy, up.Name)
		default:
			if _, ok := up.column(n.RefreshBy); !ok && len(up.Columns) > 0 {
				fault(up.Name, "%s is refreshed by %s, and %s has no such column in _schema.yml", n.Name, n.RefreshBy, up.Name)
			}
		}
	}
	return Keyed
}
