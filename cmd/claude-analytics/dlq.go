package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"claude-analytics/internal/config"
	"claude-analytics/modeler"
	"claude-analytics/sink"
)

// dlqCmd looks after the dead letters.
type dlqCmd struct {
	List  dlqListCmd  `cmd:"" help:"What was set aside, why, and since when."`
	Show  dlqShowCmd  `cmd:"" help:"Letters with what they hold."`
	Retry dlqRetryCmd `cmd:"" help:"Convert them again under today's rules, and put what they hold where it belongs."`
	Drop  dlqDropCmd  `cmd:"" help:"Remove them for good: what they hold is lost."`
}

// Help says what a dead letter is.
func (dlqCmd) Help() string {
	return "A line or message that cannot be published or converted is set aside whole, with its reason, in the stream CONVERSATIONS_DLQ;\n" +
		"everything else goes on. Each letter has an id; filters choose several; all of what is given must fit.\n\n" +
		"  claude-analytics dlq list --reason too_large\n" +
		"  claude-analytics dlq show 3f2a9c04d1e8b765\n" +
		"  claude-analytics dlq retry --all            after an upgrade: rows are restored in their own order\n" +
		"  claude-analytics dlq drop --source laptop --reason broken_line\n" +
		"  nats request claude-analytics.dlq '{\"action\":\"list\",\"reason\":\"version\"}'"
}

// dlqFilter are the flags that choose letters.
type dlqFilter struct {
	IDs     []string `arg:"" optional:"" name:"id" help:"Letters by their ids."`
	Source  string   `help:"Of this lane." placeholder:"LANE"`
	Reason  string   `help:"broken_line, not_object, too_large, not_convertible, not_decodable, version or operation." placeholder:"REASON"`
	Session string   `help:"Of this session." placeholder:"ID"`
	Project string   `help:"Of this project." placeholder:"ID"`
	Since   string   `help:"First set aside at this date or moment, or later." placeholder:"WHEN"`
	Until   string   `help:"First set aside on this date, before this moment, or earlier." placeholder:"WHEN"`
}

func (f dlqFilter) filter() letterFilter { return letterFilter(f) }

// letterLimit checks how many letters a command may show.
func letterLimit(limit int) error {
	if limit < 0 {
		return usagef("--limit must not be negative")
	}
	return nil
}

// asking sends requests to the running service, or works on the files.
type asking func(context.Context, dlqRequest) (dlqAnswer, error)

// withLetters finds whoever can do it: the running service; else the stream alone (looking), or a sink on it that has
// come to the stream's end (working).
func withLetters(ctx context.Context, e *env, works bool, use func(context.Context, asking) error) (err error) {
	cfg, log, err := e.startOnce(nil)
	if err != nil {
		return err
	}
	service, err := live(ctx, cfg)
	switch {
	case err == nil:
		defer service.Close()
		return use(ctx, func(ctx context.Context, r dlqRequest) (dlqAnswer, error) {
			return ask[dlqAnswer](ctx, service, "dlq", r)
		})
	case !errors.Is(err, errNoService):
		return err
	}
	if err := needStream(cfg); err != nil {
		return err
	}
	s := newService(cfg, roles{command: "dlq", sink: works}, log)
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx, serviceOptions{}); err != nil {
		return err
	}
	box := &letterBox{conn: s.conn, sink: s.sink, cfg: s.cfg}
	if !works {
		return use(ctx, box.do)
	}
	return s.run(ctx, func(ctx context.Context) error {
		// The lake takes late rows only where it has been already.
		if err := s.sink.Drain(ctx); err != nil {
			return err
		}
		if err := use(ctx, box.do); err != nil && !errors.Is(err, errStillDead) {
			return err
		} else if rerr := s.remodel(ctx); rerr != nil || err != nil {
			return errors.Join(err, rerr)
		}
		return nil
	})
}

// remodel brings the marts up to what was restored or published anew; in a running service that happens by itself.
func (s *service) remodel(ctx context.Context) error {
	if err := s.sink.Drain(ctx); err != nil {
		return err
	}
	_, err := s.modeler.Refresh(ctx, modeler.Options{})
	return err
}

// errStillDead says that a retry worked, and that some letters cannot be converted yet.
var errStillDead = errors.New("they stay")

