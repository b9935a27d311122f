package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"time"

	"claude-analytics/internal/lockfile"
	"claude-analytics/internal/stream"
)

const (
	latencySeconds  = 20
	latencySessions = 20
)

// latency writes documents at a steady rate into a followed folder, and sees when each is in marts.fct_messages.
func (b *bench) latency(ctx context.Context, rate int) error {
	data, err := b.fresh("latency")
	if err != nil {
		return err
	}
	corpus := filepath.Join(b.dir, "latency-corpus")
	project := filepath.Join(corpus, "-home-bench-latency")
	if err := os.RemoveAll(corpus); err != nil {
		return err
	}
	if err := os.MkdirAll(project, 0o755); err != nil {
		return err
	}
	cmd := exec.Command(b.binary, "up", "--transcripts", corpus, "--data-dir", data, "--source", "bench")
	cmd.Env = append(os.Environ(), "LOG_LEVEL=warn", "HTTP_ADDR=127.0.0.1:0")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	client, err := dialService(ctx, data)
	if err != nil {
		return err
	}
	defer client.Close()

	written := make(chan []time.Time, 1)
	failed := make(chan error, 1)
	go func() {
		times, err := write(ctx, project, rate)
		if err != nil {
			failed <- err
			return
		}
		written <- times
	}()
	latencies, err := observe(ctx, client, written, failed)
	if err != nil {
		return err
	}
	sort.Float64s(latencies)
	at := func(q float64) float64 { return latencies[min(len(latencies)-1, int(q*float64(len(latencies))))] }
	name := fmt.Sprintf("document → mart: at %d docs/s, ", rate)
	b.add(name+"p50", at(0.50), "s", "< 0.5")
	b.add(name+"p99", at(0.99), "s", "< 2")
	b.add(name+"max", latencies[len(latencies)-1], "s", "")
	return nil
}

// write appends prompts over several sessions, in ticks of 10 ms, and returns when each was written.
func write(ctx context.Context, project string, rate int) ([]time.Time, error) {
	files := make([]*os.File, latencySessions)
	for i := range files {
		var err error
		if files[i], err = os.Create(filepath.Join(project, fmt.Sprintf("bench-session-%d.jsonl", i))); err != nil {
			return nil, err
		}
		defer files[i].Close()
	}
	const tick = 10 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	began := time.Now()
	var times []time.Time
	for len(times) < rate*latencySeconds {
		due := min(int(time.Since(began).Seconds()*float64(rate)), rate*latencySeconds)
		for n := len(times); n < due; n++ {
			now := time.Now()
			_, err := fmt.Fprintf(files[n%len(files)], `{"type":"user","uuid":"n%d","sessionId":"bench-session-%d","timestamp":%q,"cwd":"/home/bench","version":"2.1.100","message":{"role":"user","content":"please look at document %d"}}`+"\n",
				n, n%len(files), now.UTC().Format("2006-01-02T15:04:05.000Z"), n)
			if err != nil {
				return nil, err
			}
			times = append(times, now)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
	return times, nil
}

// observe asks again and again how many documents the mart holds. Documents of one folder arrive in order within a file
// and nearly so across files, so the n-th document is taken to be there when n are.
func observe(ctx context.Context, client *stream.Client, written <-chan []time.Time, failed <-chan error) ([]float64, error) {
	type sample struct {
		at   time.Time
		rows int
	}
	var samples []sample
	var times []time.Time
	deadline := time.Now().Add((latencySeconds + 60) * time.Second)
	for times == nil || len(samples) == 0 || samples[len(samples)-1].rows < len(times) {
		if time.Now().After(deadline) {
			return nil, errors.New("the documents did not all arrive")
		}
		rows, err := countMessages(ctx, client)
		if err != nil {
			return nil, err
		}
		samples = append(samples, sample{time.Now(), rows})
		select {
		case err := <-failed:
			return nil, err
		case times = <-written:
		case <-time.After(20 * time.Millisecond):
		}
	}
	latencies := make([]float64, len(times))
	next := 0
	for n, at := range times {
		for samples[next].rows <= n {
			next++
		}
		latencies[n] = samples[next].at.Sub(at).Seconds()
	}
	return latencies, nil
}

func countMessages(ctx context.Context, client *stream.Client) (int, error) {
	reply, err := client.Request(ctx, "query", []byte(`{"sql": "SELECT count(*) AS n FROM marts.fct_messages"}`))
	if err != nil {
		return 0, nil //nolint:nilerr // the mart is made by the first refresh
	}
	var answer struct{ Rows [][]int }
	if err := json.Unmarshal(reply, &answer); err != nil || len(answer.Rows) != 1 {
		return 0, fmt.Errorf("count messages: %w: %s", err, reply)
	}
	return answer.Rows[0][0], nil
}

func dialService(ctx context.Context, dataDir string) (*stream.Client, error) {
	deadline := time.Now().Add(30 * time.Second)
	for {
		info, held, err := lockfile.Read(filepath.Join(dataDir, "LOCK"))
		if err == nil && held && info.NATSURL != "" {
			return stream.Dial(ctx, info.NATSURL, "")
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("the service did not start: %w", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
