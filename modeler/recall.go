package modeler

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"claude-analytics/internal/warehouse"
)

// Recorded is how models stand as far as it is written down, by whatever process: it only reads, so that it can be asked of a
// file that is opened for reading alone.
func Recorded(ctx context.Context, db *warehouse.DB) (Status, error) {
	s, err := recordedRefreshes(ctx, db)
	if err != nil {
		return Status{}, err
	}
	tests := newTestBook()
	if err := tests.load(ctx, db); err != nil {
		return Status{}, err
	}
	s.Tests = tests.summary()
	return s, nil
}

// Recall takes over the last refresh of an earlier process. What failed then is left to the next refresh to find.
func (m *Modeler) Recall(ctx context.Context) error {
	recorded, err := recordedRefreshes(ctx, m.db)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.status.Last == nil {
		m.status.Last, m.status.Newest = recorded.Last, recorded.Newest
	}
	return nil
}

// recordedRefreshes is a status without tests.
func recordedRefreshes(ctx context.Context, db *warehouse.DB) (s Status, err error) {
	err = db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		found, err := hasMeta(ctx, tx, "refreshes")
		if err != nil || !found {
			return err // no refresh ever began
		}
		if s.Last, err = lastRefresh(ctx, tx); err != nil {
			return err
		}
		var newest, failed sql.NullTime
		var failure sql.NullString
		err = tx.QueryRow(ctx, `SELECT (SELECT max(newest_extracted_at) FROM meta.refresh_state), count(*), max(finished_at), max_by(error, finished_at)
			FROM meta.refreshes WHERE error IS NOT NULL
				AND finished_at > (SELECT coalesce(max(finished_at), '-infinity') FROM meta.refreshes WHERE error IS NULL)`).
			Scan(&newest, &s.Failures, &failed, &failure)
		s.Newest, s.LastError, s.LastErrorAt = newest.Time, failure.String, failed.Time
		return err
	})
	if err != nil {
		return Status{}, fmt.Errorf("read what is recorded of refreshes: %w", err)
	}
	return s, nil
}

// hasMeta is whether a table of meta is there: the first refresh makes those of the modeler.
func hasMeta(ctx context.Context, tx *warehouse.Tx, name string) (bool, error) {
	tables, err := tx.Tables(ctx)
	return slices.Contains(tables, warehouse.Table{Schema: "meta", Name: name}), err
}

// lastRefresh is the newest that changed something; nil: none did.
func lastRefresh(ctx context.Context, tx *warehouse.Tx) (*Result, error) {
	var r Result
	var reason, rowsJSON, secondsJSON string
	err := tx.QueryRow(ctx, `SELECT id, kind, reason, started_at, finished_at, changed_sessions, sessions, batch, rows_per_model::VARCHAR, seconds_per_model::VARCHAR
		FROM meta.refreshes WHERE error IS NULL ORDER BY id DESC LIMIT 1`).
		Scan(&r.ID, &r.Kind, &reason, &r.Started, &r.Finished, &r.ChangedSessions, &r.Sessions, &r.Batch, &rowsJSON, &secondsJSON)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // none is no error
	}
	if err != nil {
		return nil, err
	}
	r.Reason, r.Seconds = Reason(reason), r.Finished.Sub(r.Started).Seconds()
	var rows map[string]int64
	var seconds map[string]float64
	if err := errors.Join(json.Unmarshal([]byte(rowsJSON), &rows), json.Unmarshal([]byte(secondsJSON), &seconds)); err != nil {
		return nil, fmt.Errorf("read refresh %d: %w", r.ID, err)
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		r.Models = append(r.Models, ModelResult{Name: name, Rows: rows[name], Seconds: seconds[name], Full: r.Kind == KindFull})
	}
	return &r, nil
}