// needStream says what is missing where there is no stream to look at.
func needStream(cfg config.Loaded) error {
	if cfg.NATSURL != "" {
		return nil
	}
	if _, err := os.Stat(cfg.StreamDir()); err != nil {
		return usagef("there is no stream in %s: run `claude-analytics up` first, or set DATA_DIR or NATS_URL", cfg.DataDir)
	}
	return nil
}

// dlqListCmd lists letters.
type dlqListCmd struct {
	dlqFilter
	Limit int  `help:"Letters at most; 0: all." default:"100"`
	JSON  bool `help:"For programs."`
}

// Run prints them, oldest first.
func (c *dlqListCmd) Run(ctx context.Context, e *env) error {
	if err := errors.Join(letterLimit(c.Limit), c.filter().check()); err != nil {
		return err
	}
	return withLetters(ctx, e, false, func(ctx context.Context, ask asking) error {
		answer, err := gather(ctx, ask, dlqRequest{Action: "list", letterFilter: c.filter()}, c.Limit)
		if err != nil {
			return err
		}
		if c.JSON {
			return writeJSON(e.stdout, answer)
		}
		t := table{head: []string{"id", "source", "reason", "place", "bytes", "tries", "first seen"}, right: map[int]bool{4: true, 5: true}}
		for _, l := range answer.Letters {
			t.add(l.ID, printable(l.Source), l.Reason, cut(l.place(), 60), count(l.Size), count(l.Attempts), l.FirstSeen.Format(time.DateTime))
		}
		if len(answer.Letters) > 0 {
			t.write(e.stdout)
		}
		of := count(answer.Total)
		if !c.filter().empty() && len(c.IDs) == 0 {
			of = count(answer.Matching) + " that fit, among " + of
		}
		e.printf("%s of %s dead letters\n", count(len(answer.Letters)), of)
		if answer.Next != 0 {
			fmt.Fprintln(e.stderr, "there are more; --limit 0 shows all")
		}
		return nil
	})
}

// gather pages through the letters until limit; 0: all.
func gather(ctx context.Context, ask asking, r dlqRequest, limit int) (all dlqAnswer, err error) {
	for {
		if r.Limit = showLetters; limit > 0 {
			r.Limit = min(limit-len(all.Letters), r.Limit)
		}
		answer, err := ask(ctx, r)
		if err != nil {
			return all, err
		}
		answer.Letters = append(all.Letters, answer.Letters...)
		answer.Matching = max(answer.Matching, all.Matching)
		all = answer
		r.After = all.Next
		if all.Next == 0 || limit > 0 && len(all.Letters) >= limit {
			return all, nil
		}
	}
}

// cut shortens text from its middle, so that both ends are seen.
func cut(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most/2-1]) + "…" + string(runes[len(runes)-(most-most/2):])
}

// dlqShowCmd shows letters whole.
type dlqShowCmd struct {
	dlqFilter
	Full  bool `help:"All of the text, however long."`
	Limit int  `help:"Letters at most." default:"10"`
	JSON  bool `help:"For programs."`
}

// fullPiece is how much of a text is fetched at once: it must fit the smallest of servers' messages, escaped.
const fullPiece = 128 << 10

// Run prints them with what they hold.
func (c *dlqShowCmd) Run(ctx context.Context, e *env) error {
	if err := errors.Join(letterLimit(c.Limit), c.filter().check()); err != nil {
		return err
	}
	return withLetters(ctx, e, false, func(ctx context.Context, ask asking) error {
		found, err := gather(ctx, ask, dlqRequest{Action: "list", letterFilter: c.filter()}, c.Limit)
		if err != nil {
			return err
		}
		shown := make([]letterView, 0, len(found.Letters))
		for _, l := range found.Letters {
			view, err := c.whole(ctx, ask, l.ID)
			if err != nil {
				return err
			}
			shown = append(shown, view)
		}
		if c.JSON {
			return writeJSON(e.stdout, dlqAnswer{Letters: shown, Total: found.Total, Next: found.Next})
		}
		for i, l := range shown {
			if i > 0 {
				e.println()
			}
			printLetter(e, l)
		}
		if len(shown) == 0 {
			e.println("no dead letter fits")
		}
		return nil
	})
}

