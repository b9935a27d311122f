package sink

import (
	"slices"
	"strings"
	"testing"
	"time"

	"claude-analytics/sink/lake"
)

var (
	created   = time.Date(2026, 11, 23, 8, 0, 0, 1234567, time.UTC)
	thisLife  = lake.Stream{Name: "CONVERSATIONS", Created: created}
	otherLife = lake.Stream{Name: "CONVERSATIONS", Created: created.Add(time.Hour)}
)

func at(seq uint64) time.Time { return created.Add(time.Duration(seq) * time.Second) }

func mark(stream lake.Stream, epoch, seq uint64) lake.Mark {
	return lake.Mark{Stream: stream, Epoch: epoch, Seq: seq, Seen: seq + 2, Time: at(seq)}
}

// stands is a destination whose last change still stands in the stream.
func stands(m lake.Mark) standing { return standing{Mark: m, At: m.Time.Truncate(time.Microsecond)} }

func gone(m lake.Mark) standing { return standing{Mark: m} }

func TestDecide(t *testing.T) {
	first := []lake.EpochRecord{{Epoch: 1, Stream: thisLife}}
	live := streamView{Identity: thisLife, First: 1, Last: 500}
	swept := streamView{Identity: thisLife, First: 300, Last: 500, PurgeFloor: 300}
	swept2 := streamView{Identity: otherLife, First: 300, Last: 500, PurgeFloor: 300}
	m := func(seq uint64) lake.Mark { return mark(thisLife, 1, seq) }
	otherMessage := standing{Mark: m(100), At: at(101)}
	noTime := m(100)
	noTime.Time = time.Time{}

	cases := []struct {
		name            string
		stream          streamView
		registry        []lake.EpochRecord
		lake, warehouse standing
		epoch           uint64
		record          bool
		reason          string
		lakeAfter       uint64
		warehouseAfter  uint64
		fromLake        bool
		gaps            []string
		floor           uint64
	}{
		{name: "first start", stream: live, epoch: 1, record: true, reason: "first start"},
		{name: "registered, nothing landed", stream: live, registry: first, epoch: 1},
		{name: "both go on", stream: live, registry: first, lake: stands(m(100)), warehouse: stands(m(120)), epoch: 1, lakeAfter: 102, warehouseAfter: 122},
		{name: "lake ahead", stream: live, registry: first, lake: stands(m(120)), warehouse: stands(m(100)), epoch: 1, lakeAfter: 122, warehouseAfter: 102},
		{name: "watermark below the floor", stream: swept, registry: first, lake: gone(m(299)), warehouse: gone(m(297)), epoch: 1, lakeAfter: 301, warehouseAfter: 299},

		{name: "recreated", stream: streamView{Identity: otherLife, First: 1, Last: 500}, registry: first, lake: stands(m(100)), warehouse: stands(m(100)), epoch: 2, record: true, reason: "recreated"},
		{name: "recreated, registry lost", stream: streamView{Identity: otherLife, Last: 500}, lake: stands(m(100)), warehouse: stands(m(100)), epoch: 2, record: true, reason: "recreated"},
		{name: "another stream", stream: streamView{Identity: lake.Stream{Name: "OTHER", Created: created}}, registry: first, epoch: 2, record: true, reason: "another one"},
		{name: "lost tail", stream: streamView{Identity: thisLife, First: 1, Last: 121}, registry: first, lake: stands(m(100)), warehouse: stands(m(120)), epoch: 2, record: true, reason: "lost its tail: it ends at 121, the warehouse had seen 122"},
		{name: "lost all", stream: streamView{Identity: thisLife}, registry: first, lake: gone(m(100)), warehouse: gone(m(100)), epoch: 2, record: true, reason: "lost its tail"},
		{name: "another message there", stream: live, registry: first, lake: otherMessage, warehouse: stands(m(90)), epoch: 2, record: true, reason: "another message", fromLake: true},
		{name: "nothing there, retention is innocent", stream: live, registry: first, lake: gone(m(100)), warehouse: stands(m(100)), epoch: 2, record: true, reason: "no longer in the stream"},
		{name: "time not known", stream: live, registry: first, lake: standing{Mark: noTime, At: at(100)}, warehouse: stands(m(100)), epoch: 1, lakeAfter: 102, warehouseAfter: 102},
		{name: "second epoch registered, nothing of it landed", stream: streamView{Identity: otherLife, Last: 9}, registry: append(slices.Clone(first), lake.EpochRecord{Epoch: 2, Stream: otherLife}), lake: stands(m(100)), warehouse: stands(m(100)), epoch: 2},
		{name: "second epoch, the lake was first", stream: streamView{Identity: otherLife, Last: 50}, registry: append(slices.Clone(first), lake.EpochRecord{Epoch: 2, Stream: otherLife}), lake: stands(mark(otherLife, 2, 7)), warehouse: stands(m(100)), epoch: 2, lakeAfter: 9, fromLake: true, warehouseAfter: 9},
		{name: "recreated twice", stream: live, registry: []lake.EpochRecord{{Epoch: 1, Stream: thisLife}, {Epoch: 2, Stream: otherLife}}, lake: stands(m(100)), warehouse: stands(m(100)), epoch: 3, record: true, reason: "recreated"},

		{name: "lake deleted", stream: live, warehouse: stands(mark(thisLife, 3, 100)), epoch: 3, record: true, warehouseAfter: 102},
		{name: "lake deleted, stream swept", stream: swept, warehouse: stands(m(400)), epoch: 1, record: true, warehouseAfter: 402, gaps: []string{"lake 1: 1-299"}},
		{name: "warehouse deleted", stream: live, registry: first, lake: stands(m(100)), epoch: 1, lakeAfter: 102, fromLake: true, warehouseAfter: 102},
		{name: "filling was interrupted", stream: live, registry: first, lake: stands(m(100)), warehouse: standing{Mark: m(50), At: at(50), Partial: true}, epoch: 1, lakeAfter: 102, fromLake: true, warehouseAfter: 102},
		{name: "warehouse restored from an old copy", stream: swept, registry: first, lake: stands(m(400)), warehouse: gone(m(50)), epoch: 1, lakeAfter: 402, fromLake: true, warehouseAfter: 402},
		{name: "both behind the floor", stream: swept, registry: first, lake: gone(m(200)), warehouse: gone(m(100)), epoch: 1, lakeAfter: 202, fromLake: true, warehouseAfter: 202, gaps: []string{"lake 1: 203-299", "warehouse 1: 203-299"}},
		{name: "warehouse alone behind the floor, lake further behind", stream: swept, registry: first, lake: gone(m(50)), warehouse: gone(m(100)), epoch: 1, lakeAfter: 52, warehouseAfter: 102, gaps: []string{"lake 1: 53-299", "warehouse 1: 103-299"}},
		{name: "new epoch of a swept stream", stream: swept2, registry: first, lake: stands(m(100)), warehouse: stands(m(100)), epoch: 2, record: true, reason: "recreated", gaps: []string{"lake 2: 1-299", "warehouse 2: 1-299"}, floor: 300},
		{name: "first start on a swept stream", stream: swept, epoch: 1, record: true, reason: "first start", gaps: []string{"lake 1: 1-299", "warehouse 1: 1-299"}},
		{name: "recreated before the lake had landed", stream: streamView{Identity: otherLife}, registry: first, lake: stands(m(100)), warehouse: stands(m(150)), epoch: 2, record: true, reason: "recreated", gaps: []string{"lake 1: 101-150"}},
		{name: "recreated before anything landed", stream: streamView{Identity: otherLife}, registry: first, warehouse: stands(m(150)), epoch: 2, record: true, reason: "recreated", gaps: []string{"lake 1: 1-150"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := decide(c.stream, c.registry, c.lake, c.warehouse)
			if p.Epoch != c.epoch || p.Record != c.record || !strings.Contains(p.Reason, c.reason) {
				t.Errorf("epoch %d, record %v, %q", p.Epoch, p.Record, p.Reason)
			}
			if p.LakeAfter != c.lakeAfter || p.WarehouseAfter != c.warehouseAfter {
				t.Errorf("lake after %d, warehouse after %d", p.LakeAfter, p.WarehouseAfter)
			}
			if p.FromLake != c.fromLake || p.FromLake && p.FromLakeAfter != c.warehouse.Mark {
				t.Errorf("from the lake %v after %+v", p.FromLake, p.FromLakeAfter)
			}
			var gaps []string
			for _, g := range p.Gaps {
				gaps = append(gaps, g.text())
			}
			if !slices.Equal(gaps, c.gaps) {
				t.Errorf("gaps %v", gaps)
			}
			if p.Floor != c.floor {
				t.Errorf("floor %d", p.Floor)
			}
			// Deciding again after the registry was written changes nothing more.
			again := decide(c.stream, append(c.registry, lake.EpochRecord{Epoch: p.Epoch, Stream: p.Stream}), c.lake, c.warehouse)
			if again.Epoch != p.Epoch || p.Record && again.Record {
				t.Errorf("deciding again: epoch %d, record %v", again.Epoch, again.Record)
			}
		})
	}
}

func TestAddGaps(t *testing.T) {
	g := Gap{Destination: "lake", Epoch: 1, From: 2, To: 3}
	known, fresh := addGaps(nil, []Gap{g})
	if len(known) != 1 || len(fresh) != 1 {
		t.Fatal(known, fresh)
	}
	g.Found = time.Now()
	if known, fresh = addGaps(known, []Gap{g}); len(known) != 1 || len(fresh) != 0 {
		t.Fatal(known, fresh)
	}
}
