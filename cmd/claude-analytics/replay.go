package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/internal/config"
	"claude-analytics/internal/mask"
	"claude-analytics/modeler"
	"claude-analytics/sink"
)

// replayCmd applies a part of what was applied before once more.
type replayCmd struct {
	From    string `help:"Rows whose effective timestamp (column date) is then or later." placeholder:"DATE"`
	To      string `help:"Rows up to then: the whole day of a date." placeholder:"DATE"`
	FromSeq uint64 `help:"The first sequence of the stream." placeholder:"N"`
	ToSeq   uint64 `help:"The last sequence of the stream." placeholder:"N"`
	Project string `help:"Rows of this project_id." placeholder:"ID"`
	Session string `help:"Rows of this session_id." placeholder:"ID"`
	DryRun  bool   `help:"Only tell what would be read, matched and applied."`
	JSON    bool   `help:"For programs."`
}

// Help says what a replay does.
func (replayCmd) Help() string {
	return "Re-delivers a part of the stream to the warehouse, from the lake where the stream no longer reaches. Rows that are\n" +
		"missing, stale, there twice, or made by older conversion rules come back as they should be; all others stay. On an\n" +
		"intact warehouse nothing changes. The marts follow. Live changes flow on meanwhile.\n\n" +
		"  claude-analytics replay --project -home-me-app --dry-run\n" +
		"  claude-analytics replay --from 2026-11-01 --to 2026-11-07\n" +
		"  claude-analytics replay --session 0b5c…                   one session\n" +
		"  claude-analytics replay                                   everything\n\n" +
		"DATE is a date (UTC) or a moment such as 2026-11-01T12:00:00Z: the document's own, not that of its publication."
}

// replayRequest is the body of a request to claude-analytics.replay.
type replayRequest struct {
	From    string `json:"from,omitempty"`
	To      string `json:"to,omitempty"`
	FromSeq uint64 `json:"from_seq,omitempty"`
	ToSeq   uint64 `json:"to_seq,omitempty"`
	Project string `json:"project,omitempty"`
	Session string `json:"session,omitempty"`
	DryRun  bool   `json:"dry_run,omitempty"`
	// Progress asks how far the replay that goes on has come, or what the last one did; Stop ends it.
	Progress bool `json:"progress,omitempty"`
	Stop     bool `json:"stop,omitempty"`
}

// part checks the bounds.
func (r replayRequest) part() (sink.Part, error) {
	part := sink.Part{FromSeq: r.FromSeq, ToSeq: r.ToSeq, Project: r.Project, Session: r.Session}
	var err error
	if part.From, err = parseMoment("from", r.From, 0); err != nil {
		return part, err
	}
	if part.To, err = parseMoment("to", r.To, 24*time.Hour); err != nil {
		return part, err
	}
	if !part.To.IsZero() && !part.From.Before(part.To) {
		return part, usagef("from %s is not before to %s", r.From, r.To)
	}
	if r.ToSeq != 0 && r.FromSeq > r.ToSeq {
		return part, usagef("from_seq %d is above to_seq %d", r.FromSeq, r.ToSeq)
	}
	return part, nil
}

// replay answers claude-analytics.replay.
func (s *service) replay(ctx context.Context, request replayRequest) (sink.Replayed, error) {
	switch {
	case request.Stop:
		s.sink.StopReplay()
		return s.sink.ReplayProgress(), nil
	case request.Progress:
		return s.sink.ReplayProgress(), nil
	}
	part, err := request.part()
	if err != nil {
		return sink.Replayed{}, err
	}
	return s.sink.Replay(ctx, part, request.DryRun, nil)
}

// replayAnswer is what the command tells.
type replayAnswer struct {
	Mode string `json:"mode"` // live or offline
	sink.Replayed
	// Command asks a running service for the same.
	Command string `json:"command"`
}

// Run asks the service, or opens the files.
func (c *replayCmd) Run(ctx context.Context, e *env) error {
	cfg, log, err := e.startOnce(nil)
	if err != nil {
		return err
	}
	request := replayRequest{
		From: c.From, To: c.To, FromSeq: c.FromSeq, ToSeq: c.ToSeq, Project: c.Project, Session: c.Session, DryRun: c.DryRun,
	}
	if _, err := request.part(); err != nil {
		return err
	}
	answer, err := c.replay(ctx, e, cfg, log, request)
	if answer.Mode == "" {
		return err
	}
	if c.JSON {
		return errors.Join(writeJSON(e.stdout, answer), err)
	}
	printReplayed(e, request, answer)
	return err
}

