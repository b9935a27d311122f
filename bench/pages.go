package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"claude-analytics/internal/lockfile"
)

// pageRounds is how often each panel is asked; the median counts.
const pageRounds = 7

// pages asks a service that follows the corpus for every panel of the page, over all days.
func (b *bench) pages(ctx context.Context) error {
	data, err := b.fresh("pages")
	if err != nil {
		return err
	}
	if _, err := b.program(ctx, "up", "--until-idle", "--transcripts", b.corpus, "--data-dir", data, "--source", "bench"); err != nil {
		return err
	}
	_, stop, err := b.serve(ctx, nil, data, "--transcripts", b.corpus, "--source", "bench")
	if err != nil {
		return err
	}
	defer stop()
	info, _, err := lockfile.Read(filepath.Join(data, "LOCK")) // the address stands there before that of the bus
	if err != nil {
		return err
	}
	base := "http://" + info.HTTPAddr + "/api/v1/"
	var listed struct {
		Panels []struct {
			Name       string
			Parameters []string
		}
	}
	var longest struct{ Rows [][]string }
	if err := untilAnswered(ctx, base+"panels", &listed); err != nil {
		return err
	}
	if err := untilAnswered(ctx, base+"marts/dim_sessions?columns=session_id&order=-record_count&limit=1", &longest); err != nil {
		return err
	}
	if len(longest.Rows) == 0 {
		return fmt.Errorf("no session in %s", data)
	}
	slowest := 0.0
	for _, p := range listed.Panels {
		address := base + "panels/" + p.Name
		if slices.Contains(p.Parameters, "session") {
			address += "?session=" + url.QueryEscape(longest.Rows[0][0])
		}
		var times []float64
		for range pageRounds {
			began := time.Now()
			if err := asked(ctx, address, &struct{}{}); err != nil {
				return err
			}
			times = append(times, time.Since(began).Seconds()*1000)
		}
		sort.Float64s(times)
		took := times[pageRounds/2]
		slowest = max(slowest, took)
		b.add("pages: "+p.Name, took, "ms", "< 50")
	}
	b.add(fmt.Sprintf("pages: slowest, %d documents", b.report.Objects), slowest, "ms", "< 50")
	return nil
}

// untilAnswered waits for a service that is starting.
func untilAnswered(ctx context.Context, address string, into any) error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if err := asked(ctx, address, into); err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
	}
}

// asked is an answer of the API.
func asked(ctx context.Context, address string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d %s", address, response.StatusCode, body)
	}
	return json.Unmarshal(body, into)
}
