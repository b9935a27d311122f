package modeler

import (
	"context"
	"fmt"

	"claude-analytics/internal/warehouse"
	"claude-analytics/modeler/project"
)

// Forget takes sessions that hold no document any more out of what the modeler remembers about sessions, and rows that
// mention one of the names (an erased session or project) out of its records. Whatever the marts still hold of them is
// refreshed away first. It returns how many rows went.
func (m *Modeler) Forget(ctx context.Context, names []string) (rows int64, err error) {
	// What is forgotten can no longer be found in the marts, so it must be gone from there, whatever became of the last refresh.
	if _, err := m.Refresh(ctx, Options{}); err != nil {
		return 0, err
	}
	err = m.inTurn(ctx, func() error {
		return m.db.Write(ctx, "forget sessions", func(ctx context.Context, tx *warehouse.Tx) error {
			rows = 0
			if err := forgetSessions(ctx, tx, &rows); err != nil {
				return err
			}
			return forgetNames(ctx, tx, names, &rows)
		})
	})
	if err != nil {
		return 0, fmt.Errorf("forget: %w", err)
	}
	return rows, nil
}

// forgetSessions leaves out those of which something may still stand in a mart: what changed since the last refresh. A
// group is named after one of its sessions, so it gets another name if that one goes.
func forgetSessions(ctx context.Context, tx *warehouse.Tx, rows *int64) error {
	for _, statement := range []string{
		`CREATE TEMP TABLE __gone AS SELECT session_id FROM meta.session_dates GROUP BY session_id
			EXCEPT SELECT coalesce(session_id, '') FROM raw.conversations
			EXCEPT SELECT session_id FROM meta.changed_keys`,
		`DELETE FROM meta.session_dates WHERE session_id IN (SELECT session_id FROM __gone)`,
		`DELETE FROM meta.session_links WHERE session_id IN (SELECT session_id FROM __gone)`,
		`UPDATE meta.session_links l SET group_id = g.name FROM (SELECT group_id, min(session_id) AS name FROM meta.session_links GROUP BY group_id) g
			WHERE g.group_id = l.group_id AND g.name <> l.group_id AND l.group_id IN (SELECT session_id FROM __gone)`,
		`DELETE FROM raw.link_keys WHERE session_id IN (SELECT session_id FROM __gone)`,
	} {
		n, err := tx.Exec(ctx, statement)
		if err != nil {
			return fmt.Errorf("forget sessions that are gone: %w", err)
		}
		*rows += max(n, 0)
	}
	return nil
}

// keptMeta are tables of meta whose rows are no records of what happened: none of them mentions a session but by its key.
var keptMeta = map[string]bool{
	"session_dates": true, "session_links": true, "changed_keys": true, "watermarks": true, "refresh_state": true, "models": true,
	"erasures": true, "erased_keys": true, "rule_versions": true,
}

// forgetNames looks through every text that is kept about runs, tests and failures.
func forgetNames(ctx context.Context, tx *warehouse.Tx, names []string, rows *int64) error {
	if len(names) == 0 {
		return nil
	}
	type column struct{ table, name string }
	var columns []column
	result, err := tx.Query(ctx, `SELECT table_name, column_name FROM duckdb_columns()
		WHERE database_name = current_database() AND schema_name = 'meta' AND data_type IN ('VARCHAR', 'JSON')
		AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE schema_name = 'meta')`)
	if err != nil {
		return err
	}
	defer result.Close() //nolint:errcheck // Err says it
	for result.Next() {
		var c column
		if err := result.Scan(&c.table, &c.name); err != nil {
			return err
		}
		if !keptMeta[c.table] {
			columns = append(columns, c)
		}
	}
	if err := result.Err(); err != nil {
		return err
	}
	for _, c := range columns {
		for _, name := range names {
			n, err := tx.Exec(ctx, fmt.Sprintf("DELETE FROM meta.%s WHERE contains(%s::VARCHAR, ?)", project.Quote(c.table), project.Quote(c.name)), name)
			if err != nil {
				return fmt.Errorf("meta.%s: %w", c.table, err)
			}
			*rows += n
		}
	}
	return nil
}
