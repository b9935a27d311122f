package bronze

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/internal/warehouse"
)

func row(id int, seq uint64) doc {
	return doc{source: "mongo", namespace: "n", id: fmt.Sprintf("%024x", id), session: "s", date: 20_000, order: Order{1, seq}, body: fmt.Sprint("body ", seq), blocks: 1}
}

func apply(t *testing.T, b *Bronze, batch Batch) Stats {
	t.Helper()
	stats, err := b.Apply(context.Background(), batch)
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

func TestStatsOfABatch(t *testing.T) {
	db := openWarehouse(t, warehouse.Config{})
	b := New(Config{}, db, zerolog.Nop())
	deleted := func(id int, seq uint64) Delete {
		return Delete{Source: "mongo", ID: row(id, 0).id, Namespace: "n", Order: Order{1, seq}, At: time.Unix(1, 0)}
	}
	with := func(batch Batch, deletes ...Delete) Batch {
		batch.Deletes = deletes
		return batch
	}
	// A snapshot that began at 17 saw 5 and 6, but not 1, 2, 3 and 7.
	seen := batchOf(t, []doc{row(5, 18), row(1, 16), row(6, 19)})
	end := func(below uint64) []Drop {
		return []Drop{{Source: "mongo", Namespace: "n", Order: Order{1, below}, At: time.Unix(1, 0)}}
	}
	for _, step := range []struct {
		name  string
		batch Batch
		want  Stats
	}{
		{"new", batchOf(t, []doc{row(1, 1), row(2, 2)}), Stats{Rows: 2, Inserted: 2, Batch: 1}},
		{"nothing", Batch{}, Stats{Batch: 2}},
		{"twice in a batch", batchOf(t, []doc{row(3, 4), row(3, 3), row(3, 4)}), Stats{Rows: 3, Inserted: 1, SkippedOlder: 2, Batch: 3}},
		{"again", batchOf(t, []doc{row(1, 1), row(2, 2)}), Stats{Rows: 2, Inserted: 2, Replaced: 2, Batch: 4}},
		{"newer and older", batchOf(t, []doc{row(1, 9), row(3, 1)}), Stats{Rows: 2, Inserted: 1, Replaced: 1, SkippedOlder: 1, Batch: 5}},
		{"deleted", with(Batch{}, deleted(1, 10), deleted(2, 1), deleted(7, 10)), Stats{Deleted: 1, Batch: 6}},
		{"older than a tombstone", batchOf(t, []doc{row(1, 9), row(7, 9)}), Stats{Rows: 2, SkippedOlder: 2, Batch: 7}},
		{"newer than a tombstone", batchOf(t, []doc{row(1, 11), row(7, 11)}), Stats{Rows: 2, Inserted: 2, Batch: 8}},
		{"written and deleted in a batch", with(batchOf(t, []doc{row(8, 12)}), deleted(8, 13)), Stats{Rows: 1, SkippedOlder: 1, Batch: 9}},
		{"deleted and written in a batch", with(batchOf(t, []doc{row(1, 15)}), deleted(1, 14)), Stats{Rows: 1, Inserted: 1, Replaced: 1, Batch: 10}},
		{"a snapshot's end, rows before it", Batch{Rows: seen.Rows, Blocks: seen.Blocks, BlockRows: seen.BlockRows, Links: seen.Links, Drops: end(17)}, Stats{Rows: 3, Inserted: 2, Deleted: 4, SkippedOlder: 1, Batch: 11}},
		{"the same end again", Batch{Drops: end(17)}, Stats{Batch: 12}},
		{"an older end", Batch{Drops: end(2)}, Stats{Batch: 13}},
		{"a row at the fence", batchOf(t, []doc{row(1, 17)}), Stats{Rows: 1, SkippedOlder: 1, Batch: 14}},
	} {
		if got := apply(t, b, step.batch); got != step.want {
			t.Errorf("%s: %+v, want %+v", step.name, got, step.want)
		}
	}
	if _, ok, err := b.Watermark(context.Background()); ok || err != nil {
		t.Errorf("a watermark without a stream: %v, %v", ok, err)
	}
}

func TestKeepDeleted(t *testing.T) {
	db := openWarehouse(t, warehouse.Config{})
	b := New(Config{KeepDeleted: true}, db, zerolog.Nop())
	apply(t, b, batchOf(t, []doc{row(1, 1), row(2, 2)}))
	stats := apply(t, b, Batch{
		Deletes: []Delete{{Source: "mongo", ID: row(1, 0).id, Namespace: "n", Order: Order{1, 3}}},
		Drops:   []Drop{{Source: "mongo", Namespace: "n", Order: Order{1, 4}}},
	})
	if stats != (Stats{Batch: 2}) {
		t.Errorf("%+v", stats)
	}
	if got := fmt.Sprint(lines(t, db, `SELECT (SELECT count(*) FROM raw.conversations) || ' ' || (SELECT count(*) FROM raw.tombstones)`)); got != "[2 0]" {
		t.Errorf("rows and tombstones: %s", got)
	}
}

// A replay leaves the watermark where it is; only the batch's number goes on.
func TestReplayMovesNothing(t *testing.T) {
	db := openWarehouse(t, warehouse.Config{})
	b := New(Config{}, db, zerolog.Nop())
	batch := batchOf(t, []doc{row(1, 1)})
	batch.Watermark = place(7)
	apply(t, b, batch)
	batch.Watermark = nil
	apply(t, b, batch)
	w, ok, err := b.Watermark(context.Background())
	if err != nil || !ok || w.Seq != 7 || w.Batch != 2 || w.AppliedAt.IsZero() {
		t.Errorf("%+v, %v, %v", w, ok, err)
	}
	// Another Bronze, after a restart, knows what is there.
	again := New(Config{}, db, zerolog.Nop())
	if stats := apply(t, again, batchOf(t, []doc{row(1, 1), row(2, 2)})); stats != (Stats{Rows: 2, Inserted: 2, Replaced: 1, Batch: 3}) {
		t.Errorf("%+v", stats)
	}
	// And the first one notices that it no longer does.
	if stats := apply(t, b, batchOf(t, []doc{row(2, 1)})); stats != (Stats{Rows: 1, SkippedOlder: 1, Batch: 4}) {
		t.Errorf("%+v", stats)
	}
}

func TestTruncate(t *testing.T) {
	db := openWarehouse(t, warehouse.Config{})
	b := New(Config{}, db, zerolog.Nop())
	batch := batchOf(t, []doc{row(1, 1), row(2, 2)})
	batch.Watermark = place(2)
	apply(t, b, batch)
	if err := b.Truncate(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := b.Watermark(context.Background()); ok || err != nil {
		t.Errorf("the watermark is still there: %v", err)
	}
	if got := changesOf(t, db, 2); got != "[s 20000]" {
		t.Errorf("changed keys of what went: %s", got)
	}
	if stats := apply(t, b, batch); stats != (Stats{Rows: 2, Inserted: 2, Batch: 3}) {
		t.Errorf("%+v", stats)
	}
	if got := lines(t, db, `SELECT DISTINCT batch::VARCHAR FROM raw.link_keys`); fmt.Sprint(got) != "[3]" {
		t.Errorf("links of batches %v", got)
	}
}

func TestDeadLettersOnce(t *testing.T) {
	db := openWarehouse(t, warehouse.Config{})
	b := New(Config{}, db, zerolog.Nop())
	letter := func(name string, seq uint64, reason string) DeadLetter {
		return DeadLetter{Letter: name, Source: "mongo", Part: "warehouse", Reason: reason, Size: 7, Order: Order{1, seq}, FirstSeen: time.Unix(1, 0), LastSeen: time.Unix(2, 0)}
	}
	letters := Batch{DeadLetters: []DeadLetter{letter("a", 1, "bson"), letter("a", 1, "bson"), letter("b", 2, "version")}}
	apply(t, b, letters)
	apply(t, b, letters)
	all := func() string {
		return fmt.Sprint(lines(t, db, `SELECT concat_ws(' ', letter, _epoch, _seq, reason, attempts, letter_seq) FROM meta.dead_letters ORDER BY letter`))
	}
	if got := all(); got != "[a 1 1 bson 0 b 1 2 version 0]" {
		t.Error(got)
	}
	// What the letter itself says is better than what the batch knew, and stays when the batch comes again.
	tried := letter("b", 2, "version")
	tried.Attempts, tried.LetterSeq = 3, 8
	if err := b.MirrorLetters(context.Background(), []DeadLetter{tried, {Letter: "c", Source: "host", Part: "ingest", Reason: "broken_line", File: "f"}}, []string{"a"}); err != nil {
		t.Fatal(err)
	}
	apply(t, b, Batch{DeadLetters: []DeadLetter{letter("b", 2, "version")}})
	if got := all(); got != "[b 1 2 version 3 8 c broken_line 0]" {
		t.Error(got)
	}
	if count, last, err := b.LettersKnown(context.Background()); err != nil || count != 2 || last != 8 {
		t.Errorf("%d letters up to %d known, %v", count, last, err)
	}
	apply(t, b, Batch{Settled: []string{"b"}})
	if got := all(); got != "[c broken_line 0]" {
		t.Error(got)
	}
}

func TestMalformedBatches(t *testing.T) {
	db := openWarehouse(t, warehouse.Config{})
	b := New(Config{}, db, zerolog.Nop())
	good := func() Batch { return batchOf(t, []doc{row(1, 1), row(2, 2)}) }
	for name, spoil := range map[string]func(*Batch){
		"no block rows":          func(batch *Batch) { batch.BlockRows = nil },
		"a block of no row":      func(batch *Batch) { batch.BlockRows = []int32{0, 2} },
		"a block of another":     func(batch *Batch) { batch.BlockRows = []int32{1, 0} },
		"a link of no row":       func(batch *Batch) { batch.Links[0].Row = -1 },
		"blocks instead of rows": func(batch *Batch) { batch.Rows = batch.Blocks },
		"rows instead of blocks": func(batch *Batch) { batch.Blocks, batch.Rows = batch.Rows, batch.Blocks },
		"a consumer of others":   func(batch *Batch) { batch.Watermark = &Watermark{Consumer: "lake"} },
	} {
		batch := good()
		spoil(&batch)
		if _, err := b.Apply(context.Background(), batch); !errors.Is(err, ErrBatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if stats := apply(t, b, good()); stats.Inserted != 2 || stats.Batch != 1 {
		t.Errorf("%+v", stats)
	}
}

// The filter may claim to know a key that it does not, but rarely; the other way round, never.
func TestFilter(t *testing.T) {
	const n = 300_000
	f := newFilter(n)
	r := rand.New(rand.NewPCG(1, 1))
	keys := make([]uint64, n)
	for i := range keys {
		keys[i] = r.Uint64()
		f.add(keys[i])
	}
	for _, key := range keys {
		if !f.maybe(key) {
			t.Fatalf("key %x is forgotten", key)
		}
	}
	wrong := 0
	for range n {
		if f.maybe(r.Uint64()) {
			wrong++
		}
	}
	if wrong > 3 {
		t.Errorf("%d of %d unknown keys are claimed to be known", wrong, n)
	}
	if f.holds(n*10) || !f.holds(n/2) {
		t.Error("holds is wrong")
	}
	large := newFilter(5_000_000)
	if perKey := float64(len(large.slots)) / 5_000_000; perKey > 4 {
		t.Errorf("%.1f bytes a key", perKey)
	}
	for _, edge := range []uint64{0, 1, 1 << 63, 0xffffff, ^uint64(0), 0xffffffffff000000} {
		f.add(edge)
		if !f.maybe(edge) {
			t.Errorf("key %x is forgotten", edge)
		}
	}
}

// Growing reads the keys anew; nothing is taken for new that is there.
func TestFilterGrows(t *testing.T) {
	db := openWarehouse(t, warehouse.Config{})
	b := New(Config{}, db, zerolog.Nop())
	apply(t, b, batchOf(t, []doc{row(1, 1)}))
	b.known.keys = newFilter(0)
	b.known.keys.used = smallest / 10 * 9
	if stats := apply(t, b, batchOf(t, []doc{row(1, 2), row(2, 3)})); stats.Replaced != 1 {
		t.Errorf("%+v", stats)
	}
}
