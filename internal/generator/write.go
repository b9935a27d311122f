package generator

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// made is a generated unit with its place in the order.
type made struct {
	index int
	unit  *unit
}

// WriteFiles generates the transcripts below dir, as <slug>/<session>.jsonl with the sub-agents' files, their meta.json
// and stored tool results beside them, and truth.json in dir itself. Existing files of the same names are replaced.
// progress, if not nil, is told after each session how far it is, in sessions or, with Config.Bytes, in bytes.
func (g *Generator) WriteFiles(ctx context.Context, dir string, progress func(done, total int64)) (*Truth, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make folder for transcripts: %w", err)
	}
	truth, err := g.produce(ctx, func(u *unit) error { return u.store(dir) }, progress)
	if err != nil {
		return nil, err
	}
	return truth, truth.write(dir)
}

// produce makes the units on all cores, hands them to store one by one in their order, and adds up the truth.
func (g *Generator) produce(ctx context.Context, store func(*unit) error, progress func(done, total int64)) (*Truth, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	workers := runtime.GOMAXPROCS(0)
	wanted, finished := make(chan int), make(chan made, workers)
	budget := make(chan struct{}, 4*workers) // units in memory at most
	var group sync.WaitGroup
	group.Go(func() {
		defer close(wanted)
		for i := 0; ; i++ {
			select {
			case budget <- struct{}{}:
			case <-ctx.Done():
				return
			}
			select {
			case wanted <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	for range workers {
		group.Go(func() {
			for i := range wanted {
				u := g.newUnit(i)
				u.make(g.forks(i))
				select {
				case finished <- made{i, u}:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	truth, err := g.collect(ctx, store, finished, budget, progress)
	cancel()
	group.Wait()
	return truth, err
}

// collect takes units in their order until there are enough, stores them and adds up the truth.
func (g *Generator) collect(ctx context.Context, store func(*unit) error, finished <-chan made, budget <-chan struct{}, progress func(done, total int64)) (*Truth, error) {
	sum := newTally(g.cfg)
	waiting := map[int]*unit{}
	next, sessions := 0, 0
	for {
		var m made
		select {
		case m = <-finished:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		waiting[m.index] = m.unit
		for u := waiting[next]; u != nil; u = waiting[next] {
			delete(waiting, next)
			if g.cfg.Bytes == 0 && g.cfg.Objects == 0 && g.forks(next) && sessions+2 > g.cfg.Sessions {
				u = g.newUnit(next) // no room for its fork
				u.make(false)
			}
			if err := store(u); err != nil {
				return nil, err
			}
			for _, f := range u.files {
				sum.file(f)
			}
			sum.add(u.ledger)
			<-budget
			if sessions++; g.forks(next) {
				sessions++
			}
			next++
			done, total := int64(sessions), int64(g.cfg.Sessions)
			switch {
			case g.cfg.Bytes > 0:
				done, total = sum.truth.Bytes, g.cfg.Bytes
			case g.cfg.Objects > 0:
				done, total = sum.truth.Objects, g.cfg.Objects
			}
			if progress != nil {
				progress(min(done, total), total)
			}
			if done >= total {
				return sum.close(), nil
			}
		}
	}
}

// store writes a unit's files.
func (u *unit) store(dir string) error {
	write := func(path string, data []byte, newest int64) error {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make folder for transcript: %w", err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return fmt.Errorf("write transcript: %w", err)
		}
		if newest > 0 {
			if err := os.Chtimes(path, time.Time{}, time.UnixMilli(newest)); err != nil {
				return fmt.Errorf("set time of transcript: %w", err)
			}
		}
		return nil
	}
	for _, f := range u.files {
		if err := write(f.path, f.b, f.newest); err != nil {
			return err
		}
	}
	for _, s := range u.sidecars {
		if err := write(s.path, s.data, 0); err != nil {
			return err
		}
	}
	return nil
}
