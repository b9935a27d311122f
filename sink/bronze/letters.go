package bronze

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"claude-analytics/internal/warehouse"
)

// DeadLetter is a row of meta.dead_letters: a message, or a part of a source, that has no row.
type DeadLetter struct {
	// Letter is its name.
	Letter                string
	Source, Namespace, ID string
	Session, Project      string
	Part, Reason, Detail  string
	File                  string
	Offset, Size          int64
	// Order is the message's; zero for what never was in the stream.
	Order               Order
	Attempts            int
	FirstSeen, LastSeen time.Time
	// LetterSeq is the letter's sequence among the letters; 0 while that is not known.
	LetterSeq uint64
}

// noteDeadLetters writes the batch's letters. What is known of a letter already was read from the letter itself, and
// is better.
func (a *application) noteDeadLetters(ctx context.Context, tx *warehouse.Tx) error {
	if err := forget(ctx, tx, a.plan.batch.Settled); err != nil {
		return err
	}
	n, err := writeLetters(ctx, tx, a.plan.batch.DeadLetters, false)
	a.noted += n
	return err
}

// writeLetters adds letters, of several with one name the last. Those that are known already are replaced or left. It
// returns how many it wrote.
func writeLetters(ctx context.Context, tx *warehouse.Tx, letters []DeadLetter, replace bool) (written int64, err error) {
	if len(letters) == 0 {
		return 0, nil
	}
	last := make(map[string]int, len(letters))
	var names []string
	for i := range letters {
		if _, again := last[letters[i].Letter]; !again {
			names = append(names, letters[i].Letter)
		}
		last[letters[i].Letter] = i
	}
	record := letterRecord(len(names), func(i int) *DeadLetter { return &letters[last[names[i]]] })
	if err := stage(tx, "bronze_letters", record); err != nil {
		return 0, err
	}
	if replace {
		if _, err := tx.Exec(ctx, `DELETE FROM meta.dead_letters WHERE letter IN (SELECT letter FROM bronze_letters)`); err != nil {
			return 0, err
		}
	}
	return tx.Exec(ctx, `INSERT INTO meta.dead_letters BY NAME
		SELECT * FROM bronze_letters l WHERE NOT EXISTS (FROM meta.dead_letters d WHERE d.letter = l.letter)`)
}

func letterRecord(n int, letter func(i int) *DeadLetter) arrow.RecordBatch {
	text, whole, at := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64, arrow.FixedWidthTypes.Timestamp_us
	names := []string{"letter", "source", "part", "reason", "namespace", "_id", "session_id", "project_id", "detail", "file"}
	fields := make([]arrow.Field, 0, len(names)+8)
	for _, name := range names {
		fields = append(fields, arrow.Field{Name: name, Type: text, Nullable: true})
	}
	for _, name := range []string{"source_offset", "_epoch", "_seq", "letter_seq", "size", "attempts"} {
		fields = append(fields, arrow.Field{Name: name, Type: whole, Nullable: true})
	}
	fields = append(fields, arrow.Field{Name: "first_seen", Type: at}, arrow.Field{Name: "last_seen", Type: at})
	return build(n, fields, func(i int, builders []array.Builder) {
		l := letter(i)
		for k, value := range []string{l.Letter, l.Source, l.Part, l.Reason, l.Namespace, l.ID, l.Session, l.Project, l.Detail, l.File} {
			// The first four always say something, if only nothing.
			if value == "" && k > 3 {
				builders[k].AppendNull()
			} else {
				builders[k].(*array.StringBuilder).Append(value)
			}
		}
		for k, value := range []struct {
			n     int64
			there bool
		}{
			{l.Offset, l.File != ""},
			{int64(l.Order.Epoch), l.Order != Order{}},
			{int64(l.Order.Seq), l.Order != Order{}},
			{int64(l.LetterSeq), l.LetterSeq != 0},
			{l.Size, true},
			{int64(l.Attempts), true},
		} {
			if builder := builders[len(names)+k].(*array.Int64Builder); value.there {
				builder.Append(value.n)
			} else {
				builder.AppendNull()
			}
		}
		builders[len(builders)-2].(*array.TimestampBuilder).Append(arrow.Timestamp(l.FirstSeen.UnixMicro()))
		builders[len(builders)-1].(*array.TimestampBuilder).Append(arrow.Timestamp(l.LastSeen.UnixMicro()))
	})
}

// forget takes letters out of the table.
func forget(ctx context.Context, tx *warehouse.Tx, names []string) error {
	if len(names) == 0 {
		return nil
	}
	record := build(len(names), []arrow.Field{{Name: "letter", Type: arrow.BinaryTypes.String}}, func(i int, builders []array.Builder) {
		builders[0].(*array.StringBuilder).Append(names[i])
	})
	if err := stage(tx, "bronze_settled", record); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM meta.dead_letters WHERE letter IN (SELECT letter FROM bronze_settled)`)
	return err
}

// MirrorLetters writes letters as they stand among the letters, and takes those named out.
func (b *Bronze) MirrorLetters(ctx context.Context, letters []DeadLetter, gone []string) error {
	return b.db.Write(ctx, "mirror dead letters", func(ctx context.Context, tx *warehouse.Tx) error {
		if err := forget(ctx, tx, gone); err != nil {
			return err
		}
		_, err := writeLetters(ctx, tx, letters, true)
		return err
	})
}

// LettersKnown is what the table holds of the letters: how many, and up to which sequence of theirs.
func (b *Bronze) LettersKnown(ctx context.Context) (count, last uint64, err error) {
	err = b.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		var seq sql.NullInt64
		err := tx.QueryRow(ctx, `SELECT count(*), max(letter_seq) FROM meta.dead_letters`).Scan(&count, &seq)
		last = uint64(seq.Int64)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("count dead letters: %w", err)
	}
	return count, last, nil
}

// LetterNames lists the table's letters.
func (b *Bronze) LetterNames(ctx context.Context) (names []string, err error) {
	err = b.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		names = nil
		return each(ctx, tx, `SELECT letter FROM meta.dead_letters`, func(scan func(...any) error) error {
			var name string
			if err := scan(&name); err != nil {
				return err
			}
			names = append(names, name)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	return names, nil
}

// Stands reports whether the row of a key is the one of that order.
func (b *Bronze) Stands(ctx context.Context, source, id string, order Order) (stands bool, err error) {
	err = b.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		// The hash is no argument: those are signed.
		return tx.QueryRow(ctx, fmt.Sprintf(`SELECT count(*) > 0 FROM raw.conversations WHERE _key = %d::UBIGINT AND source = $1 AND _id = $2 AND _epoch = $3 AND _seq = $4`,
			b.hash(source, id)), source, id, int64(order.Epoch), int64(order.Seq)).Scan(&stands)
	})
	if err != nil {
		return false, fmt.Errorf("look up a row: %w", err)
	}
	return stands, nil
}

// Letters are the sequences of an epoch's messages that could not be converted, in order.
func (b *Bronze) Letters(ctx context.Context, epoch uint64) (letters []uint64, err error) {
	err = b.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		letters = nil
		return each(ctx, tx, `SELECT DISTINCT _seq FROM meta.dead_letters WHERE _epoch = $1 ORDER BY 1`, func(scan func(...any) error) error {
			var seq uint64
			if err := scan(&seq); err != nil {
				return err
			}
			letters = append(letters, seq)
			return nil
		}, int64(epoch))
	})
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	return letters, nil
}
