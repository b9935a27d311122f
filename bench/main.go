// Command bench measures the built program on generated transcripts and prints the figures beside the goals. It drives
// processes, as users do; ratios within one run say more than single figures, since machines differ and are noisy.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"claude-analytics/internal/config"
)

// figure is one measured value; Goal is what architecture asks for, empty where it asks for nothing.
type figure struct {
	Case  string  `json:"case"`
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Goal  string  `json:"goal,omitempty"`
}

// report is the JSON file.
type report struct {
	At       time.Time `json:"at"`
	CPUs     int       `json:"cpus"`
	Go       string    `json:"go"`
	Bytes    int64     `json:"bytes"`
	Objects  int64     `json:"objects"`
	Sessions int       `json:"sessions"`
	Figures  []figure  `json:"figures"`
}

// bench is what the cases share.
type bench struct {
	binary string
	dir    string // scratch
	corpus string // generated transcripts
	bytes  int64
	report report
}

func (b *bench) add(name string, value float64, unit, goal string) {
	kind, rest, _ := strings.Cut(name, ": ")
	f := figure{Case: kind, Name: rest, Value: value, Unit: unit, Goal: goal}
	b.report.Figures = append(b.report.Figures, f)
	fmt.Printf("%-18s %-34s %12.3f %-10s %s\n", f.Case, f.Name, f.Value, f.Unit, f.Goal)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	binary := flag.String("binary", "bin/claude-analytics", "program to measure")
	out := flag.String("out", "bench/out", "folder for the JSON")
	size := flag.String("bytes", "350MB", "size of the generated transcripts")
	only := flag.String("only", "", "cases, comma-separated: cold,source,sink,single,latency,refresh")
	rate := flag.Int("rate", 1000, "documents a second in the latency case")
	keep := flag.String("dir", "", "scratch folder to keep; default: a temporary one")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	bytes, err := config.ParseBytes(*size)
	if err != nil {
		return fmt.Errorf("-bytes: %w", err)
	}
	b := &bench{bytes: bytes, dir: *keep}
	if b.binary, err = filepath.Abs(*binary); err != nil {
		return err
	}
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
			return err
		}
		defer os.RemoveAll(b.dir)
	}
	b.report = report{At: time.Now().UTC(), CPUs: runtime.NumCPU(), Go: runtime.Version()}
	if err := b.generate(ctx); err != nil {
		return err
	}
	cases := []struct {
		name string
		run  func(context.Context) error
	}{
		{"cold", b.cold},
		{"source", b.source},
		{"sink", b.sink},
		{"single", b.single},
		{"latency", func(ctx context.Context) error { return b.latency(ctx, *rate) }},
		{"refresh", b.refresh},
	}
	for _, c := range cases {
		if *only != "" && !strings.Contains(","+*only+",", ","+c.name+",") {
			continue
		}
		if err := c.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(b.report, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(*out, b.report.At.Format("20060102-150405")+".json")
	fmt.Println("written to", path)
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
