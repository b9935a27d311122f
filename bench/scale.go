package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// scale is what operating costs at a size: the first import, a rebuild from the lake, a refresh after a few changes, a
// verification, a collection of garbage, an erasure, a restart. It runs only if it is named.
func (b *bench) scale(ctx context.Context) error {
	corpus := filepath.Join(b.dir, "scale")
	data, err := b.fresh("scale-data")
	if err != nil {
		return err
	}
	if err := os.RemoveAll(corpus); err != nil {
		return err
	}
	generated, err := b.program(ctx, "generate", "--out", corpus, "--documents", fmt.Sprint(b.documents), "--seed", "3", "--json")
	if err != nil {
		return err
	}
	var truth struct {
		Bytes   int64 `json:"bytes"`
		Objects int64 `json:"objects"`
	}
	if err := json.Unmarshal(generated.stdout, &truth); err != nil || truth.Objects == 0 {
		return fmt.Errorf("read what was generated: %w: %s", err, generated.stdout)
	}
	files, err := filepath.Glob(filepath.Join(corpus, "*", "*.jsonl"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no transcripts were generated: %w", err)
	}
	up := []string{"up", "--until-idle", "--transcripts", corpus, "--source", "bench"}
	changed := func() error {
		for i := range 100 {
			if err := appendPrompt(files[i%len(files)], fmt.Sprintf("scale-%d", i), time.Now()); err != nil {
				return err
			}
		}
		return nil
	}
	session := filepath.Base(files[len(files)-1])
	session = session[:len(session)-len(".jsonl")]
	for _, step := range []struct {
		name   string
		args   []string
		before func() error
		whole  bool // reads all documents
	}{
		{"first import", up, nil, true},
		{"restart", up, nil, false},
		{"100 more lines", up, changed, false},
		{"rebuild from the lake", []string{"load", "--full-refresh"}, nil, true},
		{"all models", []string{"transform", "--full-refresh"}, nil, true},
		{"verify", []string{"verify", "--transcripts", corpus, "--source", "bench"}, nil, true},
		{"gc", []string{"gc"}, nil, false},
		{"erase a session", []string{"gc", "--erase", "--yes", "--session", session}, func() error { return os.Remove(files[len(files)-1]) }, false},
		{"verify --deep after it", []string{"verify", "--deep", "--transcripts", corpus, "--source", "bench"}, nil, true},
	} {
		if step.before != nil {
			if err := step.before(); err != nil {
				return err
			}
		}
		u, err := b.program(ctx, append(step.args, "--data-dir", data)...)
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		name := "scale: " + step.name
		b.add(name, u.wall.Seconds(), "s", "")
		b.add(name+", cpu", u.cpu.Seconds(), "s", "")
		b.add(name+", peak memory", float64(u.memory)/(1<<20), "MiB", "")
		if step.whole {
			b.add(name+", docs", float64(truth.Objects)/u.wall.Seconds(), "docs/s", "")
		}
	}
	for _, place := range []struct{ name, path string }{{"stream", "jetstream"}, {"lake", "raw"}, {"warehouse", "analytics.duckdb"}} {
		b.add("scale: "+place.name+" / source bytes", size(filepath.Join(data, place.path))/float64(truth.Bytes), "ratio", "")
	}
	b.report.Bytes, b.report.Objects = truth.Bytes, truth.Objects
	return nil
}
