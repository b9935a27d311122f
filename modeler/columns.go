package modeler

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	sources map[string][]string // source (with its columns and all hashes) → columns that some model reads
	nodes   map[string][]warehouse.Column
	bronze  map[*project.Source]string // columns of a source, as one text
}

func newColumnCache() *columnCache {
	return &columnCache{sources: map[string][]string{}, nodes: map[string][]warehouse.Column{}, bronze: map[*project.Source]string{}}
}

// of lists a stored model's columns. They are those of its query as long as its hash stands.
func (c *columnCache) of(ctx context.Context, r *run, n *project.Node) ([]warehouse.Column, error) {
	key := r.hashes[n]
	if columns, ok := c.nodes[key]; ok && !r.rebuild[n] {
		return columns, nil
	}
	columns, err := r.tx.Columns(ctx, n.Schema, n.Name)
	if err == nil && !r.rebuild[n] {
		c.nodes[key] = columns
	}
	return columns, err
}

// hashes gives each node its hash, and with it the columns of the sources below it: a star in a model's text takes in a
// column that a new release adds to bronze.
func (c *columnCache) hashes(ctx context.Context, r *run) (map[*project.Node]string, error) {
	out, sources := map[*project.Node]string{}, map[*project.Node]map[*project.Source]bool{}
	for _, n := range r.project.Nodes {
		below := map[*project.Source]bool{}
		for _, s := range n.Sources {
			below[s] = true
		}
		for _, up := range n.Refs {
			for s := range sources[up] {
				below[s] = true
			}
		}
		sources[n] = below
		h := sha256.New()
		fmt.Fprintln(h, n.Hash)
		for _, s := range r.project.Sources {
			if !below[s] {
				continue
			}
			text, ok := c.bronze[s]
			if !ok {
				columns, err := r.tx.Columns(ctx, s.Schema, s.Identifier)
				if err != nil {
					return nil, err
				}
				text = fmt.Sprint(columns)
				if len(columns) > 0 {
					c.bronze[s] = text
				}
			}
			fmt.Fprintln(h, s.Key(), text)
		}
		out[n] = hex.EncodeToString(h.Sum(nil))[:32]
	}
	return out, nil
}

var (
	word = regexp.MustCompile(`\w+`)
	// star is one that stands for columns, not for a product.
	star = regexp.MustCompile(`(?i)\*\s*(from\b|exclude\b|replace\b|rename\b|like\b|,|\)|$)|\bcolumns\s*\(`)
)

// needed is the select list for a copy of a source: columns that no model reads become NULL, so that wide ones (the
// whole document) are not copied for nothing. A column counts as read if its name stands in the text of a model that
// reads the source, or if DuckDB says so: the text may have a star.
func (c *columnCache) needed(ctx context.Context, r *run, s *project.Source, columns []warehouse.Column) (string, error) {
	key := s.Key()
	for _, n := range r.project.Nodes {
		key += r.hashes[n]
	}
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
		if !star.MatchString(strings.ReplaceAll(compiled.SQL, "count(*)", "")) {
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
