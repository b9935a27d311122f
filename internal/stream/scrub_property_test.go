package stream

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"claude-analytics/proto"
)

// Whatever happens to a stream, a scrub changes nothing that it lists, and leaves nothing that it does not.
func TestScrubProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir := filepath.Join(t.TempDir(), "jetstream")
		c := open(t, Config{Dir: dir, Port: -1})
		lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
		n, last := 0, uint64(1) // the writer's first sign of life
		var gone []uint64
		// Each message holds its number, which is that of no other.
		labels := map[string]uint64{}
		label := func(batch []Outgoing) {
			texts := make([]string, len(batch))
			for i := range batch {
				texts[i] = fmt.Sprintf("<%d>", len(labels)+i)
				batch[i].Data = []byte(texts[i])
			}
			last = publish(t, lane, batch)
			for i, text := range texts {
				labels[text] = last - uint64(len(batch)-1-i)
			}
		}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "what") {
			case 0, 1:
				batch := changes("a", n, rapid.IntRange(1, 30).Draw(rt, "messages"))
				n += len(batch)
				label(batch)
			case 2:
				label([]Outgoing{position("a", "file", "")})
			case 3:
				if last > 2 {
					seq := rapid.Uint64Range(2, last-1).Draw(rt, "gone")
					gone = append(gone, seq)
					if rapid.Bool().Draw(rt, "by the server") {
						if err := c.secureDelete(testContext(t), proto.StreamName, seq); err != nil {
							rt.Fatal(err)
						}
					}
				}
			default:
				if _, err := c.Sweep(testContext(t), SweepConfig{MaxBytes: 1, DurableBelow: rapid.Uint64Range(0, last).Draw(rt, "below")}); err != nil {
					rt.Fatal(err)
				}
			}
		}
		publish(t, lane, []Outgoing{position("a", "other", "end")})
		want := everything(t, c)
		for _, seq := range gone {
			delete(want, fmt.Sprintf("%s %d", proto.StreamName, seq))
		}
		if err := c.Erase(testContext(t), Erasure{Messages: gone}, nil); err != nil {
			rt.Fatal(err)
		}
		got := everything(t, c)
		if !maps.Equal(got, want) {
			rt.Errorf("the streams have %v, not %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
		closeConn(t, c)
		for text, seq := range labels {
			if _, listed := want[fmt.Sprintf("%s %d", proto.StreamName, seq)]; !listed {
				if found := storeTraces(t, dir, text); len(found) > 0 {
					rt.Errorf("%s, message %d, is still in %v", text, seq, found)
				}
			}
		}
	})
}

func FuzzEraseRecords(f *testing.F) {
	f.Add([]byte{}, uint64(1))
	sum, err := blockSum("S", 1)
	if err != nil {
		f.Fatal(err)
	}
	block := appendErased(nil, make([]byte, emptyRecord), sum)
	f.Add(block, uint64(1))
	compressed, err := encodeBlock(block)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(compressed, uint64(1))
	f.Fuzz(func(t *testing.T, stored []byte, gone uint64) {
		clean, _, err := eraseRecords(stored, "S", 1, func(seq uint64) bool { return seq == gone })
		if err != nil {
			return
		}
		if _, again, err := eraseRecords(clean, "S", 1, func(seq uint64) bool { return seq == gone }); err != nil || again != 0 {
			t.Errorf("%d records a second time, %v", again, err)
		}
	})
}

func FuzzReadIndex(f *testing.F) {
	f.Add([]byte{indexMagic, indexVersion})
	f.Fuzz(func(_ *testing.T, content []byte) {
		if known, err := parseIndex(content); err == nil {
			known.dead(1)(7)
		}
	})
}
