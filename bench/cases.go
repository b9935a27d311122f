package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"sync"
	"time"

	"claude-analytics/internal/document"
)

// cold is a folder that has never been seen, to all marts.
func (b *bench) cold(ctx context.Context) error {
	data, err := b.fresh("cold")
	if err != nil {
		return err
	}
	u, err := b.program(ctx, "up", "--until-idle", "--transcripts", b.corpus, "--data-dir", data, "--source", "bench")
	if err != nil {
		return err
	}
	rows, err := b.number(ctx, data, "SELECT count(*) FROM raw.conversations")
	if err != nil {
		return err
	}
	if int64(rows) != b.report.Objects {
		return fmt.Errorf("%d rows for %d objects", int64(rows), b.report.Objects)
	}
	b.rates("cold → marts", u, "≥ 15,000", "< 1,024")
	b.add("cold → marts: 350 MB would take", u.wall.Seconds()*350e6/float64(b.report.Bytes), "s", "< 10")
	source := float64(b.report.Bytes)
	b.add("stored: stream", size(filepath.Join(data, "jetstream"))/source, "of source", "≤ 0.5")
	b.add("stored: lake", size(filepath.Join(data, "raw"))/source, "of source", "≤ 0.2")
	b.add("stored: warehouse", size(filepath.Join(data, "analytics.duckdb"))/source, "of source", "≤ 0.35")
	return nil
}

// source is folder → stream, beside a bare loop that reads and converts the same files.
func (b *bench) source(ctx context.Context) error {
	bare, err := b.bareLoop()
	if err != nil {
		return err
	}
	data, err := b.fresh("source")
	if err != nil {
		return err
	}
	u, err := b.program(ctx, "extract", "--transcripts", b.corpus, "--data-dir", data, "--source", "bench")
	if err != nil {
		return err
	}
	b.rates("source → stream", u, "≥ 40,000", "")
	b.add("source → stream: of the bare loop", bare.Seconds()/u.wall.Seconds(), "ratio", "≥ 0.85")
	return nil
}

// bareLoop reads every file, decodes every line to BSON, and throws it away: what no source can be faster than. It
// uses all cores, as the source does.
func (b *bench) bareLoop() (time.Duration, error) {
	began := time.Now()
	files := make(chan string)
	errs := make(chan error, runtime.NumCPU())
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Go(func() {
			for path := range files {
				if err := decodeFile(path); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	err := filepath.WalkDir(b.corpus, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".jsonl" && !entry.IsDir() {
			select {
			case files <- path:
			case err = <-errs:
			}
		}
		return err
	})
	close(files)
	workers.Wait()
	return time.Since(began), err
}

func decodeFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 1<<20), 64<<20)
	var bson []byte
	for lines.Scan() {
		if bson, err = document.FromJSON(bson[:0], lines.Bytes(), document.Extra{}); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return lines.Err()
}

// sink is stream → lake and warehouse, without sources and models.
func (b *bench) sink(ctx context.Context) error {
	data := filepath.Join(b.dir, "source")
	if _, err := os.Stat(data); err != nil {
		return errors.New("needs the case source before it")
	}
	u, err := b.program(ctx, "load", "--data-dir", data)
	if err != nil {
		return err
	}
	b.rates("stream → bronze", u, "≥ 36,000", "")
	u, err = b.program(ctx, "transform", "--full-refresh", "--data-dir", data)
	if err != nil {
		return err
	}
	b.add("full refresh: wall", u.wall.Seconds(), "s", "")
	u, err = b.program(ctx, "load", "--full-refresh", "--data-dir", data)
	if err != nil {
		return err
	}
	b.rates("lake → bronze", u, "≥ 33,000", "< 2,048")
	return nil
}

// refreshRounds is how often the refresh after 100 changed sessions is measured; the median is shown.
const refreshRounds = 9

// refresh appends a line to each of 100 sessions and measures the refresh alone, on a quarter of the corpus and on all
// of it.
func (b *bench) refresh(ctx context.Context) error {
	small, err := b.refreshAt(ctx, "quarter", b.bytes/4)
	if err != nil {
		return err
	}
	large, err := b.refreshAt(ctx, "whole", b.bytes)
	if err != nil {
		return err
	}
	b.add("refresh of 100: whole / quarter", large/small, "ratio", "≤ 1.3")
	return nil
}

func (b *bench) refreshAt(ctx context.Context, name string, bytes int64) (float64, error) {
	corpus := filepath.Join(b.dir, "refresh-"+name)
	data, err := b.fresh("refresh-data-" + name)
	if err != nil {
		return 0, err
	}
	if err := os.RemoveAll(corpus); err != nil {
		return 0, err
	}
	if _, err := b.program(ctx, "generate", "--out", corpus, "--bytes", fmt.Sprint(bytes), "--seed", "2"); err != nil {
		return 0, err
	}
	if _, err := b.program(ctx, "up", "--until-idle", "--transcripts", corpus, "--data-dir", data, "--source", "bench"); err != nil {
		return 0, err
	}
	files, err := filepath.Glob(filepath.Join(corpus, "*", "*.jsonl"))
	if err != nil {
		return 0, err
	}
	var times []float64
	for round := range refreshRounds {
		for i := range 100 {
			path := files[(round*100+i)%len(files)]
			if err := appendPrompt(path, fmt.Sprintf("bench-%d-%d", round, i), time.Now()); err != nil {
				return 0, err
			}
		}
		for _, args := range [][]string{{"extract", "--transcripts", corpus, "--source", "bench"}, {"load"}} {
			if _, err := b.program(ctx, append(args, "--data-dir", data)...); err != nil {
				return 0, err
			}
		}
		u, err := b.program(ctx, "transform", "--json", "--data-dir", data)
		if err != nil {
			return 0, err
		}
		var result struct {
			Seconds         float64 `json:"seconds"`
			ChangedSessions int64   `json:"changed_sessions"`
		}
		if err := json.Unmarshal(u.stdout, &result); err != nil {
			return 0, err
		}
		if result.ChangedSessions == 0 {
			return 0, errors.New("the refresh saw no changed session")
		}
		times = append(times, result.Seconds)
	}
	sort.Float64s(times)
	median := times[len(times)/2]
	b.add("refresh of 100: "+name, median, "s", "")
	return median, nil
}

func appendPrompt(path, uuid string, at time.Time) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	session := filepath.Base(path)
	session = session[:len(session)-len(".jsonl")]
	_, err = fmt.Fprintf(file, `{"type":"user","uuid":%q,"sessionId":%q,"timestamp":%q,"cwd":"/home/bench","version":"2.1.100","message":{"role":"user","content":"please look at %s"}}`+"\n",
		uuid, session, at.UTC().Format("2006-01-02T15:04:05.000Z"), uuid)
	return err
}
