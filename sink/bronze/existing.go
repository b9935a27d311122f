package bronze

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"claude-analytics/internal/warehouse"
)

// existing is a row of the table that the batch takes out.
type existing struct {
	rowid int64
	hash  uint64
	date  int32
}

// outcome is what looking at the table found.
type outcome struct {
	gone    []existing
	changes map[change]struct{}
	// collided says that two keys with one hash met, so that the hash alone does not tell them apart.
	collided          bool
	replaced, deleted int64
	// unchanged and orphans are of a batch that repairs: rows left alone, and keys whose blocks go.
	unchanged int64
	orphans   []rowKey
}

// fewRows is how many row ids DuckDB prunes a scan by one by one; for more it has their range alone. Scattered rows
// are read in parts of that size, unless they are so many that one scan is cheaper.
const (
	fewRows  = 40
	manyRows = 10 * fewRows
)

// compare looks up the batch's keys in the table and strikes from the plan what the table knows newer of. The filter
// says which keys to look for: in the ordinary course none, and the table is not touched.
func (b *Bronze) compare(ctx context.Context, tx *warehouse.Tx, p *plan, out *outcome) error {
	p.strikeDropped(b.known.dropped)
	var candidates []int32
	for i := range p.touched {
		// What was taken out behind our back may have left its blocks, which the filter knows nothing of.
		if t := &p.touched[i]; !t.struck() && (p.batch.repair || b.known.keys.maybe(t.hash)) {
			candidates = append(candidates, int32(i))
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	if b.known.buried {
		if err := compareTombstones(ctx, tx, p, candidates); err != nil {
			return fmt.Errorf("look up tombstones: %w", err)
		}
	}
	if p.batch.repair {
		return b.compareToRepair(ctx, tx, p, candidates, out)
	}
	rowids, err := findRows(ctx, tx, p, candidates)
	if err != nil {
		return fmt.Errorf("look up keys: %w", err)
	}
	if len(rowids) == 0 {
		return nil
	}
	byHash := make(map[uint64][]*touch, len(rowids))
	for _, i := range candidates {
		byHash[p.touched[i].hash] = append(byHash[p.touched[i].hash], &p.touched[i])
	}
	slices.Sort(rowids)
	part := fewRows
	if len(rowids) > manyRows {
		part = len(rowids)
	}
	for ids := range slices.Chunk(rowids, part) {
		if err := compareRows(ctx, tx, p, byHash, ids, out); err != nil {
			return fmt.Errorf("read rows: %w", err)
		}
	}
	return nil
}

// findRows reads the eight-byte column alone: everything else is read for the rows it finds.
func findRows(ctx context.Context, tx *warehouse.Tx, p *plan, candidates []int32) (rowids []int64, err error) {
	record := build(len(candidates), []arrow.Field{{Name: "_key", Type: arrow.PrimitiveTypes.Uint64}}, func(i int, builders []array.Builder) {
		builders[0].(*array.Uint64Builder).Append(p.touched[candidates[i]].hash)
	})
	if err := stage(tx, "bronze_keys", record); err != nil {
		return nil, err
	}
	err = each(ctx, tx, `SELECT rowid FROM raw.conversations WHERE _key IN (SELECT _key FROM bronze_keys)`, func(scan func(...any) error) error {
		var rowid int64
		if err := scan(&rowid); err != nil {
			return err
		}
		rowids = append(rowids, rowid)
		return nil
	})
	return rowids, err
}

func compareRows(ctx context.Context, tx *warehouse.Tx, p *plan, byHash map[uint64][]*touch, rowids []int64, out *outcome) error {
	if err := stage(tx, "bronze_rowids", rowidRecord(rowids)); err != nil {
		return err
	}
	return each(ctx, tx,
		`SELECT rowid, _key, source, _id, _epoch, _seq, coalesce(session_id, ''), date - DATE '1970-01-01'
		FROM raw.conversations WHERE rowid IN (SELECT rowid FROM bronze_rowids)`, func(scan func(...any) error) error {
			var row existing
			var key rowKey
			var order Order
			var changed change
			if err := scan(&row.rowid, &row.hash, &key.source, &key.id, &order.Epoch, &order.Seq, &changed.session, &changed.date); err != nil {
				return err
			}
			row.date = changed.date
			touches := byHash[row.hash]
			at := slices.IndexFunc(touches, func(t *touch) bool { return t.rowKey == key })
			out.collided = out.collided || at < 0 || len(touches) > 1
			if at < 0 {
				return nil
			}
			switch t := touches[at]; {
			case t.struck():
			case t.order.Less(order):
				p.strike(t)
			default:
				if t.row >= 0 {
					out.replaced++
				} else {
					out.deleted++
				}
				out.gone = append(out.gone, row)
				out.changes[changed] = struct{}{}
			}
			return nil
		})
}

func compareTombstones(ctx context.Context, tx *warehouse.Tx, p *plan, candidates []int32) error {
	byKey := make(map[rowKey]*touch, len(candidates))
	record := build(len(candidates), []arrow.Field{{Name: "_key", Type: arrow.PrimitiveTypes.Uint64}}, func(i int, builders []array.Builder) {
		t := &p.touched[candidates[i]]
		byKey[t.rowKey] = t
		builders[0].(*array.Uint64Builder).Append(t.hash)
	})
	if err := stage(tx, "bronze_keys", record); err != nil {
		return err
	}
	return each(ctx, tx,
		`SELECT source, _id, _epoch, _seq FROM raw.tombstones WHERE _key IN (SELECT _key FROM bronze_keys)`, func(scan func(...any) error) error {
			var key rowKey
			var order Order
			if err := scan(&key.source, &key.id, &order.Epoch, &order.Seq); err != nil {
				return err
			}
			// A delete that comes again finds its own tombstone: it stays in the plan, in case the row came back.
			t := byKey[key]
			switch {
			case t == nil || t.struck():
			case t.row >= 0 && !order.Less(t.order) || t.order.Less(order):
				p.strike(t)
			default:
				t.buried = t.order == order
			}
			return nil
		})
}

// removeRows takes the rows out of the table, and their blocks.
func removeRows(ctx context.Context, tx *warehouse.Tx, out *outcome) error {
	if len(out.gone) == 0 {
		return nil
	}
	first, last := out.gone[0].date, out.gone[0].date
	for _, row := range out.gone {
		first, last = min(first, row.date), max(last, row.date)
	}
	// Without collisions the hash tells the rows apart, and it is eight bytes to read.
	matchRow, matchBlock := "_key IN (SELECT _key FROM bronze_gone)", "_key IN (SELECT _key FROM bronze_gone)"
	if out.collided {
		matchRow = "rowid IN (SELECT rowid FROM bronze_gone)"
		matchBlock = "(source, _id) IN (SELECT (source, _id) FROM raw.conversations WHERE " + matchRow + ")"
	}
	if err := stage(tx, "bronze_gone", goneRecord(out.gone)); err != nil {
		return err
	}
	inDates := fmt.Sprintf("date BETWEEN DATE '1970-01-01' + %d AND DATE '1970-01-01' + %d AND %s", first, last, matchBlock)
	for _, statement := range []string{
		"DELETE FROM raw.content_blocks WHERE " + inDates,
		"DELETE FROM raw.secret_findings WHERE " + inDates,
		"DELETE FROM raw.conversations WHERE " + matchRow,
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func rowidRecord(rowids []int64) arrow.RecordBatch {
	return build(len(rowids), []arrow.Field{{Name: "rowid", Type: arrow.PrimitiveTypes.Int64}}, func(i int, builders []array.Builder) {
		builders[0].(*array.Int64Builder).Append(rowids[i])
	})
}

func goneRecord(gone []existing) arrow.RecordBatch {
	fields := []arrow.Field{{Name: "rowid", Type: arrow.PrimitiveTypes.Int64}, {Name: "_key", Type: arrow.PrimitiveTypes.Uint64}}
	return build(len(gone), fields, func(i int, builders []array.Builder) {
		builders[0].(*array.Int64Builder).Append(gone[i].rowid)
		builders[1].(*array.Uint64Builder).Append(gone[i].hash)
	})
}
