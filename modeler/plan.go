package modeler

import (
	"context"
	"errors"
	"fmt"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// errPrebuild says that session models must be built from everything, which is too much for one transaction.
var errPrebuild = errors.New("session models must be built beside the transaction")

// plan decides which nodes are computed from everything: those that were never built, whose text or configuration (or
// anything upstream, down to bronze's columns) changed, and those that someone dropped.
func (r *run) plan(ctx context.Context) error {
	nodes, err := r.project.Select(r.opts.Select, r.opts.Exclude)
	if err != nil {
		return err
	}
	r.selected, r.rebuild, r.diffs = map[*project.Node]bool{}, map[*project.Node]bool{}, map[*project.Node]*diff{}
	for _, n := range nodes {
		r.selected[n] = true
	}
	tables, err := r.tx.Tables(ctx)
	if err != nil {
		return err
	}
	if r.hashes, err = r.columns.hashes(ctx, r); err != nil {
		return err
	}
	there := map[string]warehouse.Table{}
	for _, t := range tables {
		there[t.Schema+"."+t.Name] = t
	}
	for _, n := range nodes {
		built, known := r.built[n.Name]
		table, exists := there[n.Schema+"."+n.Name]
		wrongKind := exists && table.View == n.HasTable()
		if exists && known && !wrongKind && built.hash == r.hashes[n] && !built.stale && !r.opts.Full {
			continue
		}
		if r.ahead != nil && r.ahead.nodes[n] {
			continue
		}
		r.rebuild[n] = true
		if wrongKind {
			r.wrongKind = append(r.wrongKind, table)
		}
	}
	return r.needPrebuild(ctx)
}

// needPrebuild decides whether the session models to be rebuilt fit into this transaction.
func (r *run) needPrebuild(ctx context.Context) error {
	if r.ahead != nil {
		return nil
	}
	any := false
	for n := range r.rebuild {
		any = any || isSessionTable(n)
	}
	if !any {
		return nil
	}
	rows, err := r.number(ctx, "count documents", "SELECT count(*) FROM "+documents)
	if err != nil {
		return err
	}
	if rows > r.chunk {
		return errPrebuild
	}
	return nil
}

// createSchemas makes what is missing of schemas, and room for views that were tables and the other way round.
func (r *run) createSchemas(ctx context.Context) error {
	done := map[string]bool{}
	for n := range r.rebuild {
		if done[n.Schema] {
			continue
		}
		done[n.Schema] = true
		if err := r.exec(ctx, "create schema", "CREATE SCHEMA IF NOT EXISTS "+project.Quote(n.Schema)); err != nil {
			return err
		}
	}
	for _, table := range r.wrongKind {
		if err := r.drop(ctx, table.Schema, table.Name, table.View); err != nil {
			return err
		}
	}
	r.wrongKind = nil
	return nil
}

// dropRemoved drops what an earlier refresh built and the project no longer has, or has elsewhere.
func (r *run) dropRemoved(ctx context.Context) error {
	if !r.complete() {
		return nil
	}
	for name, b := range r.built {
		n := r.project.Node(name)
		if n != nil && n.Schema == b.schema {
			continue
		}
		if err := r.drop(ctx, b.schema, name, b.materialized == string(project.View)); err != nil {
			return err
		}
		if n == nil {
			if err := r.exec(ctx, "forget model", "DELETE FROM meta.models WHERE name = ?", name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) drop(ctx context.Context, schema, name string, view bool) error {
	kind := "TABLE"
	if view {
		kind = "VIEW"
	}
	return r.exec(ctx, "drop "+name, fmt.Sprintf("DROP %s IF EXISTS %s.%s", kind, project.Quote(schema), project.Quote(name)))
}
