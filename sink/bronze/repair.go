package bronze

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"claude-analytics/internal/document"
	"claude-analytics/internal/warehouse"
)

var (
	// errDryRun rolls the transaction back once it is known what the batch would do.
	errDryRun = errors.New("a dry run")
	// errNothingToDo ends a batch that repairs and found everything as it should be: not even its number moves.
	errNothingToDo = errors.New("nothing to do")
)

// Repaired is what became of a batch that repairs.
type Repaired struct {
	Stats
	// Unchanged are rows that were there already: SkippedOlder counts them too.
	Unchanged int64
	// Changed says that anything was written; Restored are the rows that went into the table.
	Changed  bool
	Restored []Version
}

// Version is one version of a document: the hash of its key (Key), and its order.
type Version struct {
	Key   uint64
	Order Order
}

// Repair applies a batch that was applied before, and leaves alone what is as the batch would make it: a row of the same
// order, made by the same rules, with its blocks. A batch that finds everything so writes nothing at all, not even its
// number. A dry run only tells what would become of it.
func (b *Bronze) Repair(ctx context.Context, batch Batch, dryRun bool) (Repaired, error) {
	batch.Watermark, batch.repair, batch.dryRun = nil, true, dryRun
	a, err := b.apply(ctx, batch)
	if err != nil {
		return Repaired{}, err
	}
	return Repaired{
		Stats: a.stats(), Unchanged: a.outcome.unchanged, Restored: a.plan.keptVersions(), Changed: !dryRun && !a.idle(),
	}, nil
}

// stands is a row that the table holds for a key.
type stands struct {
	existing
	order   Order
	rules   int
	changed change
}

// compareToRepair decides for each key whether the table holds what the batch would make of it. Unlike in the ordinary
// course nothing is taken for granted: rows may be missing, there twice, or without their blocks.
func (b *Bronze) compareToRepair(ctx context.Context, tx *warehouse.Tx, p *plan, candidates []int32, out *outcome) error {
	rowids, err := findRows(ctx, tx, p, candidates)
	if err != nil {
		return fmt.Errorf("look up keys: %w", err)
	}
	rows, err := readStanding(ctx, tx, rowids)
	if err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	blocks, err := countBlocks(ctx, tx)
	if err != nil {
		return fmt.Errorf("count blocks: %w", err)
	}
	hashes := make(map[uint64]struct{}, len(candidates))
	wanted := p.blocksByRow()
	for _, i := range candidates {
		t := &p.touched[i]
		if _, met := hashes[t.hash]; met {
			out.collided = true
		}
		hashes[t.hash] = struct{}{}
		if t.struck() {
			continue
		}
		there := rows[t.rowKey]
		delete(rows, t.rowKey)
		switch {
		case newer(there, t.order):
			p.strike(t)
		case t.row >= 0 && len(there) == 1 && there[0].order == t.order && there[0].rules == document.RulesVersion &&
			blocks[t.rowKey] == wanted[t.row]:
			out.unchanged++
			p.strike(t)
		case t.row < 0 && len(there) == 0 && t.buried:
			p.strike(t)
		default:
			out.take(t, there, blocks[t.rowKey] > 0)
		}
	}
	// What is left are rows of other keys with one of these hashes.
	out.collided = out.collided || len(rows) > 0
	return nil
}

func newer(there []stands, order Order) bool {
	for i := range there {
		if order.Less(there[i].order) {
			return true
		}
	}
	return false
}

// take takes a key's rows out of the table, and its blocks, which may stand there alone.
func (out *outcome) take(t *touch, there []stands, blocks bool) {
	for i := range there {
		out.gone = append(out.gone, there[i].existing)
		out.changes[there[i].changed] = struct{}{}
		if t.row < 0 {
			out.deleted++
		}
	}
	if t.row >= 0 && len(there) > 0 {
		out.replaced++
	}
	// Not by the rows' dates, as otherwise: the rows may be gone, or their dates no longer those of the blocks.
	if blocks {
		out.orphans = append(out.orphans, t.rowKey)
	}
}

