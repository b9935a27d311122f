package bronze

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"claude-analytics/internal/warehouse"
)

// damages are what may happen to a table behind our back; %s picks rows by their keys.
var damages = []string{
	`DELETE FROM raw.conversations WHERE %s`,
	`DELETE FROM raw.content_blocks WHERE %s`,
	`DELETE FROM raw.tombstones WHERE %s`,
	`TRUNCATE raw.tombstones`,
	`INSERT INTO raw.conversations SELECT * FROM raw.conversations WHERE %s`,
	`INSERT INTO raw.content_blocks SELECT * FROM raw.content_blocks WHERE %s`,
	`UPDATE raw.conversations SET _rules = 0, message_content = 'of other rules', session_id = 's9' WHERE %s`,
	`UPDATE raw.conversations SET _rules = NULL, message_content = 'of other rules' WHERE %s`,
	`UPDATE raw.conversations SET _rules = 0, date = date + 9 WHERE %s`,
	`UPDATE raw.conversations SET _epoch = 0, message_content = 'stale' WHERE %s`,
	`DELETE FROM raw.conversations; DELETE FROM raw.content_blocks; DELETE FROM raw.tombstones`,
}

// Whatever was applied and whatever happened to it: repairing with the same events, however they are cut, makes the
// table what it was, a dry run changes nothing, and repairing again neither.
func TestRepairAgreesWithModel(t *testing.T) {
	colliding := func(source, id string) uint64 { return Key(source, id) % 3 }
	db := openWarehouse(t, warehouse.Config{Threads: 1})
	rapid.Check(t, func(rt *rapid.T) {
		hash := Key
		if rapid.Bool().Draw(rt, "hashes collide") {
			hash = colliding
		}
		b := New(Config{}, db, zerolog.Nop())
		b.hash = hash
		if err := b.Truncate(context.Background()); err != nil {
			rt.Fatal(err)
		}
		m, events := newModel(), genEvents(rt)
		for _, batch := range genBatches(rt, events) {
			if _, err := b.Apply(context.Background(), batchOfEvents(t, batch)); err != nil {
				rt.Fatal(err)
			}
			m.apply(batch)
		}
		for range rapid.IntRange(0, 3).Draw(rt, "damages") {
			statement := rapid.SampledFrom(damages).Draw(rt, "damage")
			which := fmt.Sprintf("hash(_id || source) %% 3 <= %d", rapid.IntRange(0, 2).Draw(rt, "keys"))
			execute(rt, db, strings.ReplaceAll(statement, "%s", which))
		}
		// What is damaged by hand is damaged while nobody has it open.
		b = New(Config{}, db, zerolog.Nop())
		b.hash = hash
		damaged := everything(t, db)
		repair(rt, b, batchOfEvents(t, events), true)
		if after := everything(t, db); after != damaged {
			rt.Fatalf("a dry run left traces:\n%s\n%s", damaged, after)
		}
		for rest := events; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "repaired at once")
			repair(rt, b, batchOfEvents(t, rest[:n]), false)
			rest = rest[n:]
		}
		compareTable(rt, db, m)
		whole := everything(t, db)
		if again := repair(rt, b, batchOfEvents(t, events), false); again.Changed || again.Inserted+again.Deleted != 0 {
			rt.Fatalf("there was something left to do: %+v", again)
		}
		if after := everything(t, db); after != whole {
			rt.Fatalf("repairing what is whole left traces:\n%s\n%s", whole, after)
		}
	})
}

func repair(t fataler, b *Bronze, batch Batch, dryRun bool) Repaired {
	t.Helper()
	done, err := b.Repair(context.Background(), batch, dryRun)
	if err != nil {
		t.Fatal(err)
	}
	if int(done.Inserted) != len(done.Restored) || done.Unchanged > done.SkippedOlder {
		t.Fatalf("%+v", done)
	}
	return done
}

func execute(t fataler, db *warehouse.DB, statement string) {
	t.Helper()
	err := db.Write(context.Background(), "damage", func(ctx context.Context, tx *warehouse.Tx) error {
		_, err := tx.Exec(ctx, statement)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Letters of messages that have a row by now are forgotten, those that have none stay, each once.
func TestRepairForgetsLetters(t *testing.T) {
	db := openWarehouse(t, warehouse.Config{})
	b := New(Config{}, db, zerolog.Nop())
	first := batchOf(t, []doc{row(1, 1)})
	first.DeadLetters = []DeadLetter{{Order: Order{1, 2}, Reason: "bson"}, {Order: Order{1, 3}, Reason: "bson"}}
	first.Watermark = place(3)
	apply(t, b, first)
	again := batchOf(t, []doc{row(1, 1), row(2, 2)})
	again.DeadLetters = []DeadLetter{{Order: Order{1, 3}, Reason: "bson"}}
	done := repair(t, b, again, false)
	if !done.Changed || done.Inserted != 1 || done.Unchanged != 1 || done.Restored[0] != (Version{Key: Key("mongo", row(2, 0).id), Order: Order{1, 2}}) {
		t.Errorf("%+v", done)
	}
	if got := fmt.Sprint(lines(t, db, `SELECT _epoch || '-' || _seq FROM meta.dead_letters`)); got != "[1-3]" {
		t.Errorf("letters %s", got)
	}
	if w, _, err := b.Watermark(context.Background()); err != nil || w.Seq != 3 || w.Batch != 2 {
		t.Errorf("watermark %+v, %v", w, err)
	}
	// A letter that is missing is written again, and is all that this changes.
	execute(t, db, `TRUNCATE meta.dead_letters`)
	if done := repair(t, b, again, false); !done.Changed || done.Inserted != 0 {
		t.Errorf("%+v", done)
	}
	if done := repair(t, b, again, false); done.Changed {
		t.Errorf("%+v", done)
	}
}

// A repair of a collection that keeps deleted documents leaves them.
func TestRepairKeepsDeleted(t *testing.T) {
	db := openWarehouse(t, warehouse.Config{})
	b := New(Config{KeepDeleted: true}, db, zerolog.Nop())
	batch := batchOf(t, []doc{row(1, 1)})
	batch.Deletes = []Delete{{Source: "mongo", ID: row(1, 0).id, Namespace: "n", Order: Order{1, 2}, At: time.Unix(1, 0)}}
	apply(t, b, batch)
	if done := repair(t, b, batch, false); done.Changed || done.Unchanged != 1 {
		t.Errorf("%+v", done)
	}
}
