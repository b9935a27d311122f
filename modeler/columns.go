package modeler

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// columnCache remembers, for one project in one process, what DuckDB said about columns: asking takes milliseconds a
// model, and the answer changes with the text and with the program's version only.
type columnCache struct {
	sources map[string][]string // source (with its columns and all hashes) → columns that some model reads
	nodes   map[string][]warehouse.Column
	bronze  map[*project.Source][]warehouse.Column
}

func newColumnCache() *columnCache {
	return &columnCache{sources: map[string][]string{}, nodes: map[string][]warehouse.Column{}, bronze: map[*project.Source][]warehouse.Column{}}
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

// source lists a source's columns: bronze's tables change with the program's version only.
func (c *columnCache) source(ctx context.Context, r *run, s *project.Source) ([]warehouse.Column, error) {
	if columns, ok := c.bronze[s]; ok {
		return columns, nil
	}
	columns, err := r.tx.Columns(ctx, s.Schema, s.Identifier)
	if err == nil && len(columns) > 0 {
		c.bronze[s] = columns
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
			columns, err := c.source(ctx, r, s)
			if err != nil {
				return nil, err
			}
			fmt.Fprintln(h, s.Key(), fmt.Sprint(columns))
		}
		out[n] = hex.EncodeToString(h.Sum(nil))[:32]
	}
	return out, nil
}

// needed is the select list for a copy of a source: columns that no model reads become NULL, so that wide ones (the
// whole document) are not copied for nothing.
func (c *columnCache) needed(r *run, s *project.Source, columns []warehouse.Column) (string, error) {
	key := s.Key()
	for _, n := range r.project.Nodes {
		key += r.hashes[n]
	}
	names, ok := c.sources[key]
	if !ok {
		var err error
		if names, err = r.readColumns(s, columns); err != nil {
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

func (r *run) readColumns(s *project.Source, columns []warehouse.Column) ([]string, error) {
	read := map[string]bool{}
	for _, n := range r.project.Nodes {
		for _, up := range n.Sources {
			if up != s {
				continue
			}
			compiled, err := n.Compile(project.Names{})
			if err != nil {
				return nil, err
			}
			if !namedColumns(compiled.SQL, s.Relation(), read) {
				for _, c := range columns {
					read[strings.ToLower(c.Name)] = true
				}
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
