// Command bench measures the built program on generated transcripts and collections and prints the figures beside the goals. It drives
// processes, as users do; ratios within one run say more than single figures, since machines differ and are noisy.
package main

import (
	"context"
	"encoding/json"
	"errors"
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

	documents int    // in the collections of the cases mongo and mongo-all
	rounds    int    // how often what is compared is alternated; medians are shown
	peerSizes string // documents in the collections of the case peers

	profiles string // folder for CPU profiles; empty: none
	runs     int    // of the program, which name the profiles
}

func (b *bench) add(name string, value float64, unit, goal string) {
	kind, rest, _ := strings.Cut(name, ": ")
	f := figure{Case: kind, Name: rest, Value: value, Unit: unit, Goal: goal}
	b.report.Figures = append(b.report.Figures, f)
	fmt.Printf("%-20s %-34s %12.3f %-10s %s\n", f.Case, f.Name, f.Value, f.Unit, f.Goal)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	work := run
	if len(os.Args) == 3 && os.Args[1] == bareCommand {
		work = func(ctx context.Context) error { return bareProcess(ctx, os.Args[2]) }
	}
	if err := work(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	binary := flag.String("binary", "bin/claude-analytics", "program to measure")
	out := flag.String("out", "bench/out", "folder for the JSON")
	size := flag.String("bytes", "350MB", "size of the generated transcripts")
	only := flag.String("only", "", "cases, comma-separated: cold,source,sink,single,latency,refresh,pages,mongo,sizes,mongo-all,pages50; peers and scale run only if named")
	rate := flag.Int("rate", 1000, "documents a second in the latency case")
	keep := flag.String("dir", "", "scratch folder to keep; default: a temporary one")
	documents := flag.Int("documents", 100_000, "documents in a collection or, case scale, in transcripts; cases mongo, mongo-all, scale")
	rounds := flag.Int("rounds", 3, "how often ours and what it is compared with are measured in turn, cases mongo, sizes and peers")
	peerSizes := flag.String("peer-sizes", "100000,500000", "documents in a collection, case peers")
	profiles := flag.String("profile", "", "folder for CPU profiles of the program (it is built anew, with a profiler)")
	flag.Parse()
	if *documents < 1 || *rounds < 1 {
		return errors.New("-documents and -rounds must be at least 1")
	}

	bytes, err := config.ParseBytes(*size)
	if err != nil {
		return fmt.Errorf("-bytes: %w", err)
	}
	b := &bench{bytes: bytes, dir: *keep, documents: *documents, rounds: *rounds, peerSizes: *peerSizes}
	if b.binary, err = filepath.Abs(*binary); err != nil {
		return err
	}
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
			return err
		}
		defer os.RemoveAll(b.dir)
	} else if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	b.report = report{At: time.Now().UTC(), CPUs: runtime.NumCPU(), Go: runtime.Version()}
	if *profiles != "" {
		if err := b.buildProfiled(ctx, *profiles); err != nil {
			return err
		}
	}
	if err := b.runCases(ctx, *only, *rate); err != nil {
		return err
	}
	if len(b.report.Figures) == 0 {
		return nil
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

func (b *bench) runCases(ctx context.Context, only string, rate int) error {
	for _, c := range []struct {
		name   string
		corpus bool // needs the transcripts
		run    func(context.Context) error
	}{
		{"cold", true, b.cold},
		{"source", true, b.source},
		{"sink", true, b.sink},
		{"single", false, b.single},
		{"latency", false, func(ctx context.Context) error { return b.latency(ctx, rate) }},
		{"refresh", false, b.refresh},
		{"pages", true, b.pages},
		{"mongo", false, b.mongo},
		{"sizes", false, b.sizes},
		{"mongo-all", false, b.mongoAll},
		{"pages50", false, func(ctx context.Context) error { return b.pages50(ctx, rate) }},
		{"peers", false, b.peers},
		{"scale", false, b.scale},
	} {
		named := strings.Contains(","+only+",", ","+c.name+",")
		if !named && (only != "" || c.name == "peers" || c.name == "scale") {
			continue
		}
		if c.corpus && b.corpus == "" {
			if err := b.generate(ctx); err != nil {
				return err
			}
		}
		if err := c.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}
