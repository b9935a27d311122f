package bronze

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"claude-analytics/internal/warehouse"
)

// TableStats is what raw.conversations holds: `load --stats`.
type TableStats struct {
	Rows   int64 `json:"rows"`
	Blocks int64 `json:"blocks"`
	// Tombstones of keys and namespaces; DeadLetters are messages without a row.
	Tombstones  int64 `json:"tombstones"`
	DeadLetters int64 `json:"dead_letters"`
	// First and Last are the earliest and latest date; zero if there are no rows.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// ByType counts source types (the document's own), ByProject projects, most rows first.
	ByType    []Count `json:"by_type"`
	ByProject []Count `json:"by_project"`
}

// Count is how many rows have a value; Name is empty for those without one.
type Count struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
}

// Stats counts the raw tables' rows. All figures are of one moment.
func (b *Bronze) Stats(ctx context.Context) (s TableStats, err error) {
	err = b.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		var first, last sql.NullTime
		err := tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM raw.conversations), (SELECT count(*) FROM raw.content_blocks),
			(SELECT count(*) FROM raw.tombstones), (SELECT count(*) FROM meta.dead_letters),
			(SELECT min(date) FROM raw.conversations), (SELECT max(date) FROM raw.conversations)`).
			Scan(&s.Rows, &s.Blocks, &s.Tombstones, &s.DeadLetters, &first, &last)
		if err != nil {
			return err
		}
		s.First, s.Last = first.Time, last.Time
		if s.ByType, err = counts(ctx, tx, `coalesce(source_type, type)`); err != nil {
			return err
		}
		s.ByProject, err = counts(ctx, tx, `coalesce(project_id, '')`)
		return err
	})
	if err != nil {
		return TableStats{}, fmt.Errorf("count bronze: %w", err)
	}
	return s, nil
}

func counts(ctx context.Context, tx *warehouse.Tx, by string) ([]Count, error) {
	rows, err := tx.Query(ctx, `SELECT `+by+`, count(*) FROM raw.conversations GROUP BY 1 ORDER BY 2 DESC, 1`)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err says it
	counted := []Count{}
	for rows.Next() {
		var c Count
		if err := rows.Scan(&c.Name, &c.Rows); err != nil {
			return nil, err
		}
		counted = append(counted, c)
	}
	return counted, rows.Err()
}