func readStanding(ctx context.Context, tx *warehouse.Tx, rowids []int64) (map[rowKey][]stands, error) {
	if len(rowids) == 0 {
		return nil, nil
	}
	if err := stage(tx, "bronze_rowids", rowidRecord(rowids)); err != nil {
		return nil, err
	}
	rows := make(map[rowKey][]stands, len(rowids))
	err := each(ctx, tx, `SELECT rowid, _key, source, _id, _epoch, _seq, coalesce(_rules, 0), coalesce(session_id, ''), date - DATE '1970-01-01'
		FROM raw.conversations WHERE rowid IN (SELECT rowid FROM bronze_rowids)`, func(scan func(...any) error) error {
		var key rowKey
		var s stands
		if err := scan(&s.rowid, &s.hash, &key.source, &key.id, &s.order.Epoch, &s.order.Seq, &s.rules, &s.changed.session, &s.changed.date); err != nil {
			return err
		}
		s.date = s.changed.date
		rows[key] = append(rows[key], s)
		return nil
	})
	return rows, err
}

// countBlocks counts the blocks of the keys that findRows has staged.
func countBlocks(ctx context.Context, tx *warehouse.Tx) (map[rowKey]int, error) {
	blocks := map[rowKey]int{}
	err := each(ctx, tx, `SELECT source, _id, count(*) FROM raw.content_blocks WHERE _key IN (SELECT _key FROM bronze_keys) GROUP BY ALL`,
		func(scan func(...any) error) error {
			var key rowKey
			var n int
			if err := scan(&key.source, &key.id, &n); err != nil {
				return err
			}
			blocks[key] = n
			return nil
		})
	return blocks, err
}

// blocksByRow counts the blocks that each row of the batch has.
func (p *plan) blocksByRow() []int {
	n := make([]int, p.columns.n)
	for _, row := range p.batch.BlockRows {
		n[row]++
	}
	return n
}

// keptVersions are the rows that go into the table.
func (p *plan) keptVersions() []Version {
	kept := make([]Version, 0, p.kept)
	for i, keep := range p.keep {
		if keep {
			kept = append(kept, Version{Key: p.hashes[i], Order: p.columns.order(i)})
		}
	}
	return kept
}

// repair is what a batch that repairs does beside the rest: it removes blocks that lost their row. Letters of messages
// that have a row now stay: the lake lacks them until they are retried. A batch without any effect ends here.
func (a *application) repair(ctx context.Context, tx *warehouse.Tx) error {
	if a.plan.batch.dryRun {
		return errDryRun
	}
	if !a.plan.batch.repair {
		return nil
	}
	for _, do := range []func(context.Context, *warehouse.Tx) error{a.noteDeadLetters, a.noteGaps, a.removeOrphans} {
		if err := do(ctx, tx); err != nil {
			return err
		}
	}
	if a.idle() {
		a.number = a.known.batch
		return errNothingToDo
	}
	return nil
}

// idle says that the batch changes nothing.
func (a *application) idle() bool {
	return a.plan.kept == 0 && len(a.outcome.gone) == 0 && len(a.buried) == 0 && len(a.plan.tombstones()) == 0 && a.noted == 0
}

// removeOrphans removes blocks whose row is gone, or goes, before it comes back with its own.
func (a *application) removeOrphans(ctx context.Context, tx *warehouse.Tx) error {
	if len(a.outcome.orphans) == 0 {
		return nil
	}
	text := arrow.BinaryTypes.String
	fields := []arrow.Field{{Name: "source", Type: text}, {Name: "_id", Type: text}, {Name: "_key", Type: arrow.PrimitiveTypes.Uint64}}
	record := build(len(a.outcome.orphans), fields, func(i int, builders []array.Builder) {
		key := a.outcome.orphans[i]
		builders[0].(*array.StringBuilder).Append(key.source)
		builders[1].(*array.StringBuilder).Append(key.id)
		builders[2].(*array.Uint64Builder).Append(a.hash(key.source, key.id))
	})
	if err := stage(tx, "bronze_orphans", record); err != nil {
		return err
	}
	for _, table := range []string{"raw.content_blocks", "raw.secret_findings"} {
		n, err := tx.Exec(ctx, `DELETE FROM `+table+` b USING bronze_orphans o WHERE b._key = o._key AND b.source = o.source AND b._id = o._id`)
		if err != nil {
			return err
		}
		a.noted += n
	}
	return nil
}
