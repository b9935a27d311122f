package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"
	"golang.org/x/term"

	"claude-analytics/ingest/mongodb"
	"claude-analytics/internal/config"
	"claude-analytics/internal/stream"
)

// cli is the whole command line.
type cli struct {
	EnvFile   string            `help:"Settings file." default:".env" placeholder:"FILE"`
	Set       map[string]string `help:"Any setting by its name, as in --set BATCH_SIZE=5000 (repeatable)." placeholder:"NAME=VALUE" mapsep:"none"`
	DataDir   string            `help:"Folder for lake, warehouse and embedded stream (DATA_DIR)." placeholder:"DIR"`
	NATSURL   string            `name:"nats-url" help:"NATS server; without one it is embedded (NATS_URL)." placeholder:"URL"`
	HTTPAddr  string            `name:"http-addr" help:"Address of health, metrics and dashboard (HTTP_ADDR)." placeholder:"HOST:PORT"`
	LogLevel  string            `help:"trace, debug, info, warn or error (LOG_LEVEL)." placeholder:"LEVEL"`
	LogFormat string            `help:"console or json (LOG_FORMAT)." placeholder:"FORMAT"`

	Up        upCmd        `cmd:"" group:"Services" help:"Run everything in one process: sources, stream, sink, modeler, dashboard."`
	Ingest    ingestCmd    `cmd:"" group:"Services" help:"Run the sources alone, to an external NATS."`
	Warehouse warehouseCmd `cmd:"" group:"Services" help:"Run sink, modeler and dashboard, from an external NATS."`

	Extract   extractCmd   `cmd:"" group:"Pipeline" help:"Read the sources once, to the stream."`
	Load      loadCmd      `cmd:"" group:"Pipeline" help:"Bring lake and warehouse up to the stream; or rebuild the warehouse from the lake."`
	Transform transformCmd `cmd:"" group:"Pipeline" help:"Refresh the models."`
	Pipeline  pipelineCmd  `cmd:"" group:"Pipeline" help:"Extract, load, transform, validate."`

	Status statusCmd `cmd:"" group:"Looking" help:"Positions, lag, freshness, last refresh, on one screen."`
	Doctor doctorCmd `cmd:"" group:"Looking" help:"Every misconfiguration that can be seen, each with its remedy."`
	Config configCmd `cmd:"" group:"Looking" help:"The effective settings and where each came from; secrets masked."`
	Query  queryCmd  `cmd:"" group:"Looking" help:"Read-only SQL."`
	Report reportCmd `cmd:"" group:"Looking" help:"Tokens and cost by day, month, session, project, model, tool or five-hour block."`

	Replay replayCmd `cmd:"" group:"Repair" help:"Apply a part of the stream, or of the lake, to the warehouse once more."`
	Verify verifyCmd `cmd:"" group:"Looking" help:"Is everything there? Compare source, stream, lake, warehouse and marts."`

	Deploy     deployCmd     `cmd:"" group:"Tools" help:"Create or update streams and consumers on the configured NATS."`
	Dlq        dlqCmd        `cmd:"" group:"Tools" help:"Dead letters: what could not be published or converted. List, show, retry, drop."`
	GC         gcCmd         `cmd:"" name:"gc" group:"Tools" help:"Retention, compaction; with --erase physical erasure of a session, a project, or what was deleted."`
	Generate   generateCmd   `cmd:"" group:"Tools" help:"Write realistic, seeded transcripts, with the truth beside them."`
	Version    versionCmd    `cmd:"" group:"Tools" help:"Print the version."`
	Completion completionCmd `cmd:"" group:"Tools" help:"Print a completion script for bash, zsh or fish."`

	Answer answerCmd `cmd:"" hidden:""`
}

// env is what every command runs in.
type env struct {
	cli            *cli
	parser         *kong.Kong
	stdin          io.Reader
	stdout, stderr io.Writer
}

// settings loads and checks the settings; flags are the command's own, by setting name, empty values left out.
func (e *env) settings(flags map[string]string) (config.Loaded, error) {
	all := map[string]string{}
	for name, value := range e.cli.Set {
		all[name] = value
	}
	for name, value := range map[string]string{
		"DATA_DIR": e.cli.DataDir, "NATS_URL": e.cli.NATSURL, "HTTP_ADDR": e.cli.HTTPAddr,
		"LOG_LEVEL": e.cli.LogLevel, "LOG_FORMAT": e.cli.LogFormat,
	} {
		if value != "" {
			all[name] = value
		}
	}
	for name, value := range flags {
		if value != "" {
			all[name] = value
		}
	}
	loaded, err := config.Load(config.Input{
		Flags: all, Environ: os.Environ(), File: e.cli.EnvFile, FileRequired: e.cli.EnvFile != ".env",
	})
	if err != nil {
		return config.Loaded{}, usageError{err}
	}
	return loaded, nil
}

// logger writes to standard error, so that standard output stays the command's answer.
func (e *env) logger(cfg config.Config) zerolog.Logger {
	level, err := zerolog.ParseLevel(cfg.LogLevel)
	if err != nil {
		level = zerolog.InfoLevel
	}
	out := e.stderr
	if cfg.LogFormat == "console" {
		out = zerolog.ConsoleWriter{Out: e.stderr, TimeFormat: time.TimeOnly, NoColor: !isTerminal(e.stderr)}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger()
}

// start is what a service begins with: settings, a logger, and the warnings that belong to the settings.
func (e *env) start(flags map[string]string) (config.Loaded, zerolog.Logger, error) {
	cfg, err := e.settings(flags)
	if err != nil {
		return cfg, zerolog.Nop(), err
	}
	log := e.logger(cfg.Config)
	for _, warning := range cfg.Warnings {
		log.Warn().Msg(warning)
	}
	return cfg, log, nil
}

// startOnce is start for a command that gives one answer: its log is quiet unless LOG_LEVEL was set.
func (e *env) startOnce(flags map[string]string) (config.Loaded, zerolog.Logger, error) {
	cfg, log, err := e.start(flags)
	if err == nil && !cfg.Set("LOG_LEVEL") {
		log = log.Level(zerolog.WarnLevel)
	}
	return cfg, log, err
}

func (e *env) println(args ...any)               { fmt.Fprintln(e.stdout, args...) }
func (e *env) printf(format string, args ...any) { fmt.Fprintf(e.stdout, format, args...) }

func isTerminalReader(r io.Reader) bool {
	file, ok := r.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// usageError is a fault of the command line or the settings.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errCheckFailed is returned when a data check found something.
var errCheckFailed = errors.New("a check failed")

func exitCode(err error) int {
	var usage usageError
	var lost *mongodb.HistoryLostError
	var remote *stream.RemoteError
	switch {
	case errors.As(err, &lost):
		return exitHistoryLost
	case errors.As(err, &usage), errors.As(err, &remote) && remote.BadRequest:
		return exitUsage
	case errors.Is(err, errCheckFailed):
		return exitCheckFailed
	default:
		return exitFailed
	}
}

// transcriptFlags turns repeated --transcripts into the setting's form.
func transcriptFlags(dirs []string) string { return strings.Join(dirs, ",") }
