package mongodb

import (
	"time"

	"claude-analytics/internal/spread"
)

// encodeAtOnce is how many bytes of documents a worker takes at a time, about: enough to be worth it.
const encodeAtOnce = 64 << 10

// entries encodes all items, in their order, on a few goroutines: looking for secrets takes longer than reading does.
func (c *encoder) entries(items []item, now time.Time) []entry {
	bytes := 0
	for i := range items {
		bytes += items[i].bytes()
	}
	step := max(1, len(items)*encodeAtOnce/max(bytes, 1))
	out := make([]entry, len(items))
	spread.Over(len(items), step, 0, func() func(int) {
		return func(i int) { out[i] = c.entry(&items[i], now) }
	})
	return out
}

// bytes is how large the item is, about.
func (it *item) bytes() int { return len(it.document) + len(it.event.raw) }
