package bronze

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"claude-analytics/internal/warehouse"
)

// event is one change of a stream: a row, a delete, a drop of a namespace, or the end of a snapshot of it.
type event struct {
	kind  string
	doc   doc
	order Order
	// fence is the order up to which a drop or a snapshot's end deletes.
	fence Order
}

// model is what bronze should hold: a map, and one event after the other.
type model struct {
	rows    map[rowKey]doc
	dead    map[rowKey]Order
	dropped map[namespaceKey]Order
}

func newModel() *model {
	return &model{rows: map[rowKey]doc{}, dead: map[rowKey]Order{}, dropped: map[namespaceKey]Order{}}
}

func keyOf(d doc) rowKey             { return rowKey{d.source, d.id} }
func namespaceOf(d doc) namespaceKey { return namespaceKey{d.source, d.namespace} }

// apply plays a batch and returns the sessions and dates that it changes.
func (m *model) apply(events []event) map[change]struct{} {
	before := map[rowKey]doc{}
	for key, d := range m.rows {
		before[key] = d
	}
	written := map[rowKey]bool{}
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b event) int {
		return cmp.Or(cmp.Compare(a.order.Epoch, b.order.Epoch), cmp.Compare(a.order.Seq, b.order.Seq))
	})
	for _, e := range sorted {
		key := keyOf(e.doc)
		switch e.kind {
		case "row":
			if !m.dead[key].Less(e.order) || !m.dropped[namespaceOf(e.doc)].Less(e.order) {
				continue
			}
			if there, ok := m.rows[key]; !ok || !e.order.Less(there.order) {
				m.rows[key], written[key] = e.doc, true
			}
		case "delete":
			if there, ok := m.rows[key]; ok && !e.order.Less(there.order) {
				delete(m.rows, key)
			}
			if m.dead[key].Less(e.order) {
				m.dead[key] = e.order
			}
		case "drop", "snapshot end":
			for key, there := range m.rows {
				if namespaceOf(there) == namespaceOf(e.doc) && !e.fence.Less(there.order) {
					delete(m.rows, key)
				}
			}
			if m.dropped[namespaceOf(e.doc)].Less(e.fence) {
				m.dropped[namespaceOf(e.doc)] = e.fence
			}
		}
	}
	changes := map[change]struct{}{}
	for key, d := range m.rows {
		if written[key] {
			changes[change{d.session, d.date}] = struct{}{}
		}
	}
	for key, d := range before {
		if _, still := m.rows[key]; !still || written[key] {
			changes[change{d.session, d.date}] = struct{}{}
		}
	}
	return changes
}

func batchOfEvents(t testing.TB, events []event) Batch {
	var docs []doc
	var deletes []Delete
	var drops []Drop
	for _, e := range events {
		switch e.kind {
		case "row":
			docs = append(docs, e.doc)
		case "delete":
			deletes = append(deletes, Delete{Source: e.doc.source, ID: e.doc.id, Namespace: e.doc.namespace, Order: e.order, At: time.Unix(1, 0)})
		case "drop", "snapshot end":
			drops = append(drops, Drop{Source: e.doc.source, Namespace: e.doc.namespace, Order: e.fence, At: time.Unix(1, 0)})
		}
	}
	batch := batchOf(t, docs)
	batch.Deletes, batch.Drops = deletes, drops
	return batch
}

// genEvents makes a stream: few keys, so that most of what happens, happens to the same ones. A key's namespace never
// changes.
func genEvents(t *rapid.T) []event {
	n := rapid.IntRange(1, 25).Draw(t, "events")
	events := make([]event, n)
	for i := range events {
		key := rapid.IntRange(0, 7).Draw(t, "key")
		d := doc{
			source: []string{"mongo", "laptop"}[key%2], namespace: fmt.Sprintf("db.%d", key%4/2), id: fmt.Sprintf("%024x", key/2),
			order: Order{1, uint64(i + 10)},
		}
		if i > n/2 {
			d.order = Order{2, uint64(i - n/2)} // a new epoch counts from the start
		}
		kind := rapid.SampledFrom([]string{"row", "row", "row", "row", "row", "delete", "delete", "drop", "snapshot end"}).Draw(t, "kind")
		fence := d.order
		if kind == "row" {
			d.session = rapid.SampledFrom([]string{"", "s1", "s2"}).Draw(t, "session")
			d.date = int32(rapid.IntRange(20_000, 20_002).Draw(t, "date"))
			d.blocks = rapid.IntRange(0, 2).Draw(t, "blocks")
			d.body = fmt.Sprint("body ", i)
		}
		if kind == "snapshot end" {
			fence.Seq = rapid.Uint64Range(0, d.order.Seq-1).Draw(t, "below")
		}
		events[i] = event{kind: kind, doc: d, order: d.order, fence: fence}
	}
	return events
}

// genBatches cuts the stream into batches and delivers some of them again, late, or in another order.
func genBatches(t *rapid.T, events []event) [][]event {
	var batches [][]event
	for rest := events; len(rest) > 0; {
		n := rapid.IntRange(1, min(10, len(rest))).Draw(t, "size")
		batches, rest = append(batches, rest[:n]), rest[n:]
	}
	again := rapid.IntRange(0, 3).Draw(t, "replays")
	for range again {
		from := rapid.IntRange(0, len(events)-1).Draw(t, "from")
		to := rapid.IntRange(from+1, min(from+10, len(events))).Draw(t, "to")
		at := rapid.IntRange(0, len(batches)).Draw(t, "at")
		batches = slices.Insert(batches, at, events[from:to])
	}
	return batches
}

