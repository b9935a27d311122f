package verify

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// Every command that is printed.
func TestCommands(t *testing.T) {
	day := time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC)
	fix := commands{lakeDir: "data/raw"}
	const rebuild = "claude-analytics load --full-refresh && claude-analytics transform"
	for _, c := range []struct{ name, got, want string }{
		{"row missing", fix.rows(KindRowMissing, 5, 9), "claude-analytics replay --from-seq 5 --to-seq 9"},
		{"row stale", fix.rows(KindRowStale, 5, 5), "claude-analytics replay --from-seq 5 --to-seq 5"},
		{"of an older epoch", fix.rows(KindRowMissing, 0, 0), rebuild},
		{"row twice", fix.rows(KindRowTwice, 5, 9), rebuild},
		{"row deleted", fix.rows(KindRowDeleted, 5, 9), rebuild},
		{"lake", fix.lake(), "claude-analytics load --repair-lake"},
		{"foreign", fix.foreign("date=2026-11-03/x.parquet"), "mv data/raw/date=2026-11-03/x.parquet ."},
		{"source", fix.source(day, day.AddDate(0, 0, 2)), "claude-analytics extract --since 2026-11-03 --until 2026-11-05 && claude-analytics load && claude-analytics transform"},
		{"source, undated", fix.source(time.Time{}, time.Time{}), fix.resnapshot()},
		{"mart", fix.models("fct_messages"), "claude-analytics transform --full-refresh --models fct_messages+"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.name, c.got, c.want)
		}
	}
}

// An order as one number compares as the pair does, and comes back.
func TestOrders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) Order {
			return Order{Epoch: rapid.Uint64Range(0, 1<<18).Draw(t, name+" epoch"), Seq: rapid.Uint64Range(0, 1<<seqBits-1).Draw(t, name+" seq")}
		}
		a, b := draw("a"), draw("b")
		x, y := ord(a.Epoch, a.Seq), ord(b.Epoch, b.Seq)
		if ofOrd(x) != a || (x < y) != (a.Epoch < b.Epoch || a.Epoch == b.Epoch && a.Seq < b.Seq) {
			t.Fatalf("%+v is %d, %+v is %d", a, x, b, y)
		}
	})
}

// Ranges hold exactly the orders that were added.
func TestRanges(t *testing.T) {
	var d Difference
	for _, seq := range []uint64{3, 4, 5, 9, 10, 12} {
		d.add(Order{1, seq})
	}
	d.add(Order{2, 13})
	want := []Range{{1, 3, 5}, {1, 9, 10}, {1, 12, 12}, {2, 13, 13}}
	if len(d.Ranges) != len(want) {
		t.Fatalf("%v, want %v", d.Ranges, want)
	}
	for i := range want {
		if d.Ranges[i] != want[i] {
			t.Errorf("%v, want %v", d.Ranges[i], want[i])
		}
	}
}

// The moment at which a transcript's object was published is no content; a collection's document is all content.
func TestContentHash(t *testing.T) {
	document := func(at int, text string) []byte {
		raw, err := bson.Marshal(bson.D{{Key: "text", Value: text}, {Key: "ingestedAt", Value: at}})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	if contentHash(document(1, "a"), true) != contentHash(document(2, "a"), true) {
		t.Error("a transcript's object that was published again differs")
	}
	if contentHash(document(1, "a"), true) == contentHash(document(1, "b"), true) {
		t.Error("another text is the same content")
	}
	if contentHash(document(1, "a"), false) == contentHash(document(2, "a"), false) {
		t.Error("a collection's field is left out")
	}
}
