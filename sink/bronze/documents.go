package bronze

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"claude-analytics/internal/warehouse"
	"claude-analytics/proto"
)

// Documents hands over the rows of a range of orders that hold their whole document (STORE_RAW=on), as the changes that
// made them, and then the deletes of that range. What the row does not tell of its change is lost: whether it was an
// insert or an update, and the findings of redaction.
func (b *Bronze) Documents(ctx context.Context, epoch, first, last uint64, fn func(seq uint64, change *proto.Change)) error {
	err := b.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		err := each(ctx, tx, `SELECT _id, source, namespace, source_offset, _seq, extracted_at, redaction_version, doc_raw FROM raw.conversations
			WHERE _epoch = $1 AND _seq BETWEEN $2 AND $3 AND doc_raw IS NOT NULL ORDER BY _seq`, func(scan func(...any) error) error {
			c := &proto.Change{Version: proto.Version, Operation: proto.Operation_OPERATION_SNAPSHOT, SourceOffset: -1}
			var offset sql.NullInt64
			var seq int64
			var at time.Time
			if err := scan(&c.Id, &c.Source, &c.Namespace, &offset, &seq, &at, &c.RedactionVersion, &c.Document); err != nil {
				return err
			}
			c.ExtractedAtMicros = at.UnixMicro()
			if offset.Valid {
				c.SourceOffset, c.Operation = offset.Int64, proto.Operation_OPERATION_INSERT
			}
			fn(uint64(seq), c)
			return nil
		}, int64(epoch), int64(first), int64(last))
		if err != nil {
			return err
		}
		return each(ctx, tx, `SELECT coalesce(_id, ''), source, coalesce(namespace, ''), _seq, deleted_at FROM raw.tombstones
			WHERE _epoch = $1 AND _seq BETWEEN $2 AND $3 AND _id IS NOT NULL ORDER BY _seq`, func(scan func(...any) error) error {
			c := &proto.Change{Version: proto.Version, Operation: proto.Operation_OPERATION_DELETE, SourceOffset: -1}
			var seq int64
			var at time.Time
			if err := scan(&c.Id, &c.Source, &c.Namespace, &seq, &at); err != nil {
				return err
			}
			c.ExtractedAtMicros, c.HappenedAtMicros = at.UnixMicro(), at.UnixMicro()
			fn(uint64(seq), c)
			return nil
		}, int64(epoch), int64(first), int64(last))
	})
	if err != nil {
		return fmt.Errorf("read documents of messages %d to %d: %w", first, last, err)
	}
	return nil
}
