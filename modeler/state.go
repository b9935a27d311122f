package modeler

import (
	"context"
	"database/sql"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"claude-analytics/modeler/project"
)

//go:embed meta.sql
var metaSQL string

// state is meta.refresh_state.
type state struct {
	batch      int64
	linksBatch int64
	newest     sql.NullTime
	found      bool
}

// builtModel is a row of meta.models.
type builtModel struct {
	schema, materialized, hash string
	stale                      bool
}

// keptRefreshes is how many rows meta.refreshes keeps at least; at several refreshes a second it would grow for ever.
const keptRefreshes = 10000

// begin reads where the marts are.
func (r *run) begin(ctx context.Context) error {
	if !r.metaReady {
		if err := r.exec(ctx, "create meta tables", metaSQL); err != nil {
			return err
		}
	}
	err := r.tx.QueryRow(ctx, "SELECT batch, links_batch, newest_extracted_at FROM meta.refresh_state").
		Scan(&r.state.batch, &r.state.linksBatch, &r.state.newest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read refresh state: %w", err)
	}
	r.state.found = err == nil
	var applied sql.NullInt64
	err = r.tx.QueryRow(ctx, `SELECT (SELECT max(batch) FROM meta.watermarks WHERE consumer = 'warehouse'),
		(SELECT coalesce(max(batch), 0) FROM meta.changed_keys)`).Scan(&applied, &r.batch)
	if err != nil {
		return fmt.Errorf("read batch: %w", err)
	}
	r.batch = max(r.batch, applied.Int64)
	if r.id, err = r.number(ctx, "number the refresh", "SELECT coalesce(max(id), 0) + 1 FROM meta.refreshes"); err != nil {
		return err
	}
	if applied.Valid && applied.Int64 < r.state.batch {
		r.state = state{} // bronze was begun anew: nothing that is known about its sessions holds
	}
	r.opts.Full = r.opts.Full || !r.state.found
	if r.opts.until > 0 {
		r.batch = min(r.batch, r.opts.until)
	}
	r.batch = max(r.batch, r.state.batch)
	r.built = map[string]builtModel{}
	rows, err := r.tx.Query(ctx, "SELECT name, schema, materialized, hash, stale FROM meta.models")
	if err != nil {
		return fmt.Errorf("read models: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err says it
	for rows.Next() {
		var name string
		var b builtModel
		if err := rows.Scan(&name, &b.schema, &b.materialized, &b.hash, &b.stale); err != nil {
			return fmt.Errorf("read models: %w", err)
		}
		r.built[name] = b
	}
	return rows.Err()
}

// complete is whether every node is refreshed, so that the changes may be forgotten afterwards.
func (r *run) complete() bool { return len(r.selected) == len(r.project.Nodes) }

// finish writes down what was done.
func (r *run) finish(ctx context.Context) error {
	now := time.Now()
	if r.complete() {
		if err := r.consume(ctx); err != nil {
			return err
		}
	} else if err := r.markStale(ctx); err != nil {
		return err
	}
	if err := r.rememberModels(ctx, now); err != nil {
		return err
	}
	if err := r.applyRules(ctx, now); err != nil {
		return err
	}
	if err := r.noteChanges(ctx); err != nil {
		return err
	}
	return r.recordRefresh(ctx, now)
}

// consume forgets the changes that the marts now hold.
func (r *run) consume(ctx context.Context) error {
	consumed := fmt.Sprintf("batch <= %d", r.batch)
	if r.more {
		consumed += " AND session_id IN (SELECT session_id FROM " + temp(closedTable) + ")"
		if r.ahead != nil && r.ahead.complete {
			consumed += fmt.Sprintf(" OR batch <= %d", r.ahead.batch)
		}
	}
	if err := r.exec(ctx, "forget consumed changes", "DELETE FROM meta.changed_keys WHERE "+consumed); err != nil {
		return err
	}
	if err := r.exec(ctx, "write refresh state", "DELETE FROM meta.refresh_state"); err != nil {
		return err
	}
	return r.exec(ctx, "write refresh state", "INSERT INTO meta.refresh_state VALUES (?, ?, ?, now())",
		r.batch, r.state.linksBatch, r.state.newest)
}

// markStale remembers the models that were left out although something upstream of them changed.
func (r *run) markStale(ctx context.Context) error {
	changed := map[*project.Node]bool{}
	for n, d := range r.diffs {
		if d.changed {
			changed[n] = true
		}
	}
	var names []string
	for _, n := range r.project.Downstream(changed) {
		// Session models are computed from bronze whatever their upstream holds.
		if !r.selected[n] && n.HasTable() && n.Scope != project.Session {
			names = append(names, project.Literal(n.Name))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return r.exec(ctx, "mark models as stale", "UPDATE meta.models SET stale = true WHERE name IN ("+strings.Join(names, ", ")+")")
}

func (r *run) rememberModels(ctx context.Context, now time.Time) error {
	for _, n := range r.project.Nodes {
		if !r.rebuild[n] && (r.ahead == nil || !r.ahead.nodes[n]) {
			continue
		}
		if err := r.exec(ctx, "write models", "DELETE FROM meta.models WHERE name = ?", n.Name); err != nil {
			return err
		}
		if err := r.exec(ctx, "write models", "INSERT INTO meta.models VALUES (?, ?, ?, ?, false, ?, ?)",
			n.Name, n.Schema, string(n.Materialized), r.hashes[n], r.id, now); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) recordRefresh(ctx context.Context, now time.Time) error {
	if err := r.exec(ctx, "record the refresh", insertRefresh, r.refreshRow(now, nil)...); err != nil {
		return err
	}
	if r.id%1000 != 0 {
		return nil
	}
	return r.exec(ctx, "forget old refreshes", "DELETE FROM meta.refreshes WHERE id < ? AND kind = 'incremental'", r.id-keptRefreshes)
}

const insertRefresh = "INSERT INTO meta.refreshes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

func (r *run) refreshRow(now time.Time, failure error) []any {
	rows, seconds := map[string]int64{}, map[string]float64{}
	for _, m := range r.models {
		rows[m.Name], seconds[m.Name] = m.Rows, m.Seconds
	}
	rowsJSON, _ := json.Marshal(rows)       // maps of numbers
	secondsJSON, _ := json.Marshal(seconds) // cannot fail
	var message any
	if failure != nil {
		message = failure.Error()
	}
	return []any{
		r.id, r.opts.started, now, r.kind(), string(r.opts.Reason), r.changed, r.sessions,
		string(rowsJSON), string(secondsJSON), r.batch, message,
	}
}

func (r *run) kind() string {
	if r.opts.Full {
		return KindFull
	}
	return KindIncremental
}
