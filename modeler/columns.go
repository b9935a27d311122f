package modeler

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// columnCache remembers, for one project in one process, what DuckDB said about columns: asking takes milliseconds a
// model, and the answer changes with the text and with the program's version only.
type columnCache struct {
	checked map[string]bool     // nodes (with their hash) whose stored columns are those of their query
	sources map[string][]string // source (with all hashes) → columns that some model reads
	nodes   map[string][]warehouse.Column
}

func newColumnCache() *columnCache {
	return &columnCache{checked: map[string]bool{}, sources: map[string][]string{}, nodes: map[string][]warehouse.Column{}}
}

// of lists a stored model's columns. While its hash stands and it is not rebuilt they do not change.
func (c *columnCache) of(ctx context.Context, r *run, n *project.Node) ([]warehouse.Column, error) {
	key := n.Name + n.Hash
	if columns, ok := c.nodes[key]; ok && c.checked[key] {
		return columns, nil
	}
	columns, err := r.tx.Columns(ctx, n.Schema, n.Name)
	if err == nil {
		c.nodes[key] = columns
	}
	return columns, err
}

// check marks for rebuilding each table whose columns are not those of its query any more: something upstream that is
// not part of the project, mostly bronze, has got a column.
func (c *columnCache) check(ctx context.Context, r *run, nodes []*project.Node) error {
	for _, n := range nodes {
		key := n.Name + n.Hash
		if r.rebuild[n] || n.Materialized == project.Seed || c.checked[key] {
			continue
		}
		compiled, err := n.Compile(project.Names{})
		if err != nil {
			return err
		}
		want, err := r.tx.Describe(ctx, compiled.SQL)
		if err != nil {
			continue // something upstream is missing or broken; building it says so
		}
		have, err := r.tx.Columns(ctx, n.Schema, n.Name)
		if err != nil {
			return err
		}
		if !sameColumns(want, have) {
			r.rebuild[n] = true
			continue
		}
		c.checked[key] = true
	}
	return nil
}

func sameColumns(a, b []warehouse.Column) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		// A query's column of nothing but NULL has no type; stored it has one.
		if a[i].Name != b[i].Name || (a[i].Type != b[i].Type && a[i].Type != `"NULL"`) {
			return false
		}
	}
	return true
}

var word = regexp.MustCompile(`\w+`)

// needed is the select list for a copy of a source: columns that no model reads become NULL, so that wide ones (the
// whole document) are not copied for nothing. A column counts as read if its name stands in the text of a model that
// reads the source, or if DuckDB says so: the text may have a star.
func (c *columnCache) needed(ctx context.Context, r *run, s *project.Source, columns []warehouse.Column) (string, error) {
	key := s.Key()
	for _, n := range r.project.Nodes {
		key += n.Hash
	}
	// With another program's bronze the columns differ; the hashes need not.
	key += fmt.Sprint(columns)
	names, ok := c.sources[key]
	if !ok {
		var err error
		if names, err = r.readColumns(ctx, s, columns); err != nil {
			return "", err
		}
		c.sources[key] = names
	}
	read := map[string]bool{project.SessionKey: true, "date": true, "extracted_at": true}
	for _, name := range names {
		read[name] = true
	}
	var unread []string
	for _, col := range columns {
		if !read[strings.ToLower(col.Name)] {
			unread = append(unread, fmt.Sprintf("NULL::%s AS %s", col.Type, project.Quote(col.Name)))
		}
	}
	if len(unread) == 0 {
		return "*", nil
	}
	return "* REPLACE (" + strings.Join(unread, ", ") + ")", nil
}

func (r *run) readColumns(ctx context.Context, s *project.Source, columns []warehouse.Column) ([]string, error) {
	read := map[string]bool{}
	for _, n := range r.project.Nodes {
		reads := false
		for _, up := range n.Sources {
			reads = reads || up == s
		}
		if !reads {
			continue
		}
		compiled, err := n.Compile(project.Names{})
		if err != nil {
			return nil, err
		}
		for _, w := range word.FindAllString(compiled.SQL, -1) {
			read[strings.ToLower(w)] = true
		}
		if !strings.Contains(compiled.SQL, "*") && !strings.Contains(strings.ToLower(compiled.SQL), "columns") {
			continue
		}
		if !r.explain(ctx, compiled.SQL, s.Identifier, read) {
			for _, c := range columns { // no answer: everything
				read[strings.ToLower(c.Name)] = true
			}
		}
	}
	var out []string
	for _, c := range columns {
		if name := strings.ToLower(c.Name); read[name] {
			out = append(out, name)
		}
	}
	return out, nil
}

// planNode is a node of EXPLAIN's JSON.
type planNode struct {
	Name     string                     `json:"name"`
	Children []planNode                 `json:"children"`
	Extra    map[string]json.RawMessage `json:"extra_info"`
}

// explain adds the columns that DuckDB's plan reads from a table; false if the plan cannot be understood.
func (r *run) explain(ctx context.Context, query, table string, read map[string]bool) bool {
	var kind, text string
	if err := r.tx.QueryRow(ctx, "EXPLAIN (FORMAT json) "+query).Scan(&kind, &text); err != nil {
		return false
	}
	var plan []planNode
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		return false
	}
	found, good := false, true
	var visit func([]planNode)
	visit = func(nodes []planNode) {
		for _, n := range nodes {
			visit(n.Children)
			var name string
			if raw, ok := n.Extra["Table"]; !ok || json.Unmarshal(raw, &name) != nil || !strings.HasSuffix(name, table) {
				continue
			}
			found = true
			var many []string
			var one string
			raw, ok := n.Extra["Projections"]
			switch {
			case !ok: // it only counts rows
			case json.Unmarshal(raw, &many) == nil:
			case json.Unmarshal(raw, &one) == nil:
				many = []string{one}
			default:
				good = false
			}
			for _, c := range many {
				read[strings.ToLower(strings.Trim(c, `"`))] = true
			}
		}
	}
	visit(plan)
	return found && good
}
