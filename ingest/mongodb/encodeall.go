package mongodb

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxEncoders is how many goroutines encode at most.
	maxEncoders = 4
	// encodeAtOnce is how many bytes of documents one of them takes at a time, about: enough to be worth it.
	encodeAtOnce = 64 << 10
)

// entries encodes all items, in their order, on a few goroutines: looking for secrets takes longer than reading does.
func (c *encoder) entries(items []item, now time.Time) []entry {
	out := make([]entry, len(items))
	bytes := 0
	for i := range items {
		bytes += items[i].bytes()
	}
	step := max(1, len(items)*encodeAtOnce/max(bytes, 1))
	workers := min(maxEncoders, runtime.GOMAXPROCS(0), (len(items)+step-1)/step)
	var next atomic.Int64
	work := func() {
		for {
			end := int(next.Add(int64(step)))
			for i := end - step; i < min(end, len(items)); i++ {
				out[i] = c.entry(&items[i], now)
			}
			if end >= len(items) {
				return
			}
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	return out
}

// bytes is how large the item is, about.
func (it *item) bytes() int { return len(it.document) + len(it.event.raw) }
