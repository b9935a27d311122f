package bronze

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"claude-analytics/internal/warehouse"
)

// state is what is kept of the table between batches. It is checked by the batch's number: whatever else wrote, or
// whatever became of a commit of unknown outcome, it is read anew if the number is not the one it knows.
type state struct {
	batch   int64
	keys    *filter
	dropped map[namespaceKey]Order
	// buried says that there are tombstones of keys.
	buried bool
}

// recall makes the state agree with the table, with room for more keys.
func (b *Bronze) recall(ctx context.Context, tx *warehouse.Tx, more int) error {
	batch, err := lastBatch(ctx, tx)
	if err != nil {
		return err
	}
	if b.known != nil && b.known.batch == batch && b.known.keys.holds(more) {
		return nil
	}
	if b.known == nil || b.known.batch != batch {
		b.links.clear()
	}
	start := time.Now()
	s := &state{batch: batch, dropped: map[namespaceKey]Order{}}
	var rows, tombstones int
	if err := tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM raw.conversations), (SELECT count(*) FROM raw.tombstones WHERE _key IS NOT NULL)`).Scan(&rows, &tombstones); err != nil {
		return fmt.Errorf("count keys: %w", err)
	}
	s.buried = tombstones > 0
	s.keys = newFilter(rows + tombstones + more)
	for _, query := range []string{`SELECT _key FROM raw.conversations`, `SELECT _key FROM raw.tombstones WHERE _key IS NOT NULL`} {
		if err := s.addAll(ctx, tx, query); err != nil {
			return fmt.Errorf("read keys: %w", err)
		}
	}
	if err := s.readDropped(ctx, tx); err != nil {
		return fmt.Errorf("read dropped namespaces: %w", err)
	}
	b.known = s
	b.log.Debug().Int("keys", rows+tombstones).Int("bytes", len(s.keys.slots)).Dur("took", time.Since(start)).Msg("keys read")
	return nil
}

func lastBatch(ctx context.Context, tx *warehouse.Tx) (batch int64, err error) {
	if err := tx.QueryRow(ctx, `SELECT coalesce(max(batch), 0) FROM meta.watermarks`).Scan(&batch); err != nil {
		return 0, fmt.Errorf("read batch number: %w", err)
	}
	return batch, nil
}

func (s *state) addAll(ctx context.Context, tx *warehouse.Tx, query string) error {
	reader, err := tx.QueryArrow(ctx, query)
	if err != nil {
		return err
	}
	defer reader.Release()
	for reader.Next() {
		keys, ok := reader.RecordBatch().Column(0).(*array.Uint64)
		if !ok {
			return fmt.Errorf("_key is %s", reader.RecordBatch().Column(0).DataType())
		}
		for _, key := range keys.Uint64Values() {
			s.keys.add(key)
		}
	}
	return reader.Err()
}

func (s *state) readDropped(ctx context.Context, tx *warehouse.Tx) error {
	rows, err := tx.Query(ctx, `SELECT source, namespace, _epoch, _seq FROM raw.tombstones WHERE _id IS NULL`)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err says it
	for rows.Next() {
		var key namespaceKey
		var order Order
		if err := rows.Scan(&key.source, &key.namespace, &order.Epoch, &order.Seq); err != nil {
			return err
		}
		if s.dropped[key].Less(order) {
			s.dropped[key] = order
		}
	}
	return rows.Err()
}

// recentLinks remembers link keys that are in raw.link_keys already, so that a session that mentions the same call or
// response again writes it once. It is a cache: what it forgot is written twice, which changes nothing.
type recentLinks struct{ slots []uint64 }

const recentSlots = 1 << 17

func (r *recentLinks) has(mark uint64) bool {
	return len(r.slots) > 0 && r.slots[mark%recentSlots] == mark
}

func (r *recentLinks) add(mark uint64) {
	if len(r.slots) == 0 {
		r.slots = make([]uint64, recentSlots)
	}
	r.slots[mark%recentSlots] = mark
}

func (r *recentLinks) clear() { r.slots = nil }