// whole fetches one letter, with all of its text if that is asked for.
func (c *dlqShowCmd) whole(ctx context.Context, ask asking, id string) (letterView, error) {
	r := dlqRequest{Action: "show", letterFilter: letterFilter{IDs: []string{id}}}
	if c.Full {
		r.TextBytes = fullPiece
	}
	var view letterView
	for {
		answer, err := ask(ctx, r)
		if err != nil {
			return view, err
		}
		if len(answer.Letters) == 0 {
			return view, fmt.Errorf("dead letter %s is gone", id)
		}
		part := answer.Letters[0]
		part.Text, part.From = view.Text+part.Text, 0
		done := !c.Full || len(part.Text) >= part.TextSize || len(part.Text) == len(view.Text)
		if view = part; done {
			return view, nil
		}
		r.From = len(view.Text)
	}
}

// dlqRetryCmd retries letters.
type dlqRetryCmd struct {
	dlqFilter
	All  bool `help:"All letters there are."`
	JSON bool `help:"For programs."`
}

// Run retries them; exit code 1 if one still fails.
func (c *dlqRetryCmd) Run(ctx context.Context, e *env) error {
	filter := c.filter()
	if err := filter.check(); err != nil {
		return err
	}
	if filter.empty() && !c.All {
		return usagef("name letters, give a filter, or say --all")
	}
	return withLetters(ctx, e, true, func(ctx context.Context, ask asking) error {
		var all dlqAnswer
		err := work(ctx, e, ask, dlqRequest{Action: "retry", letterFilter: filter, All: c.All}, func(answer dlqAnswer) int {
			all.Retried, all.Total = append(all.Retried, answer.Retried...), answer.Total
			return len(answer.Retried)
		})
		if err != nil {
			return err
		}
		return c.print(e, all)
	})
}

func (c *dlqRetryCmd) print(e *env, all dlqAnswer) error {
	outcomes := map[string]int{}
	for _, r := range all.Retried {
		outcomes[r.Outcome]++
	}
	if c.JSON {
		if err := writeJSON(e.stdout, all); err != nil {
			return err
		}
	} else {
		t := table{head: []string{"id", "outcome", "why"}}
		for _, r := range all.Retried {
			if r.Outcome == sink.OutcomeFailed {
				t.add(r.Letter, r.Outcome, printable(r.Reason+": "+r.Detail))
			}
		}
		if len(t.rows) > 0 {
			t.write(e.stdout)
		}
		e.printf("%s letters retried", count(len(all.Retried)))
		for _, outcome := range sink.Outcomes {
			if n := outcomes[outcome]; n > 0 {
				e.printf(", %s %s", count(n), outcome)
			}
		}
		e.println()
	}
	if n := outcomes[sink.OutcomeFailed]; n > 0 {
		return fmt.Errorf("%s of %s dead letters cannot be converted yet; %w", count(n), count(len(all.Retried)), errStillDead)
	}
	return nil
}

// work pages through the letters that were there when it began: one that fails again is stored anew, at the end.
func work(ctx context.Context, e *env, ask asking, r dlqRequest, took func(dlqAnswer) int) error {
	listed, err := gather(ctx, ask, dlqRequest{Action: "list", letterFilter: r.letterFilter}, 0)
	if err != nil {
		return err
	}
	progress := newBar(e.stderr, r.Action)
	defer progress.finish()
	done, total := 0, int64(len(listed.Letters))
	for chunk := range slices.Chunk(listed.Letters, workLetters/5) {
		names := make([]string, len(chunk))
		for i, l := range chunk {
			names[i] = l.ID
		}
		answer, err := ask(ctx, dlqRequest{Action: r.Action, letterFilter: letterFilter{IDs: names}})
		if err != nil {
			return err
		}
		done += took(answer)
		progress.set(int64(done), total)
	}
	return nil
}

// dlqDropCmd drops letters.
type dlqDropCmd struct {
	dlqFilter
	All  bool `help:"All letters there are."`
	JSON bool `help:"For programs."`
}

// Run drops them.
func (c *dlqDropCmd) Run(ctx context.Context, e *env) error {
	filter := c.filter()
	if err := filter.check(); err != nil {
		return err
	}
	if filter.empty() && !c.All {
		return usagef("name letters, give a filter, or say --all: what is dropped is lost")
	}
	return withLetters(ctx, e, true, func(ctx context.Context, ask asking) error {
		var all dlqAnswer
		err := work(ctx, e, ask, dlqRequest{Action: "drop", letterFilter: filter, All: c.All}, func(answer dlqAnswer) int {
			all.Dropped, all.Total = append(all.Dropped, answer.Dropped...), answer.Total
			return len(answer.Dropped)
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return writeJSON(e.stdout, all)
		}
		e.printf("%s dead letters dropped\n", count(len(all.Dropped)))
		return nil
	})
}
