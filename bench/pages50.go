package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"claude-analytics/internal/generator"
	"claude-analytics/internal/lockfile"
	"claude-analytics/internal/stream"
)

// openPages is how many browsers have a page of the dashboard open in the case pages50.
const openPages = 50

// pages50 writes at a steady rate into a followed folder, first with no page open and then with fifty, and sees when
// what was written is in the marts, and when it is on the pages: in the answers that they would draw.
func (b *bench) pages50(ctx context.Context, rate int) error {
	for _, pages := range []int{0, openPages} {
		if err := b.pagesOpen(ctx, rate, pages); err != nil {
			return fmt.Errorf("%d pages: %w", pages, err)
		}
	}
	return nil
}

// historySessions were there before: pages have something to show, and queries something to read.
const historySessions = 60

func (b *bench) pagesOpen(ctx context.Context, rate, pages int) error {
	corpus := filepath.Join(b.dir, "pages-corpus")
	if err := os.RemoveAll(corpus); err != nil {
		return err
	}
	if _, err := b.program(ctx, "generate", "--out", corpus, "--sessions", fmt.Sprint(historySessions), "--seed", "3"); err != nil {
		return err
	}
	client, stop, err := b.follow(ctx, "pages", corpus)
	if err != nil {
		return err
	}
	defer stop()
	lock, _, err := lockfile.Read(filepath.Join(b.dir, "pages", "LOCK"))
	if err != nil {
		return err
	}
	if err := historyShown(ctx, client, corpus); err != nil {
		return err
	}

	looking, close := context.WithCancel(ctx)
	defer close()
	readers, err := openAll(looking, "http://"+lock.HTTPAddr, pages)
	if err != nil {
		return err
	}
	began, before, err := cost(lock.PID)
	if err != nil {
		return err
	}
	written, failed := writing(ctx, corpus, rate)
	seen, err := watchRefreshes(ctx, client, written, failed)
	if err != nil {
		return err
	}
	readers.until(ctx, seen.samples[len(seen.samples)-1].refresh)
	ended, after, err := cost(lock.PID)
	if err != nil {
		return err
	}
	close()
	if err := readers.wait(); err != nil {
		return err
	}
	elapsed := ended.Sub(began)

	name := fmt.Sprintf("%d pages open: ", pages)
	b.add(name+"written", float64(len(seen.times))/latencyTime.Seconds(), "docs/s", fmt.Sprintf("%d", rate))
	b.addQuantiles(name+"document → mart", seen.toMart())
	if pages > 0 {
		b.addQuantiles(name+"document → page", seen.toPages(readers))
		b.addQuantiles(name+"a panel's answer", readers.took)
		b.add(name+"answers", float64(len(readers.took))/elapsed.Seconds(), "a second", "")
		b.add(name+"connections lost", float64(readers.broken), "", "0")
	}
	b.add(name+"until all is shown", elapsed.Seconds(), "s", "")
	b.add(name+"processor", (after.cpu - before.cpu).Seconds(), "s", "")
	b.add(name+"memory at the end", after.resident, "MiB", "")
	b.add(name+"peak memory", after.peak, "MiB", "< 512")
	return nil
}

// addQuantiles adds the middle and the tail of some seconds. Goals are those of a document's way; answers have none here.
func (b *bench) addQuantiles(name string, seconds []float64) {
	if len(seconds) == 0 {
		return
	}
	sort.Float64s(seconds)
	at := func(q float64) float64 { return seconds[min(len(seconds)-1, int(q*float64(len(seconds))))] }
	b.add(name+", p50", at(0.50), "s", "< 0.5")
	b.add(name+", p99", at(0.99), "s", "< 2")
}

// historyShown waits until the marts have the sessions that were there before.
func historyShown(ctx context.Context, client *stream.Client, corpus string) error {
	truth, err := generator.ReadTruth(corpus)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(2 * time.Minute)
	for {
		sessions, err := rawNumbers(ctx, client, "SELECT count(*)::BIGINT FROM marts.dim_sessions")
		if err == nil && sessions[0] >= int64(truth.Sessions) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the history did not arrive: %v of %d sessions: %w", sessions, truth.Sessions, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// rawNumbers asks the live database for a row of numbers.
func rawNumbers(ctx context.Context, client *stream.Client, sql string) ([]int64, error) {
	body, err := json.Marshal(map[string]any{"sql": sql, "raw": true})
	if err != nil {
		return nil, err
	}
	reply, err := client.Request(ctx, "query", body)
	if err != nil {
		return nil, err
	}
	var answer struct{ Rows [][]int64 }
	if err := json.Unmarshal(reply, &answer); err != nil || len(answer.Rows) != 1 {
		return nil, fmt.Errorf("%s: %w: %s", sql, err, reply)
	}
	return answer.Rows[0], nil
}

// refreshSample is what the marts held at a time: the newest message, and the refresh that brought it.
type refreshSample struct {
	at      time.Time
	newest  int64 // milliseconds
	refresh int64
}

// watched is what was written and what was seen of it.
type watched struct {
	times   []time.Time
	samples []refreshSample
}

// watchRefreshes looks until the last message written is in the marts. Live lines carry the time of their writing.
func watchRefreshes(ctx context.Context, client *stream.Client, written <-chan []time.Time, failed <-chan error) (w watched, err error) {
	const sql = "SELECT coalesce(epoch_ms(max(created_at)), 0), (SELECT coalesce(max(id), 0) FROM meta.refreshes) FROM marts.fct_messages"
	const tail = 200 * time.Millisecond // behind the last message come lines that are none
	var last refreshSample
	deadline := time.Now().Add(latencyTime + 2*time.Minute)
	for w.times == nil || last.newest < w.times[len(w.times)-1].Add(-tail).UnixMilli() {
		if time.Now().After(deadline) {
			return w, errors.New("the documents did not all arrive")
		}
		row, err := rawNumbers(ctx, client, sql)
		if err != nil {
			return w, err
		}
		if row[0] > last.newest {
			last = refreshSample{time.Now(), row[0], row[1]}
			w.samples = append(w.samples, last)
		}
		select {
		case err := <-failed:
			return w, err
		case w.times = <-written:
		case <-time.After(25 * time.Millisecond):
		}
	}
	return w, nil
}

// toMart is how long each document took into the marts.
func (w watched) toMart() (seconds []float64) {
	w.each(func(at time.Time, in refreshSample) { seconds = append(seconds, in.at.Sub(at).Seconds()) })
	return seconds
}

// toPages is how long each document took until all panels of a page showed it, over all pages.
func (w watched) toPages(all *readers) (seconds []float64) {
	for _, r := range all.pages {
		next := 0
		w.each(func(at time.Time, in refreshSample) {
			for next < len(r.passes) && r.passes[next].refresh < in.refresh {
				next++
			}
			if next < len(r.passes) {
				seconds = append(seconds, r.passes[next].at.Sub(at).Seconds())
			}
		})
	}
	return seconds
}

func (w watched) each(do func(time.Time, refreshSample)) {
	next := 0
	for _, at := range w.times {
		for next < len(w.samples) && w.samples[next].newest < at.UnixMilli() {
			next++
		}
		if next < len(w.samples) {
			do(at, w.samples[next])
		}
	}
}

// readers are the open pages; what they share is guarded by mu.
type readers struct {
	pages []*reader
	group sync.WaitGroup

	mu     sync.Mutex
	took   []float64 // of each answer
	broken int       // connections that ended by themselves
	err    error
}
