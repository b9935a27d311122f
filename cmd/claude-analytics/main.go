// Command claude-analytics turns Claude Code conversations into queryable marts while they go on.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the linker.
var version = "dev"

// Exit codes; they mean the same for every command.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitCheckFailed = 3
	exitHistoryLost = 4
	exitInterrupted = 130
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with its surroundings handed in.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, interrupted, stop := signals()
	defer stop()

	cli := cli{}
	exit := -1
	parser, err := kong.New(&cli,
		kong.Name("claude-analytics"),
		kong.Description("Near-real-time analytics over Claude Code conversations.\n\n"+
			"Start with `claude-analytics up`: it follows ~/.claude/projects with everything embedded."),
		kong.UsageOnError(),
		kong.WithHyphenPrefixedParameters(true), // ids of projects begin with one
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		fmt.Fprintln(stderr, "claude-analytics:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := parser.Parse(args)
	if exit >= 0 {
		return exit // --help was asked for
	}
	if err != nil {
		fmt.Fprintf(stderr, "claude-analytics: %v\nRun `claude-analytics --help` for the commands.\n", err)
		return exitUsage
	}
	if err := swallowed(parser, kctx); err != nil {
		fmt.Fprintf(stderr, "claude-analytics: %v\n", err)
		return exitUsage
	}
	e := &env{cli: &cli, parser: parser, stdin: stdin, stdout: stdout, stderr: stderr}
	err = kctx.Run(e)
	switch {
	case interrupted.Load():
		if err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintln(stderr, "claude-analytics:", err)
		}
		return exitInterrupted
	case err == nil:
		return exitDone
	}
	fmt.Fprintln(stderr, "claude-analytics:", err)
	return exitCode(err)
}

// swallowed finds a flag that was taken as another one's value, as in --project --json: values may begin with a hyphen.
func swallowed(parser *kong.Kong, kctx *kong.Context) error {
	names := map[string]bool{}
	for _, flag := range slices.Concat(parser.Model.Flags, kctx.Flags()) {
		names["--"+flag.Name] = true
	}
	for _, step := range kctx.Path {
		if step.Flag == nil {
			continue
		}
		value := fmt.Sprint(kctx.FlagValue(step.Flag))
		if name, _, _ := strings.Cut(value, "="); names[name] {
			return fmt.Errorf("--%s needs a value, and %s is a flag", step.Flag.Name, value)
		}
	}
	return nil
}

// signals gives a context that ends with the first SIGINT or SIGTERM; a second one ends the process at once.
// interrupted tells whether it was SIGINT: a service that is told to stop by SIGTERM has done its work.
func signals() (ctx context.Context, interrupted *atomic.Bool, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	interrupted = &atomic.Bool{}
	received := make(chan os.Signal, 2)
	signal.Notify(received, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for range 2 {
			select {
			case <-done:
				return
			case s := <-received:
				if ctx.Err() != nil {
					os.Exit(exitInterrupted)
				}
				interrupted.Store(s == syscall.SIGINT)
				cancel()
			}
		}
	}()
	return ctx, interrupted, func() {
		signal.Stop(received)
		close(done)
		cancel()
	}
}
