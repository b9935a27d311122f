package bronze

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"claude-analytics/internal/warehouse"
)

// ErasedSubject is what Erase takes out of the raw tables.
type ErasedSubject struct {
	// Session or Project, of which every row up to UpTo goes; neither: only Keys.
	Session, Project string
	// UpTo is the newest change that is concerned.
	UpTo Order
	// Keys are documents of which nothing stays, tombstones included; without Session and Project, rows of them go whose
	// tombstones stay.
	Keys []ErasedKey
	// Letters are dead letters that were erased.
	Letters []Order
}

// ErasedKey is a document's identity.
type ErasedKey struct{ Source, ID string }

// ErasedRows is what Erase took out.
type ErasedRows struct {
	Rows, Blocks, Tombstones int64
	// Sessions had rows among them.
	Sessions []string
	// Batch is the number under which the change is known; 0 if there was none.
	Batch int64
}

// Erase takes a subject's rows out of the raw tables and notes what that changes, so that the next refresh takes it out of
// the marts. It may be called again.
func (b *Bronze) Erase(ctx context.Context, subject ErasedSubject) (done ErasedRows, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	err = b.db.Write(ctx, "erase", func(ctx context.Context, tx *warehouse.Tx) error {
		done = ErasedRows{}
		return eraseIn(ctx, tx, subject, &done)
	})
	if err != nil {
		return ErasedRows{}, err
	}
	// Links that went must be written again should their session come again. The keys may be known for longer: that costs a look.
	b.links.clear()
	return done, nil
}

func eraseIn(ctx context.Context, tx *warehouse.Tx, subject ErasedSubject, done *ErasedRows) error {
	if err := stage(tx, "erased_subject", keyRecord(subject.Keys)); err != nil {
		return err
	}
	const notAbove = `(_epoch < $1 OR _epoch = $1 AND _seq <= $2)`
	args := []any{int64(subject.UpTo.Epoch), int64(subject.UpTo.Seq)}
	mine := `_key IN (SELECT _key FROM erased_subject) AND (source, _id) IN (SELECT (source, _id) FROM erased_subject)`
	if name := subject.Session + subject.Project; name != "" {
		column := "session_id"
		if subject.Project != "" {
			column = "project_id"
		}
		mine = column + " = $3"
		args = append(args, name)
	}
	if err := takeOut(ctx, tx, done, notAbove+` AND `+mine, args...); err != nil {
		return err
	}
	if subject.Session+subject.Project != "" {
		n, err := tx.Exec(ctx, `DELETE FROM raw.tombstones WHERE `+notAbove+` AND _key IN (SELECT _key FROM erased_subject)
			AND (source, _id) IN (SELECT (source, _id) FROM erased_subject)`, args[:2]...)
		if err != nil {
			return fmt.Errorf("erase tombstones: %w", err)
		}
		done.Tombstones = n
	}
	for _, at := range subject.Letters {
		if _, err := tx.Exec(ctx, `DELETE FROM meta.dead_letters WHERE _epoch = $1 AND _seq = $2`, int64(at.Epoch), int64(at.Seq)); err != nil {
			return fmt.Errorf("erase dead letters: %w", err)
		}
	}
	return nil
}

// takeOut removes rows with all that depends on them, and notes what changed.
func takeOut(ctx context.Context, tx *warehouse.Tx, done *ErasedRows, condition string, args ...any) error {
	batch, err := lastBatch(ctx, tx)
	if err != nil {
		return err
	}
	// The rows are found once, by their place: the tables are large and what goes is small.
	if _, err := tx.Exec(ctx, `CREATE TEMP TABLE erased_rows AS SELECT rowid AS rid, source, _id, _key, coalesce(session_id, '') AS session_id, date
		FROM raw.conversations WHERE `+condition, args...); err != nil {
		return fmt.Errorf("find rows: %w", err)
	}
	err = each(ctx, tx, `SELECT DISTINCT session_id FROM erased_rows ORDER BY 1`, func(scan func(...any) error) error {
		var session string
		if err := scan(&session); err != nil {
			return err
		}
		done.Sessions = append(done.Sessions, session)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read sessions: %w", err)
	}
	for _, step := range []struct {
		name, statement string
		count           *int64
	}{
		{"note changes", fmt.Sprintf(`INSERT INTO meta.changed_keys BY NAME SELECT DISTINCT %d AS batch, session_id, date FROM erased_rows`, batch), nil},
		{"erase blocks", `DELETE FROM raw.content_blocks WHERE _key IN (SELECT _key FROM erased_rows) AND (source, _id) IN (SELECT (source, _id) FROM erased_rows)`, &done.Blocks},
		{"erase findings", `DELETE FROM raw.secret_findings WHERE _key IN (SELECT _key FROM erased_rows) AND (source, _id) IN (SELECT (source, _id) FROM erased_rows)`, nil},
		{"erase rows", `DELETE FROM raw.conversations WHERE rowid IN (SELECT rid FROM erased_rows)`, &done.Rows},
		{"erase links", `DELETE FROM raw.link_keys WHERE session_id IN (SELECT session_id FROM erased_rows) AND session_id NOT IN
			(SELECT coalesce(session_id, '') FROM raw.conversations WHERE coalesce(session_id, '') IN (SELECT session_id FROM erased_rows))`, nil},
	} {
		n, err := tx.Exec(ctx, step.statement)
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		if step.count != nil {
			*step.count = n
		}
	}
	if done.Rows > 0 {
		done.Batch = batch
	}
	return nil
}

// EraseBefore takes out the rows of all dates before one.
func (b *Bronze) EraseBefore(ctx context.Context, date string) (done ErasedRows, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	err = b.db.Write(ctx, "erase before "+date, func(ctx context.Context, tx *warehouse.Tx) error {
		done = ErasedRows{}
		return takeOut(ctx, tx, &done, "date < $1::DATE", date)
	})
	b.links.clear()
	return done, err
}

// CountBefore counts the rows and blocks of all dates before one.
func (b *Bronze) CountBefore(ctx context.Context, date string) (rows, blocks int64, err error) {
	err = b.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		return tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM raw.conversations WHERE date < $1::DATE),
			(SELECT count(*) FROM raw.content_blocks WHERE date < $1::DATE)`, date).Scan(&rows, &blocks)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("count rows before %s: %w", date, err)
	}
	return rows, blocks, nil
}

func keyRecord(keys []ErasedKey) arrow.RecordBatch {
	text := arrow.BinaryTypes.String
	fields := []arrow.Field{{Name: "source", Type: text}, {Name: "_id", Type: text}, {Name: "_key", Type: arrow.PrimitiveTypes.Uint64}}
	return build(len(keys), fields, func(i int, builders []array.Builder) {
		builders[0].(*array.StringBuilder).Append(keys[i].Source)
		builders[1].(*array.StringBuilder).Append(keys[i].ID)
		builders[2].(*array.Uint64Builder).Append(Key(keys[i].Source, keys[i].ID))
	})
}
