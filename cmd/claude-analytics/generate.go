package main

import (
	"context"
	"os"

	"claude-analytics/internal/config"
	"claude-analytics/internal/generator"
)

// generateCmd writes transcripts.
type generateCmd struct {
	Out      string  `help:"Folder to write to; it is made if needed." default:"transcripts" placeholder:"DIR"`
	Sessions int     `help:"Sessions to write." default:"100"`
	Bytes    string  `help:"Write this much instead, for example 350MB." placeholder:"SIZE"`
	Seed     uint64  `help:"The same seed gives the same bytes." default:"1"`
	Hard     bool    `help:"Add every edge case that a reader can meet: broken lines, odd types, clock steps, ..."`
	Rate     float64 `help:"Then go on appending this many lines a second until stopped." placeholder:"N"`
	JSON     bool    `help:"Print the truth as JSON."`
}

// Help says what the truth is.
func (generateCmd) Help() string {
	return "Writes OUT/<project>/<session>.jsonl and OUT/truth.json: how many objects, broken lines, sessions, prompts,\n" +
		"responses, tool calls by status, and tokens by session and model a correct reader must find."
}

// Run generates.
func (c *generateCmd) Run(ctx context.Context, e *env) error {
	var bytes int64
	if c.Bytes != "" {
		var err error
		if bytes, err = config.ParseBytes(c.Bytes); err != nil {
			return usagef("--bytes=%s: %w", c.Bytes, err)
		}
	}
	if c.Sessions < 1 && bytes == 0 {
		return usagef("--sessions must be at least 1")
	}
	if entries, err := os.ReadDir(c.Out); err == nil && len(entries) > 0 {
		return usagef("%s is not empty: choose another --out, or remove it first", c.Out)
	}
	gen, err := generator.New(generator.Config{Sessions: c.Sessions, Bytes: bytes, Seed: c.Seed, Hard: c.Hard, Rate: c.Rate})
	if err != nil {
		return usageError{err}
	}
	bar := newBar(e.stderr, "generating")
	truth, err := gen.WriteFiles(ctx, c.Out, bar.set)
	bar.finish()
	if err != nil {
		return err
	}
	if c.JSON {
		if err := writeJSON(e.stdout, truth); err != nil {
			return err
		}
	} else {
		e.printf("%s: %s files, %s objects, %s sessions, %s prompts, %s responses, %s tool calls, %s tokens\n", c.Out,
			count(truth.Files), count(truth.Objects), count(truth.Sessions), count(truth.Messages["user"]), count(truth.Messages["assistant"]),
			count(truth.ToolCalls), count(truth.Tokens.Total))
	}
	if c.Rate > 0 {
		if _, err := gen.Live(ctx, c.Out, c.Rate, nil); err != nil {
			return err
		}
	}
	return nil
}

// demoRate is how many lines a second a demo goes on writing.
const demoRate = 5

// writeDemo makes the demo's transcripts once; a second start goes on with what is there.
func writeDemo(ctx context.Context, e *env, dir string, sessions int, seed uint64) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil
	}
	gen, err := generator.New(generator.Config{Sessions: sessions, Seed: seed})
	if err != nil {
		return usageError{err}
	}
	bar := newBar(e.stderr, "generating")
	defer bar.finish()
	_, err = gen.WriteFiles(ctx, dir, bar.set)
	return err
}

func liveDemo(ctx context.Context, dir string, seed uint64) error {
	gen, err := generator.New(generator.Config{Sessions: 1, Seed: seed + 1, Rate: demoRate})
	if err != nil {
		return err
	}
	_, err = gen.Live(ctx, dir, demoRate, nil)
	return err
}