func (c *replayCmd) replay(ctx context.Context, e *env, cfg config.Loaded, log zerolog.Logger, request replayRequest) (answer replayAnswer, err error) {
	show := newReplayBar(e)
	defer show.finish()
	service, err := live(ctx, cfg)
	switch {
	case err == nil:
		defer service.Close()
		answer = replayAnswer{Mode: "live", Command: natsRequest(service.info.NATSURL, cfg, request)}
		answer.Replayed, err = replayLive(ctx, service, request, show.set)
		return answer, err
	case !errors.Is(err, errNoService):
		return answer, err
	}
	if _, err := os.Stat(cfg.WarehousePath()); err != nil {
		return answer, fmt.Errorf("%w at %s: run `claude-analytics up` or `load` first", errNoWarehouse, cfg.WarehousePath())
	}
	s := newService(cfg, roles{command: "replay", sink: true, modeler: true}, log)
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx, serviceOptions{}); err != nil {
		return answer, err
	}
	part, err := request.part()
	if err != nil {
		return answer, err
	}
	answer = replayAnswer{Mode: "offline", Command: natsRequest("", cfg, request)}
	answer.Replayed, err = s.sink.Replay(ctx, part, request.DryRun, show.set)
	if err == nil && !request.DryRun && answer.Applied+answer.Deleted > 0 {
		_, err = s.refresh(ctx, modeler.Options{})
	}
	return answer, err
}

// replayLive asks the service, and how far it has come meanwhile. One who interrupts the command ends the replay.
func replayLive(ctx context.Context, service *client, request replayRequest, show func(sink.Replayed)) (done sink.Replayed, err error) {
	err = watching(ctx, func() {
		if now, err := ask[sink.Replayed](ctx, service, "replay", replayRequest{Progress: true}); err == nil && now.Running {
			show(now)
		}
	}, func(ctx context.Context) (err error) {
		done, err = ask[sink.Replayed](ctx, service, "replay", request)
		return err
	})
	if ctx.Err() != nil {
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialWait)
		defer cancel()
		done, err = ask[sink.Replayed](asking, service, "replay", replayRequest{Stop: true})
		return done, errors.Join(ctx.Err(), err)
	}
	return done, err
}

// natsRequest is the command line that asks a running service for the same.
func natsRequest(url string, cfg config.Loaded, request replayRequest) string {
	body, err := json.Marshal(request)
	if err != nil {
		return ""
	}
	words := []string{"nats"}
	if url == "" {
		url = cfg.NATSURL
	}
	if url != "" {
		words = append(words, "--server", mask.URLs(url))
	}
	if cfg.NATSCreds != "" {
		words = append(words, "--creds", cfg.NATSCreds)
	}
	return strings.Join(append(words, "request", "--timeout", "1h", "claude-analytics.replay", shellQuote(string(body))), " ")
}

// shellQuote makes text one word of a shell.
func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// replayBar shows how far a replay has come.
type replayBar struct{ bar *bar }

func newReplayBar(e *env) replayBar { return replayBar{newBar(e.stderr, "replaying")} }

func (b replayBar) set(now sink.Replayed) {
	b.bar.describe(fmt.Sprintf("replaying (%s matched, %s applied), read", count(now.Matched), count(now.Applied)))
	b.bar.set(now.Read, now.Read)
}

func (b replayBar) finish() { b.bar.finish() }

// describe says anew what the bar is about.
func (b *bar) describe(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.what = what
	if b.bar != nil {
		b.bar.Describe(what)
	}
}

func printReplayed(e *env, request replayRequest, a replayAnswer) {
	t := table{head: []string{"", "read", "matched", "applied"}, right: map[int]bool{1: true, 2: true, 3: true}}
	for _, row := range []struct {
		name string
		sink.ReplaySteps
	}{{"stream", a.Stream}, {"lake", a.Lake}, {"together", sink.ReplaySteps{Read: a.Read, Matched: a.Matched, Applied: a.Applied}}} {
		t.add(row.name, count(row.Read), count(row.Matched), count(row.Applied))
	}
	t.write(e.stdout)
	verb := "replayed"
	if a.DryRun {
		verb = "would replay"
	}
	e.printf("%s %s (%s) in %s s: %s rows unchanged, %s superseded, %s deleted; %s changes cannot be converted\n", verb, request.words(), a.Mode,
		seconds(a.Seconds), count(a.Unchanged), count(a.Superseded), count(a.Deleted), count(a.Dead))
	if a.Matched == 0 && (request.Project != "" || request.Session != "") {
		e.printf("nothing matched: ids must be as they stand in raw.conversations, columns project_id and session_id\n")
	}
	e.printf("the same, asked of a running service:\n  %s\n", a.Command)
}

// words says what is replayed.
func (r replayRequest) words() string {
	var words []string
	add := func(text, value string) {
		if value != "" {
			words = append(words, text+" "+value)
		}
	}
	add("project", r.Project)
	add("session", r.Session)
	add("from", r.From)
	add("to", r.To)
	for _, bound := range []struct {
		text string
		seq  uint64
	}{{"from message", r.FromSeq}, {"to message", r.ToSeq}} {
		if bound.seq != 0 {
			add(bound.text, count(bound.seq))
		}
	}
	if len(words) == 0 {
		return "everything"
	}
	return strings.Join(words, ", ")
}
