package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// reader is one open page: it listens to the events and reads its panels again after a refresh, as the page's script
// does: four at a time, and at most half of the time.
type reader struct {
	base   string
	panels []string // paths
	client *http.Client
	known  map[string]shown // by path

	passes []pass // written by run alone, read when that has ended

	mu    sync.Mutex
	shown int64 // refresh that the newest pass showed
}

// shown is what a panel shows.
type shown struct {
	tag     string // ETag
	refresh int64
}

// pass is one reading of all panels; refresh is the oldest that one of them showed.
type pass struct {
	at      time.Time
	refresh int64
}

const (
	readersAtATime = 4
	longestPause   = 2 * time.Second
)

// presets are the ranges that the page offers; each page has one of them.
var presets = []time.Duration{0, 7 * day, 30 * day, 90 * day, 10000 * day}

const day = 24 * time.Hour

// openAll opens pages in turn: Overview, Tools, Cost, ..., and gives each a range of days in turn too, as different
// people would have them.
func openAll(ctx context.Context, base string, count int) (*readers, error) {
	all := &readers{}
	if count == 0 {
		return all, nil
	}
	byPage, order, err := panelsByPage(ctx, base)
	if err != nil {
		return nil, err
	}
	session, err := someSession(ctx, base)
	if err != nil {
		return nil, err
	}
	for i := range count {
		page := order[i%len(order)]
		now := time.Now().UTC()
		filter := url.Values{"from": {now.Add(-presets[i/len(order)%len(presets)]).Format(time.DateOnly)}, "to": {now.Format(time.DateOnly)}}
		if page == "session" {
			filter.Set("session", session)
		}
		r := &reader{base: base, known: map[string]shown{}, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 6, MaxConnsPerHost: 6}}}
		for _, name := range byPage[page] {
			r.panels = append(r.panels, "/api/v1/panels/"+name+"?"+filter.Encode())
		}
		all.pages = append(all.pages, r)
		all.group.Go(func() { r.run(ctx, all) })
	}
	return all, nil
}

func panelsByPage(ctx context.Context, base string) (byPage map[string][]string, order []string, err error) {
	var list struct {
		Panels []struct{ Name, Page string }
	}
	if err := asked(ctx, base+"/api/v1/panels", &list); err != nil {
		return nil, nil, err
	}
	byPage = map[string][]string{}
	for _, p := range list.Panels {
		if byPage[p.Page] == nil {
			order = append(order, p.Page)
		}
		byPage[p.Page] = append(byPage[p.Page], p.Name)
	}
	return byPage, order, nil
}

func someSession(ctx context.Context, base string) (string, error) {
	var rows []struct {
		ID string `json:"session_id"`
	}
	err := asked(ctx, base+"/api/v1/marts/dim_sessions?columns=session_id&order=-total_tokens&limit=1&format=objects", &rows)
	if err == nil && len(rows) == 0 {
		err = errors.New("there is no session")
	}
	if err != nil {
		return "", err
	}
	return rows[0].ID, nil
}

// until waits until all pages show a refresh, a minute at most: what is missing then is missing in the figures.
func (all *readers) until(ctx context.Context, refresh int64) {
	deadline := time.Now().Add(time.Minute)
	for _, r := range all.pages {
		for ctx.Err() == nil && time.Now().Before(deadline) {
			r.mu.Lock()
			shown := r.shown
			r.mu.Unlock()
			if shown >= refresh {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func (all *readers) wait() error {
	all.group.Wait()
	return all.err
}

func (all *readers) note(took time.Duration, err error) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if err != nil {
		all.err = errors.Join(all.err, err)
		return
	}
	all.took = append(all.took, took.Seconds())
}

// run keeps the page open until ctx ends.
func (r *reader) run(ctx context.Context, all *readers) {
	dirty := make(chan struct{}, 1)
	dirty <- struct{}{} // what is shown first
	var listening sync.WaitGroup
	listening.Go(func() {
		for ctx.Err() == nil {
			if err := r.listen(ctx, dirty); ctx.Err() == nil {
				all.mu.Lock()
				all.broken++
				all.err = errors.Join(all.err, err)
				all.mu.Unlock()
				time.Sleep(400 * time.Millisecond)
			}
		}
	})
	defer listening.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-dirty:
		}
		began := time.Now()
		refresh := r.readAll(ctx, all)
		if ctx.Err() != nil {
			return
		}
		r.passes = append(r.passes, pass{time.Now(), refresh})
		r.mu.Lock()
		r.shown = refresh
		r.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(min(time.Since(began), longestPause)):
		}
	}
}

// readAll reads all panels and gives the oldest refresh that one of them shows.
func (r *reader) readAll(ctx context.Context, all *readers) (oldest int64) {
	paths := make(chan string)
	var mu sync.Mutex
	oldest = -1
	var group sync.WaitGroup
	for range readersAtATime {
		group.Go(func() {
			for path := range paths {
				began := time.Now()
				refresh, err := r.read(ctx, path, &mu)
				if ctx.Err() != nil {
					continue
				}
				all.note(time.Since(began), err)
				mu.Lock()
				if refresh > 0 && (oldest < 0 || refresh < oldest) {
					oldest = refresh
				}
				mu.Unlock()
			}
		})
	}
	for _, path := range r.panels {
		paths <- path
	}
	close(paths)
	group.Wait()
	return oldest
}

var refreshOf = regexp.MustCompile(`"as_of":\{"refresh":(\d+)`)

// read asks for one panel and gives the refresh that it shows.
func (r *reader) read(ctx context.Context, path string, mu *sync.Mutex) (refresh int64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+path, nil)
	if err != nil {
		return 0, err
	}
	mu.Lock()
	before := r.known[path]
	mu.Unlock()
	if before.tag != "" {
		request.Header.Set("If-None-Match", before.tag)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return 0, err
	case response.StatusCode == http.StatusNotModified:
		return before.refresh, nil
	case response.StatusCode != http.StatusOK:
		return 0, fmt.Errorf("%s: %s: %s", path, response.Status, body)
	}
	found := refreshOf.FindSubmatch(body)
	if found == nil {
		return 0, fmt.Errorf("%s: the answer does not say which refresh it shows", path)
	}
	if refresh, err = strconv.ParseInt(string(found[1]), 10, 64); err != nil {
		return 0, err
	}
	mu.Lock()
	r.known[path] = shown{response.Header.Get("ETag"), refresh}
	mu.Unlock()
	return refresh, nil
}

// listen reads the events until the connection ends.
func (r *reader) listen(ctx context.Context, dirty chan<- struct{}) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+"/api/v1/events", nil)
	if err != nil {
		return err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("events: %s", response.Status)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		if kind, ok := strings.CutPrefix(lines.Text(), "event: "); ok && kind == "refresh" {
			select {
			case dirty <- struct{}{}:
			default:
			}
		}
	}
	return lines.Err()
}