// Whatever the stream, and however it is cut, repeated and reordered, the table is what a map would be: the newest of
// each key, nothing deleted, each once; and the changed keys are exactly what each batch changed.
func TestAgreesWithModel(t *testing.T) {
	colliding := func(source, id string) uint64 { return Key(source, id) % 3 }
	for name, how := range map[string]struct {
		hash    func(string, string) uint64
		indexes bool
	}{"plain": {Key, false}, "hashes collide": {colliding, false}, "with indexes": {Key, true}} {
		t.Run(name, func(t *testing.T) {
			db := openWarehouse(t, warehouse.Config{Threads: 1, Indexes: how.indexes})
			b := New(Config{}, db, zerolog.Nop())
			b.hash = how.hash
			rapid.Check(t, func(rt *rapid.T) {
				if err := b.Truncate(context.Background()); err != nil {
					rt.Fatal(err)
				}
				if rapid.Bool().Draw(rt, "restart") {
					b = New(Config{}, db, zerolog.Nop())
					b.hash = how.hash
				}
				m := newModel()
				for _, events := range genBatches(rt, genEvents(rt)) {
					stats, err := b.Apply(context.Background(), batchOfEvents(t, events))
					if err != nil {
						rt.Fatal(err)
					}
					changes := m.apply(events)
					compareTable(rt, db, m)
					if got := changesOf(rt, db, stats.Batch); got != fmt.Sprint(sortedChanges(changes)) {
						rt.Fatalf("changed keys %s, want %v", got, sortedChanges(changes))
					}
				}
			})
		})
	}
}

// fataler is *testing.T and *rapid.T.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func compareTable(t fataler, db *warehouse.DB, m *model) {
	t.Helper()
	var want []string
	for key, d := range m.rows {
		want = append(want, fmt.Sprint(key.source, " ", key.id, " ", d.namespace, " ", d.session, " ", d.date, " ", d.order.Epoch, " ", d.order.Seq, " ", d.body, " ", d.blocks))
	}
	slices.Sort(want)
	got := lines(t, db, `SELECT source || ' ' || _id || ' ' || namespace || ' ' || coalesce(session_id, '') || ' ' || (date - DATE '1970-01-01') || ' ' || _epoch || ' ' || _seq || ' ' ||
		message_content || ' ' || (SELECT count(*) FROM raw.content_blocks b WHERE b.source = c.source AND b._id = c._id AND b.text = c.message_content AND b._key = c._key)
		FROM raw.conversations c`)
	if !slices.Equal(got, want) {
		t.Fatalf("the table holds %d rows, want %d; not wanted: %.2000q, missing: %.2000q", len(got), len(want), less(got, want), less(want, got))
	}
	var fences []string
	for key, order := range m.dropped {
		if order != (Order{}) {
			fences = append(fences, fmt.Sprint(key.source, " ", key.namespace, " ", order.Epoch, " ", order.Seq))
		}
	}
	slices.Sort(fences)
	if got := lines(t, db, `SELECT concat_ws(' ', source, namespace, _epoch, _seq) FROM raw.tombstones WHERE _id IS NULL`); !slices.Equal(got, fences) {
		t.Fatalf("namespaces dropped %q, want %q", got, fences)
	}
	if orphans := lines(t, db, `SELECT source || _id || block_index FROM raw.content_blocks b ANTI JOIN raw.conversations c USING (source, _id)
		UNION ALL SELECT source || _id || block_index FROM raw.content_blocks GROUP BY ALL HAVING count(*) > 1
		UNION ALL SELECT source || any_value(coalesce(_id, namespace)) FROM raw.tombstones GROUP BY source, _id, CASE WHEN _id IS NULL THEN namespace END HAVING count(*) > 1
		UNION ALL SELECT session_id || key FROM raw.link_keys GROUP BY session_id, key, batch HAVING count(*) > 1`); len(orphans) > 0 {
		t.Fatalf("left over or twice: %q", orphans)
	}
}

// less returns what of a sorted list is not in another, as often as it is there.
func less(a, b []string) (rest []string) {
	for _, line := range a {
		if at, found := slices.BinarySearch(b, line); found {
			b = slices.Delete(slices.Clone(b), at, at+1)
		} else {
			rest = append(rest, line)
		}
	}
	return rest
}

func changesOf(t fataler, db *warehouse.DB, batch int64) string {
	t.Helper()
	return fmt.Sprint(lines(t, db, fmt.Sprintf(`SELECT session_id || ' ' || (date - DATE '1970-01-01') FROM meta.changed_keys WHERE batch = %d`, batch)))
}

func sortedChanges(changes map[change]struct{}) []string {
	list := make([]string, 0, len(changes))
	for c := range changes {
		list = append(list, fmt.Sprint(c.session, " ", c.date))
	}
	slices.Sort(list)
	return list
}

// lines reads one column of text, sorted.
func lines(t fataler, db *warehouse.DB, query string) []string {
	t.Helper()
	var list []string
	err := db.Read(context.Background(), func(ctx context.Context, tx *warehouse.Tx) error {
		rows, err := tx.Query(ctx, query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				return err
			}
			list = append(list, line)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}
