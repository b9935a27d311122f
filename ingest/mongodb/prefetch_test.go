package mongodb

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

// TestBacklog: a large reply says that more is to come, until the next one has been waited for longer than a server that
// has it takes; whoever settles waits as well.
func TestBacklog(t *testing.T) {
	var tailer Tailer
	if tailer.Backlog() || tailer.Quiet() {
		t.Error("before anything was read: a backlog, or quiet")
	}
	tailer.backlog.Store(true)
	if !tailer.Backlog() {
		t.Error("no backlog behind a large reply")
	}
	for name, wait := range map[string]func(*prefetch[int]){
		"take":   func(p *prefetch[int]) { p.take(t.Context()) },
		"settle": func(p *prefetch[int]) { p.ask(t.Context()); p.settle() },
	} {
		t.Run(name, func(t *testing.T) {
			answer, done := make(chan int), make(chan struct{})
			var asked atomic.Int64
			p := &prefetch[int]{waiting: &tailer.waiting, fetch: func(context.Context) int { asked.Add(1); return <-answer }}
			go func() { defer close(done); wait(p) }()
			for deadline := time.Now().Add(10 * time.Second); tailer.Backlog(); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("still a backlog, though nothing comes")
				}
			}
			if !tailer.Quiet() {
				t.Error("not quiet, though nothing comes")
			}
			answer <- 1
			<-done
			if !tailer.Backlog() || tailer.Quiet() || asked.Load() != 1 {
				t.Errorf("once the reply is there: backlog %v, quiet %v, asked %d times", tailer.Backlog(), tailer.Quiet(), asked.Load())
			}
		})
	}
}
