package bronze

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/cespare/xxhash/v2"

	"claude-analytics/internal/warehouse"
)

// Apply applies one batch in one transaction. An error means that nothing of it is applied, except that
// warehouse.ErrUnknownOutcome means nobody knows: read the Watermark again. Applying a batch a second time, or batches
// in another order, leads to the same rows.
func (b *Bronze) Apply(ctx context.Context, batch Batch) (Stats, error) {
	a, err := b.apply(ctx, batch)
	if err != nil {
		return Stats{}, err
	}
	return a.stats(), nil
}

func (b *Bronze) apply(ctx context.Context, batch Batch) (*application, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := newPlan(&batch, !b.cfg.KeepDeleted, b.hash)
	if err != nil {
		return nil, fmt.Errorf("apply batch: %w", err)
	}
	a := &application{Bronze: b, plan: p, outcome: outcome{changes: map[change]struct{}{}}}
	err = b.db.Write(ctx, "apply batch", func(ctx context.Context, tx *warehouse.Tx) error {
		return a.run(ctx, tx)
	})
	if errors.Is(err, errDryRun) {
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	a.remember()
	b.log.Debug().Any("stats", a.stats()).Msg("batch applied")
	return a, nil
}

// application is one batch on its way into the table.
type application struct {
	*Bronze
	plan    *plan
	outcome outcome
	number  int64
	buried  []tombstone
	links   []uint64
	// noted counts the rows of meta that the batch wrote or removed, changes apart.
	noted int64
}

// run is the transaction. The order matters: what goes is looked for before anything new is there.
func (a *application) run(ctx context.Context, tx *warehouse.Tx) error {
	if err := a.recall(ctx, tx, len(a.plan.touched)); err != nil {
		return err
	}
	a.number = a.known.batch + 1
	for _, step := range []struct {
		name string
		do   func(context.Context, *warehouse.Tx) error
	}{
		{"drop namespaces", a.drop},
		{"compare", func(ctx context.Context, tx *warehouse.Tx) error { return a.compare(ctx, tx, a.plan, &a.outcome) }},
		{"repair", a.repair},
		{"remove rows", func(ctx context.Context, tx *warehouse.Tx) error { return removeRows(ctx, tx, &a.outcome) }},
		{"insert rows", a.insertRows},
		{"insert blocks", a.insertBlocks},
		{"insert findings", a.insertFindings},
		{"bury", a.bury},
		{"link", a.link},
		{"note dead letters", a.noteDeadLetters},
		{"note gaps", a.noteGaps},
		{"note changes", a.noteChanges},
		{"move watermark", func(ctx context.Context, tx *warehouse.Tx) error {
			return moveWatermark(ctx, tx, a.plan.batch.Watermark, a.number)
		}},
	} {
		if err := a.between(step.name); err != nil {
			return err
		}
		err := step.do(ctx, tx)
		if errors.Is(err, errNothingToDo) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	// Before the commit: a key that the filter knows and the table does not costs a look, the reverse costs a duplicate.
	for i := range a.plan.touched {
		if t := &a.plan.touched[i]; !t.struck() {
			a.known.keys.add(t.hash)
		}
	}
	return a.between("commit")
}

// remember takes over what the commit made true.
func (a *application) remember() {
	a.known.batch = a.number
	for _, t := range a.buried {
		if t.whole {
			a.known.dropped[namespaceKey{t.source, t.namespace}] = t.order
		} else {
			a.known.buried = true
		}
	}
	for _, mark := range a.links {
		a.Bronze.links.add(mark)
	}
}

func (a *application) stats() Stats {
	return Stats{
		Rows:         int64(a.plan.columns.n),
		Inserted:     int64(a.plan.kept),
		Replaced:     a.outcome.replaced,
		Deleted:      a.outcome.deleted,
		SkippedOlder: int64(a.plan.columns.n - a.plan.kept),
		Batch:        a.number,
	}
}

func (a *application) insertRows(ctx context.Context, tx *warehouse.Tx) error {
	if a.plan.kept == 0 {
		return nil
	}
	var keep []bool
	if a.plan.kept < a.plan.columns.n {
		keep = a.plan.keep
	}
	rows := withRules(a.plan.batch.Rows)
	defer rows.Release()
	return insert(ctx, tx, "raw.conversations", rows, a.plan.hashes, keep)
}

func (a *application) insertBlocks(ctx context.Context, tx *warehouse.Tx) error {
	if a.plan.columns.blocks == 0 || a.plan.kept == 0 {
		return nil
	}
	keys := make([]uint64, a.plan.columns.blocks)
	var keep []bool
	if a.plan.kept < a.plan.columns.n {
		keep = make([]bool, a.plan.columns.blocks)
	}
	for i, row := range a.plan.batch.BlockRows {
		keys[i] = a.plan.hashes[row]
		if keep != nil {
			keep[i] = a.plan.keep[row]
		}
	}
	return insert(ctx, tx, "raw.content_blocks", a.plan.batch.Blocks, keys, keep)
}

// drop takes the dropped namespaces out of the table, up to their order. One that is not above what was dropped before
// finds nothing left.
func (a *application) drop(ctx context.Context, tx *warehouse.Tx) error {
	const below = `source = $1 AND namespace = $2 AND (_epoch < $3 OR _epoch = $3 AND _seq <= $4)`
	for _, drop := range a.plan.drops {
		if fence, known := a.known.dropped[namespaceKey{drop.Source, drop.Namespace}]; known && !fence.Less(drop.Order) {
			continue
		}
		args := []any{drop.Source, drop.Namespace, int64(drop.Order.Epoch), int64(drop.Order.Seq)}
		err := each(ctx, tx, `SELECT DISTINCT coalesce(session_id, ''), date - DATE '1970-01-01' FROM raw.conversations WHERE `+below, func(scan func(...any) error) error {
			var c change
			if err := scan(&c.session, &c.date); err != nil {
				return err
			}
			a.outcome.changes[c] = struct{}{}
			return nil
		}, args...)
		if err != nil {
			return err
		}
		for _, table := range []string{"raw.content_blocks", "raw.secret_findings"} {
			if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE (source, _id) IN (SELECT (source, _id) FROM raw.conversations WHERE `+below+`)`, args...); err != nil {
				return err
			}
		}
		n, err := tx.Exec(ctx, `DELETE FROM raw.conversations WHERE `+below, args...)
		if err != nil {
			return err
		}
		a.outcome.deleted += n
		a.buried = append(a.buried, tombstone{rowKey: rowKey{source: drop.Source}, namespace: drop.Namespace, whole: true, order: drop.Order, at: drop.At})
	}
	return nil
}

// bury writes the tombstones, one a key or namespace: the newest.
func (a *application) bury(ctx context.Context, tx *warehouse.Tx) error {
	a.buried = append(a.buried, a.plan.tombstones()...)
	if len(a.buried) == 0 {
		return nil
	}
	if err := stage(tx, "bronze_tombstones", tombstoneRecord(a.buried)); err != nil {
		return err
	}
	for _, older := range []struct {
		there bool
		match string
	}{
		{a.known.buried, "t._key = b._key AND t.source = b.source AND t._id = b._id"},
		{len(a.known.dropped) > 0, "t.source = b.source AND t.namespace = b.namespace AND t._id IS NULL AND b._id IS NULL"},
	} {
		if !older.there {
			continue
		}
		if _, err := tx.Exec(ctx, "DELETE FROM raw.tombstones t USING bronze_tombstones b WHERE "+older.match); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO raw.tombstones BY NAME SELECT * FROM bronze_tombstones`)
	return err
}

func tombstoneRecord(buried []tombstone) arrow.RecordBatch {
	text, whole := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64
	fields := []arrow.Field{
		{Name: "source", Type: text},
		{Name: "_id", Type: text, Nullable: true},
		{Name: "namespace", Type: text, Nullable: true},
		{Name: "_epoch", Type: whole},
		{Name: "_seq", Type: whole},
		{Name: "deleted_at", Type: arrow.FixedWidthTypes.Timestamp_us},
		{Name: "_key", Type: arrow.PrimitiveTypes.Uint64, Nullable: true},
	}
	return build(len(buried), fields, func(i int, builders []array.Builder) {
		t := &buried[i]
		builders[0].(*array.StringBuilder).Append(t.source)
		if t.whole {
			builders[1].AppendNull()
			builders[6].AppendNull()
		} else {
			builders[1].(*array.StringBuilder).Append(t.id)
			builders[6].(*array.Uint64Builder).Append(t.hash)
		}
		builders[2].(*array.StringBuilder).Append(t.namespace)
		builders[3].(*array.Int64Builder).Append(int64(t.order.Epoch))
		builders[4].(*array.Int64Builder).Append(int64(t.order.Seq))
		builders[5].(*array.TimestampBuilder).Append(arrow.Timestamp(t.at.UnixMicro()))
	})
}

// link writes which sessions hold which keys, as far as that is not known to be there already.
func (a *application) link(ctx context.Context, tx *warehouse.Tx) error {
	type pair struct {
		key     uint64
		session string
	}
	var pairs []pair
	seen := make(map[uint64]struct{}, len(a.plan.batch.Links))
	var digest xxhash.Digest
	for _, link := range a.plan.batch.Links {
		if !a.plan.keep[link.Row] {
			continue
		}
		session := sessionOf(a.plan.columns.session, int(link.Row))
		digest.ResetWithSeed(link.Key)
		_, _ = digest.WriteString(session)
		mark := digest.Sum64()
		if _, again := seen[mark]; again || a.Bronze.links.has(mark) {
			continue
		}
		seen[mark] = struct{}{}
		a.links = append(a.links, mark)
		pairs = append(pairs, pair{link.Key, session})
	}
	if len(pairs) == 0 {
		return nil
	}
	fields := []arrow.Field{{Name: "batch", Type: arrow.PrimitiveTypes.Int64}, {Name: "key", Type: arrow.PrimitiveTypes.Uint64}, {Name: "session_id", Type: arrow.BinaryTypes.String}}
	return appendTo(ctx, tx, "raw.link_keys", build(len(pairs), fields, func(i int, builders []array.Builder) {
		builders[0].(*array.Int64Builder).Append(a.number)
		builders[1].(*array.Uint64Builder).Append(pairs[i].key)
		builders[2].(*array.StringBuilder).Append(pairs[i].session)
	}))
}

// noteChanges writes what the batch touched, old and new: what a refresh reads.
func (a *application) noteChanges(ctx context.Context, tx *warehouse.Tx) error {
	a.plan.addKept(a.outcome.changes)
	if len(a.outcome.changes) == 0 {
		return nil
	}
	changes := make([]change, 0, len(a.outcome.changes))
	for c := range a.outcome.changes {
		changes = append(changes, c)
	}
	fields := []arrow.Field{{Name: "batch", Type: arrow.PrimitiveTypes.Int64}, {Name: "session_id", Type: arrow.BinaryTypes.String}, {Name: "date", Type: arrow.FixedWidthTypes.Date32}}
	return appendTo(ctx, tx, "meta.changed_keys", build(len(changes), fields, func(i int, builders []array.Builder) {
		builders[0].(*array.Int64Builder).Append(a.number)
		builders[1].(*array.StringBuilder).Append(changes[i].session)
		builders[2].(*array.Date32Builder).Append(arrow.Date32(changes[i].date))
	}))
}

// moment is a time for a TIMESTAMPTZ column, NULL if there is none.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC()
}
