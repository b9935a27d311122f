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

// pageRounds is how often a panel is asked, each time for other days, since answers are kept until the next refresh; the median
// counts. Those without days are asked once.
const pageRounds = 7

// pages asks a service that follows the corpus for every panel of the page, over all days that there are.
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
		query := url.Values{}
		if slices.Contains(p.Parameters, "session") {
			query.Set("session", longest.Rows[0][0])
		}
		var times []float64
		for round := range pageRounds {
			if slices.Contains(p.Parameters, "from") {
				query.Set("from", fmt.Sprintf("1900-01-%02d", round+1))
			}
			began := time.Now()
			if err := asked(ctx, base+"panels/"+p.Name+"?"+query.Encode(), &struct{}{}); err != nil {
				return err
			}
			times = append(times, time.Since(began).Seconds()*1000)
			if !query.Has("from") {
				break // the next answer would be the one that was kept since
			}
		}
		sort.Float64s(times)
		took := times[len(times)/2]
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
