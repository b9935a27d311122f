// Package spread shares work out over a few goroutines.
package spread

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// most is how many goroutines work at most, unless the caller says otherwise.
const most = 4

// Over calls a function with each of the numbers below n, once, and returns when that is done. Each worker makes its own with
// newWorker, so that what it holds belongs to one goroutine; it takes step numbers at a time, in their order. workers is how
// many there are at most; 0: by processors, at most 4. What needs one worker only is done by the caller's goroutine.
func Over(n, step, workers int, newWorker func() func(i int)) {
	if workers <= 0 {
		workers = min(most, runtime.GOMAXPROCS(0))
	}
	workers = min(workers, (n+step-1)/step)
	var next atomic.Int64
	work := func() {
		do := newWorker()
		for {
			end := int(next.Add(int64(step)))
			if end-step >= n {
				return
			}
			for i := end - step; i < min(end, n); i++ {
				do(i)
			}
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}
