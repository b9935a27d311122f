package modeler

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"claude-analytics/modeler/project"
)

// refreshWhole computes a model over everything when something upstream changed, and replaces the rows that differ.
func (r *run) refreshWhole(ctx context.Context, n *project.Node) error {
	switch {
	case r.rebuild[n]:
		return r.timed(n, func() (int64, error) { return r.buildTable(ctx, n) })
	case r.upstreamChanged(n):
		return r.timed(n, func() (int64, error) { return r.compareWhole(ctx, n) })
	}
	return nil
}

// upstreamChanged looks through views, which hold no rows of their own.
func (r *run) upstreamChanged(n *project.Node) bool {
	if len(n.Sources) > 0 && r.changed > 0 {
		return true
	}
	for _, up := range n.Refs {
		if d := r.diffs[up]; d != nil && d.changed {
			return true
		}
		if up.Materialized == project.View && (r.rebuild[up] || r.upstreamChanged(up)) {
			return true
		}
	}
	return false
}

// buildTable makes a table from all rows of its upstream.
func (r *run) buildTable(ctx context.Context, n *project.Node) (int64, error) {
	r.diffs[n] = &diff{changed: true, all: true}
	if err := r.create(ctx, n, "CREATE OR REPLACE TABLE "+n.Relation(), project.Names{}); err != nil {
		return 0, err
	}
	return r.number(ctx, "count rows", "SELECT count(*) FROM "+n.Relation())
}

// compareWhole computes a table whole and replaces the rows that differ, so that what is downstream is told of those only.
func (r *run) compareWhole(ctx context.Context, n *project.Node) (int64, error) {
	if err := r.create(ctx, n, "CREATE TEMP TABLE "+project.Quote(n.Name), project.Names{}); err != nil {
		return 0, err
	}
	return r.replaceRows(ctx, n, fmt.Sprintf("SELECT rowid AS %s, * FROM %s", ridColumn, n.Relation()))
}

// createView makes the view that users can query; a refresh itself reads temporary tables in its stead.
func (r *run) createView(ctx context.Context, n *project.Node) error {
	return r.create(ctx, n, "CREATE OR REPLACE VIEW "+n.Relation(), project.Names{})
}

// buildStatic makes what depends on seeds alone, if its text changed.
func (r *run) buildStatic(ctx context.Context) error {
	nodes := r.selectedNodes(func(n *project.Node) bool { return n.Scope == project.Static && r.rebuild[n] })
	if len(nodes) == 0 {
		return nil
	}
	if err := r.createSchemas(ctx); err != nil {
		return err
	}
	for _, n := range nodes {
		err := r.timed(n, func() (int64, error) {
			switch n.Materialized {
			case project.Seed:
				return r.loadSeed(ctx, n)
			case project.View:
				return 0, r.createView(ctx, n)
			}
			return r.buildTable(ctx, n)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// loadSeed makes a table of a CSV file. An empty field is NULL.
func (r *run) loadSeed(ctx context.Context, n *project.Node) (int64, error) {
	rows := n.SeedRows()
	header, rows := rows[0], rows[1:]
	columns, names := make([]string, len(header)), make([]string, len(header))
	for i, name := range header {
		typ := seedType(rows, i)
		for column, declared := range n.ColumnTypes {
			if strings.EqualFold(column, name) {
				typ = declared
			}
		}
		names[i] = project.Quote(name)
		columns[i] = project.Quote(name) + " " + typ
	}
	r.diffs[n] = &diff{changed: true, all: true}
	if _, err := r.tx.Exec(ctx, fmt.Sprintf("CREATE OR REPLACE TABLE %s (%s)", n.Relation(), strings.Join(columns, ", "))); err != nil {
		return 0, &ModelError{Model: n.Name, File: n.File, Err: err}
	}
	for i := 0; i < len(rows); i += 1000 {
		part := rows[i:min(i+1000, len(rows))]
		values := make([]string, len(part))
		for j, row := range part {
			fields := make([]string, len(row))
			for k, field := range row {
				fields[k] = "NULL"
				if field != "" {
					fields[k] = project.Literal(field)
				}
			}
			values[j] = "(" + strings.Join(fields, ", ") + ")"
		}
		if _, err := r.tx.Exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) VALUES %s", n.Relation(), strings.Join(names, ", "), strings.Join(values, ", "))); err != nil {
			return 0, &ModelError{Model: n.Name, File: n.File, Err: err}
		}
	}
	return int64(len(rows)), nil
}

var seedTypes = []struct {
	name    string
	pattern *regexp.Regexp
}{
	{"BIGINT", regexp.MustCompile(`^[-+]?\d{1,18}$`)},
	{"DOUBLE", regexp.MustCompile(`^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$`)},
	{"BOOLEAN", regexp.MustCompile(`(?i)^(true|false)$`)},
	{"DATE", regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)},
}

// seedType is the narrowest type that holds every field of a column.
func seedType(rows [][]string, column int) string {
	for _, t := range seedTypes {
		fits, any := true, false
		for _, row := range rows {
			if row[column] != "" {
				any = true
				fits = fits && t.pattern.MatchString(row[column])
			}
		}
		if any && fits {
			return t.name
		}
	}
	return "VARCHAR"
}
