package bronze

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/internal/warehouse"
	"claude-analytics/proto"
)

func gap(seq uint64) SourceGap {
	return SourceGap{
		Source: "mongo", Namespace: "db.c", Epoch: 1, Seq: seq, Found: time.Unix(1_700_000_000, int64(seq)*1000).UTC(),
		Gap: proto.Gap{Reason: proto.GapHistoryLost, Action: proto.GapResnapshot, Code: 286, Detail: "a\x00b", From: time.Unix(1_600_000_000, 0).UTC(), To: time.Unix(1_700_000_000, 0).UTC()},
	}
}

// However often a message comes, in one batch or several, in its epoch or a later one, its gap stands there once; a
// rebuild does not take it away.
func TestGapsOnce(t *testing.T) {
	db := openWarehouse(t, warehouse.Config{})
	b := New(Config{}, db, zerolog.Nop())
	bare := SourceGap{Source: "mongo", Epoch: 1, Seq: 4, Gap: proto.Gap{Reason: proto.GapStreamLost}, Found: time.Unix(5, 0).UTC()}
	later, other := gap(3), gap(3)
	later.Epoch = 2
	other.Epoch, other.Found = 2, other.Found.Add(time.Second)
	apply(t, b, Batch{Gaps: []SourceGap{later, gap(3), gap(3)}})
	apply(t, b, Batch{Gaps: []SourceGap{later, gap(3), bare}})
	if err := b.Truncate(context.Background()); err != nil {
		t.Fatal(err)
	}
	apply(t, b, Batch{Gaps: []SourceGap{bare, gap(3), other}})
	for most, want := range map[int][]SourceGap{5: {gap(3), bare, other}, 2: {bare, other}} {
		got, err := b.SourceGaps(context.Background(), most)
		for i := range got {
			got[i].Found, got[i].From, got[i].To = got[i].Found.UTC(), got[i].From.UTC(), got[i].To.UTC()
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v\nwant\n%+v\n%v", got, want, err)
		}
	}
	if got := fmt.Sprint(lines(t, db, `SELECT concat_ws(' ', kind, action IS NULL, code IS NULL, detail IS NULL, from_at IS NULL, to_at IS NULL, destination IS NULL) FROM meta.gaps WHERE _seq = 4`)); got != "[source true true true true true true]" {
		t.Error(got)
	}
}

func TestStreamGapsOnce(t *testing.T) {
	db := openWarehouse(t, warehouse.Config{})
	b := New(Config{}, db, zerolog.Nop())
	gaps := []StreamGap{{"lake", 1, 5, 9, "swept", time.Unix(1, 0)}, {"warehouse", 1, 5, 9, "swept", time.Unix(1, 0)}}
	for _, found := range [][]StreamGap{gaps[:1], gaps, nil, gaps} {
		if err := b.RecordGaps(context.Background(), found); err != nil {
			t.Fatal(err)
		}
	}
	want := "[lake 1 5 9 swept true true true warehouse 1 5 9 swept true true true]"
	if got := fmt.Sprint(lines(t, db, `SELECT concat_ws(' ', destination, _epoch, from_seq, to_seq, reason, kind = 'stream', _seq IS NULL, source IS NULL) FROM meta.gaps`)); got != want {
		t.Error(got)
	}
	if got, err := b.SourceGaps(context.Background(), 9); err != nil || len(got) != 0 {
		t.Errorf("gaps of sources: %v, %v", got, err)
	}
}
