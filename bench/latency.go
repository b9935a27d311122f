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
	corpus := filepath.Join(b.dir, "latency-corpus")
	if err := os.RemoveAll(corpus); err != nil {
		return err
	}
	if err := os.MkdirAll(corpus, 0o755); err != nil {
		return err
	}
	client, stop, err := b.follow(ctx, "latency", corpus)
	if err != nil {
		return err
	}
	defer stop()

	written, failed := writing(ctx, corpus, rate)
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

// singleLines is how many lines the case of single lines appends, one after the other.
const singleLines = 15

// single appends a line to a followed file when all is quiet, and sees when its prompt is in marts.fct_messages.
func (b *bench) single(ctx context.Context) error {
	corpus := filepath.Join(b.dir, "single-corpus")
	path := filepath.Join(corpus, "-home-bench", "5b7c1d2e-0000-4000-8000-000000000001.jsonl")
	if err := os.RemoveAll(corpus); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return err
	}
	client, stop, err := b.follow(ctx, "single", corpus)
	if err != nil {
		return err
	}
	defer stop()
	var latencies []float64
	for n := range singleLines {
		time.Sleep(500 * time.Millisecond)
		began := time.Now()
		if err := appendPrompt(path, fmt.Sprint("single-", n), began); err != nil {
			return err
		}
		for newest := int64(0); newest < began.UnixMilli(); {
			if newest, err = newestMessage(ctx, client); err != nil {
				return err
			}
			if time.Since(began) > time.Minute {
				return errors.New("the line did not arrive")
			}
			time.Sleep(5 * time.Millisecond)
		}
		latencies = append(latencies, time.Since(began).Seconds())
	}
	// The first line also makes everything that is made once.
	rest := latencies[1:]
	sort.Float64s(rest)
	b.add("line → mart: first", latencies[0], "s", "")
	b.add("line → mart: median of the next", rest[len(rest)/2], "s", "< 0.5")
	b.add("line → mart: max of the next", rest[len(rest)-1], "s", "< 1")
	return nil
}

// follow starts the program on a folder and connects to it.
func (b *bench) follow(ctx context.Context, name, corpus string) (client *stream.Client, stop func(), err error) {
	data, err := b.fresh(name)
	if err != nil {
		return nil, nil, err
	}
	return b.serve(ctx, nil, data, "--transcripts", corpus, "--source", "bench")
}

// serve starts the program's service and connects to it.
func (b *bench) serve(ctx context.Context, env []string, data string, args ...string) (client *stream.Client, stop func(), err error) {
	cmd := exec.Command(b.binary, append([]string{"up", "--data-dir", data}, args...)...)
	cmd.Env = b.environ("up", env)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		if client != nil {
			client.Close()
		}
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}
	if client, err = dialService(ctx, data); err != nil {
		stop()
		return nil, nil, err
	}
	return client, stop, nil
}

// writing is write beside what else is done: one of the two channels tells its end.
func writing(ctx context.Context, corpus string, rate int) (<-chan []time.Time, <-chan error) {
	written, failed := make(chan []time.Time, 1), make(chan error, 1)
	go func() {
		times, err := write(ctx, corpus, rate)
		if err != nil {
			failed <- err
			return
		}
		written <- times
	}()
	return written, failed
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
	reply, err := client.Request(ctx, "query", []byte(`{"raw": true, "sql": "SELECT coalesce(epoch_ms(max(created_at)), 0) AS n FROM marts.fct_messages"}`))
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
