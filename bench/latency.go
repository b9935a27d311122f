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

	"claude-analytics/internal/generator"
	"claude-analytics/internal/lockfile"
	"claude-analytics/internal/stream"
)

// latencyTime is how long documents are written.
const latencyTime = 20 * time.Second

// latency lets the generator write live sessions at a steady rate into a followed folder, and sees when what was
// written is in marts.fct_messages.
func (b *bench) latency(ctx context.Context, rate int) error {
	data, err := b.fresh("latency")
	if err != nil {
		return err
	}
	corpus := filepath.Join(b.dir, "latency-corpus")
	if err := os.RemoveAll(corpus); err != nil {
		return err
	}
	if err := os.MkdirAll(corpus, 0o755); err != nil {
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
		times, err := write(ctx, corpus, rate)
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
	name := fmt.Sprintf("document → mart: at %.0f docs/s, ", float64(len(latencies))/latencyTime.Seconds())
	b.add(name+"p50", at(0.50), "s", "< 0.5")
	b.add(name+"p99", at(0.99), "s", "< 2")
	b.add(name+"max", latencies[len(latencies)-1], "s", "")
	return nil
}

// write appends live lines and returns when each was in its file.
func write(ctx context.Context, corpus string, rate int) ([]time.Time, error) {
	gen, err := generator.New(generator.Config{Sessions: 1, Seed: 9})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, latencyTime)
	defer cancel()
	times := make([]time.Time, 0, rate*int(latencyTime.Seconds()))
	_, err = gen.Live(ctx, corpus, float64(rate), func(a generator.Appended) { times = append(times, a.At) })
	return times, err
}

// observe asks again and again for the newest message in the mart. Live lines carry the time of their writing, so a line
// is taken to be in the marts when a message written no earlier is.
func observe(ctx context.Context, client *stream.Client, written <-chan []time.Time, failed <-chan error) ([]float64, error) {
	type sample struct {
		at     time.Time
		newest int64 // milliseconds
	}
	var samples []sample
	var times []time.Time
	var last int64
	// The lines behind the last message can never be seen this way; the tail is left out.
	const tail = 200 * time.Millisecond
	deadline := time.Now().Add(latencyTime + time.Minute)
	for times == nil || last < times[len(times)-1].Add(-tail).UnixMilli() {
		if time.Now().After(deadline) {
			return nil, errors.New("the documents did not all arrive")
		}
		newest, err := newestMessage(ctx, client)
		if err != nil {
			return nil, err
		}
		if newest > last {
			last = newest
			samples = append(samples, sample{time.Now(), newest})
		}
		select {
		case err := <-failed:
			return nil, err
		case times = <-written:
		case <-time.After(25 * time.Millisecond):
		}
	}
	var latencies []float64
	next := 0
	for _, at := range times {
		for next < len(samples) && samples[next].newest < at.UnixMilli() {
			next++
		}
		if next < len(samples) {
			latencies = append(latencies, samples[next].at.Sub(at).Seconds())
		}
	}
	return latencies, nil
}

func newestMessage(ctx context.Context, client *stream.Client) (int64, error) {
	reply, err := client.Request(ctx, "query", []byte(`{"sql": "SELECT coalesce(epoch_ms(max(created_at)), 0) AS n FROM marts.fct_messages"}`))
	if err != nil {
		return 0, nil //nolint:nilerr // the mart is made by the first refresh
	}
	var answer struct{ Rows [][]int64 }
	if err := json.Unmarshal(reply, &answer); err != nil || len(answer.Rows) != 1 {
		return 0, fmt.Errorf("ask for the newest message: %w: %s", err, reply)
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
