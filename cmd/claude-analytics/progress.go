package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// plainEvery is how often progress is written where there is no terminal.
const plainEvery = 5 * time.Second

// bar shows how far long work has come: a bar on a terminal, now and then a line elsewhere. It may be used from
// several goroutines.
type bar struct {
	out  io.Writer
	what string

	mu    sync.Mutex
	bar   *progressbar.ProgressBar
	last  time.Time
	wrote bool
}

func newBar(out io.Writer, what string) *bar {
	b := &bar{out: out, what: what, last: time.Now()}
	if isTerminal(out) {
		b.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth())
	}
	return b
}

// set says that done of total is done; total may grow.
func (b *bar) set(done, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar != nil {
		if b.bar.GetMax64() != total && total > 0 {
			b.bar.ChangeMax64(total)
		}
		_ = b.bar.Set64(min(done, max(total, 1)))
		return
	}
	if time.Since(b.last) >= plainEvery {
		b.last, b.wrote = time.Now(), true
		fmt.Fprintf(b.out, "%s: %s of %s\n", b.what, count(done), count(total))
	}
}

// finish takes the bar away.
func (b *bar) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar != nil {
		_ = b.bar.Finish()
	}
}
