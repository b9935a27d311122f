package bronze

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"claude-analytics/internal/warehouse"
	"claude-analytics/proto"
)

// Watermark is how far the table has come in the stream.
type Watermark struct {
	// Consumer is the stream's name for this destination, proto.WarehouseConsumer.
	Consumer string
	// Stream and Created are the stream's identity; a stream that was made anew has another Created.
	Stream  string
	Created time.Time
	// Epoch and Seq are the last change's; Time is when the stream took it, zero if no change was applied yet.
	Epoch, Seq uint64
	Time       time.Time
	// Seen is the last message of any kind.
	Seen uint64
	// Batch is the number of the last batch and AppliedAt when it was applied; both are written by Apply.
	Batch     int64
	AppliedAt time.Time
}

// Watermark reads it; ok is false while nothing of a stream has been applied.
func (b *Bronze) Watermark(ctx context.Context) (w Watermark, ok bool, err error) {
	err = b.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		var seqTime sql.NullTime
		err := tx.QueryRow(ctx, `SELECT consumer, stream, stream_created, epoch, seq, seq_time, seen, batch, applied_at
			FROM meta.watermarks WHERE consumer = ?`, proto.WarehouseConsumer).
			Scan(&w.Consumer, &w.Stream, &w.Created, &w.Epoch, &w.Seq, &seqTime, &w.Seen, &w.Batch, &w.AppliedAt)
		w.Time = seqTime.Time
		return err
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Watermark{}, false, nil
	case err != nil:
		return Watermark{}, false, fmt.Errorf("read watermark: %w", err)
	}
	return w, w.Stream != "", nil
}

// noStream is the watermark of a table that holds rows, but of no stream.
var noStream = Watermark{Consumer: proto.WarehouseConsumer, Created: time.Unix(0, 0)}

// moveWatermark writes the place and the batch's number. Without a place (a replay) only the number moves.
func moveWatermark(ctx context.Context, tx *warehouse.Tx, w *Watermark, batch int64) error {
	if w == nil {
		n, err := tx.Exec(ctx, `UPDATE meta.watermarks SET batch = $1, applied_at = now() WHERE consumer = $2`, batch, proto.WarehouseConsumer)
		if err != nil || n > 0 {
			return err
		}
		w = &noStream
	}
	n, err := tx.Exec(ctx, `UPDATE meta.watermarks SET stream = $2, stream_created = $3, epoch = $4, seq = $5, seq_time = $6, seen = $7, batch = $8, applied_at = now()
		WHERE consumer = $1`,
		w.Consumer, w.Stream, w.Created.UTC(), int64(w.Epoch), int64(w.Seq), moment(w.Time), int64(w.Seen), batch)
	if err != nil || n > 0 {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO meta.watermarks VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now())`,
		w.Consumer, w.Stream, w.Created.UTC(), int64(w.Epoch), int64(w.Seq), moment(w.Time), int64(w.Seen), batch)
	return err
}

// Truncate empties the raw tables for a rebuild, which has begun with that, and forgets the place in the stream. The batch's number goes on, and
// what was there counts as changed, so that a refresh that follows sees all of it. Gaps stay: those of the stream stand
// nowhere else, and those of sources are known again when they come. Dead letters stay: what they hold is not in the lake.
func (b *Bronze) Truncate(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.db.Write(ctx, "truncate bronze", func(ctx context.Context, tx *warehouse.Tx) error {
		batch, err := lastBatch(ctx, tx)
		if err != nil {
			return err
		}
		// Whatever becomes of the transaction, the next batch reads the keys anew.
		b.known = nil
		b.links.clear()
		if _, err := tx.Exec(ctx, fmt.Sprintf(`INSERT INTO meta.changed_keys BY NAME
			SELECT DISTINCT %d AS batch, coalesce(session_id, '') AS session_id, date FROM raw.conversations;
			TRUNCATE raw.conversations; TRUNCATE raw.content_blocks; TRUNCATE raw.secret_findings; TRUNCATE raw.link_keys; TRUNCATE raw.tombstones`, batch+1)); err != nil {
			return err
		}
		if err := beginRebuild(ctx, tx); err != nil {
			return err
		}
		return moveWatermark(ctx, tx, &noStream, batch+1)
	})
}
