package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"claude-analytics/ingest/transcript"
	"claude-analytics/internal/config"
	"claude-analytics/internal/stream"
	"claude-analytics/proto"
	"claude-analytics/sink"
)

// dlqRequest is the body of a request to claude-analytics.dlq.
type dlqRequest struct {
	Action string `json:"action"` // list, show, retry or drop
	letterFilter
	// All stands for a filter where one is needed: retry and drop.
	All bool `json:"all,omitempty"`
	// Limit is how many letters to answer with (list and show: 100) or to work on (retry and drop: 500) at most; After
	// goes on behind a letter's sequence, as Next of the answer before says.
	Limit int    `json:"limit,omitempty"`
	After uint64 `json:"after,omitempty"`
	// From is the byte of the text at which show begins, TextBytes how much of it to show (4 KiB).
	From      int `json:"from,omitempty"`
	TextBytes int `json:"text_bytes,omitempty"`
}

// letterFilter says which letters are meant: those that all of it fits.
type letterFilter struct {
	IDs     []string `json:"ids,omitempty"`
	Source  string   `json:"source,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Session string   `json:"session,omitempty"`
	Project string   `json:"project,omitempty"`
	// Since (inclusive) and Until (exclusive) bound when it was first set aside; a date or a moment.
	Since string `json:"since,omitempty"`
	Until string `json:"until,omitempty"`
}

func (f letterFilter) empty() bool {
	return len(f.IDs) == 0 && f.Source == "" && f.Reason == "" && f.Session == "" && f.Project == "" && f.Since == "" && f.Until == ""
}

// check refuses what no letter can have: a reason that is misspelt would look like a box that is empty.
func (f letterFilter) check() error {
	if f.Reason != "" && !slices.Contains(proto.Reasons(), f.Reason) {
		return usagef("there is no reason %q: it is one of %s", f.Reason, strings.Join(proto.Reasons(), ", "))
	}
	_, err := f.matcher()
	return err
}

// check finds what a request cannot mean.
func (r dlqRequest) check() error {
	if r.Limit < 0 || r.From < 0 || r.TextBytes < 0 {
		return usagef("limit, from and text_bytes must not be negative")
	}
	return r.letterFilter.check()
}

// dlqAnswer is its answer.
type dlqAnswer struct {
	Letters []letterView   `json:"letters,omitempty"`
	Retried []sink.Retried `json:"retried,omitempty"`
	Dropped []string       `json:"dropped,omitempty"`
	// Total is how many letters there are in all.
	Total uint64 `json:"total"`
	// Matching is how many of them the filter fits; only the first page of a list says it.
	Matching uint64 `json:"matching,omitempty"`
	// Next is where to go on; 0: that was all.
	Next uint64 `json:"next,omitempty"`
}

const (
	showLetters   = 100
	workLetters   = 500
	mostLetters   = 2000 // in one answer, whatever was asked for
	showTextBytes = 4 << 10
	// groupBytes bounds the letters that are restored together.
	groupBytes = 16 << 20
)

// letterBox is what dlq works on: the letters, and the sink that takes them back.
type letterBox struct {
	conn *stream.Conn
	sink *sink.Sink
	// cfg says how secrets are replaced in what is published anew.
	cfg config.Loaded
}

// do answers a request, live and offline alike.
func (b *letterBox) do(ctx context.Context, r dlqRequest) (answer dlqAnswer, err error) {
	if err := r.check(); err != nil {
		return answer, err
	}
	fits, err := r.matcher()
	if err != nil {
		return answer, err
	}
	least := showLetters
	switch r.Action {
	case "list", "show":
	case "retry", "drop":
		if least = workLetters; r.empty() && !r.All {
			return answer, usagef("%s needs ids or a filter, or all", r.Action)
		}
	default:
		return answer, usagef("action must be list, show, retry or drop, not %q", r.Action)
	}
	if r.Limit <= 0 {
		r.Limit = least
	}
	state, err := b.conn.LettersState(ctx)
	if err != nil {
		return answer, err
	}
	answer.Total = state.Letters
	if len(r.IDs) == 0 {
		letters, next, matching, err := b.choose(ctx, r, fits)
		if err != nil {
			return answer, err
		}
		answer.Next, answer.Matching = next, matching
		return answer, b.act(ctx, r, letters, &answer)
	}
	for names := r.IDs; len(names) > 0; {
		letters, rest, err := b.byName(ctx, names, fits)
		missing := errors.Is(err, errNoLetter)
		if missing && (r.Action == "retry" || r.Action == "drop") && len(r.IDs) > 1 {
			err = nil // somebody was faster with some of them
		}
		if err != nil {
			return answer, err
		}
		if err := b.act(ctx, r, letters, &answer); err != nil {
			return answer, err
		}
		names = rest
	}
	return answer, nil
}

// act does what is asked for with letters that were read.
func (b *letterBox) act(ctx context.Context, r dlqRequest, letters []stream.Letter, answer *dlqAnswer) error {
	switch r.Action {
	case "list":
		for _, l := range letters {
			answer.Letters = append(answer.Letters, viewOf(l))
		}
		return nil
	case "show":
		for _, l := range letters {
			view := viewOf(l)
			view.render(l, r.From, r.TextBytes)
			answer.Letters = append(answer.Letters, view)
		}
		return nil
	case "retry":
		retried, err := b.retry(ctx, letters)
		answer.Retried = append(answer.Retried, retried...)
		if err != nil {
			return err
		}
	case "drop":
		for _, l := range letters {
			switch err := b.sink.DropLetter(ctx, l); {
			case errors.Is(err, stream.ErrLetterChanged):
			case err != nil:
				return err
			default:
				answer.Dropped = append(answer.Dropped, l.Name)
			}
		}
	}
	return b.sink.MirrorLetters(ctx)
}

// errEnough ends a reading of letters.
var errEnough = errors.New("enough")

// choose finds the letters meant, oldest first, and where to go on; 0: that was all. Their payloads are bounded together. The first
// page of a list reads on to the end, to say how many there are.
func (b *letterBox) choose(ctx context.Context, r dlqRequest, fits func(stream.Letter) bool) (letters []stream.Letter, next, matching uint64, err error) {
	bytes, limit := 0, min(r.Limit, mostLetters)
	counts := r.Action == "list" && r.After == 0
	err = b.conn.Letters(ctx, r.After, func(l stream.Letter) error {
		if !fits(l) {
			return nil
		}
		if counts {
			matching++
		}
		if len(letters) == limit || bytes > groupBytes {
			next = letters[len(letters)-1].LetterSeq
			if counts {
				return nil
			}
			return errEnough
		}
		if r.Action == "list" || r.Action == "drop" {
			l.Payload = nil
		}
		bytes += len(l.Payload)
		letters = append(letters, l)
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return letters, next, matching, err
}

// errNoLetter is returned for a letter that is named and not there.
var errNoLetter = errors.New("there is no dead letter")

// byName reads letters until their payloads are enough for once, and says which names are left.
func (b *letterBox) byName(ctx context.Context, names []string, fits func(stream.Letter) bool) (letters []stream.Letter, rest []string, err error) {
	var missing []error
	bytes := 0
	for i, name := range names {
		if bytes > groupBytes {
			return letters, names[i:], errors.Join(missing...)
		}
		l, err := b.conn.Letter(ctx, name)
		switch {
		case errors.Is(err, stream.ErrNoMessage):
			missing = append(missing, fmt.Errorf("%w %s", errNoLetter, name))
		case err != nil:
			return nil, nil, err
		case fits(l):
			bytes += len(l.Payload)
			letters = append(letters, l)
		}
	}
	return letters, nil, errors.Join(missing...)
}

func (f letterFilter) matcher() (func(stream.Letter) bool, error) {
	since, err := parseMoment("since", f.Since, 0)
	if err != nil {
		return nil, err
	}
	until, err := parseMoment("until", f.Until, 24*time.Hour)
	if err != nil {
		return nil, err
	}
	is := func(want, have string) bool { return want == "" || want == have }
	return func(l stream.Letter) bool {
		return is(f.Source, l.Lane) && is(f.Reason, l.Reason) && is(f.Session, l.Session) && is(f.Project, l.Project) &&
			(since.IsZero() || !l.FirstSeen.Before(since)) && (until.IsZero() || l.FirstSeen.Before(until))
	}, nil
}

// retry restores messages together, and publishes what never was a message.
func (b *letterBox) retry(ctx context.Context, letters []stream.Letter) ([]sink.Retried, error) {
	var messages, others []stream.Letter
	for _, l := range letters {
		if l.Seq != 0 {
			messages = append(messages, l)
		} else {
			others = append(others, l)
		}
	}
	results, err := b.restore(ctx, messages)
	if err != nil {
		return results, err
	}
	published, err := b.publish(ctx, others)
	return append(results, published...), err
}

// restore falls back to one by one, so that one that a damaged file of the lake stops does not stop the others.
func (b *letterBox) restore(ctx context.Context, letters []stream.Letter) ([]sink.Retried, error) {
	if len(letters) == 0 {
		return nil, nil
	}
	results, err := b.sink.Restore(ctx, letters)
	if err == nil || len(letters) == 1 || ctx.Err() != nil || errors.Is(err, sink.ErrNotRunning) {
		return results, err
	}
	results = nil
	for _, l := range letters {
		one, err := b.sink.Restore(ctx, []stream.Letter{l})
		switch {
		case ctx.Err() != nil:
			return results, ctx.Err()
		case err != nil:
			failed, ferr := b.sink.LetterFailed(ctx, l, l.Reason, err.Error())
			if ferr != nil {
				return results, ferr
			}
			results = append(results, failed)
		default:
			results = append(results, one...)
		}
	}
	return results, nil
}

// publish publishes parts of sources anew, on a lane of its own: a source's own lane has its own writer.
func (b *letterBox) publish(ctx context.Context, letters []stream.Letter) (results []sink.Retried, err error) {
	if len(letters) == 0 {
		return nil, nil
	}
	var redact transcript.Redactor
	if rules, err := loadRules(b.cfg); err != nil {
		return nil, err
	} else if rules != nil {
		redact = rules
	}
	var lane *stream.Lane
	defer func() {
		if lane != nil {
			err = errors.Join(err, lane.Release(ctx))
		}
	}()
	for _, l := range letters {
		entry, reason, detail := anew(l, b.conn.MaxPayload(), redact)
		if reason != "" {
			failed, err := b.sink.LetterFailed(ctx, l, reason, detail)
			if err != nil {
				return results, err
			}
			results = append(results, failed)
			continue
		}
		if lane == nil {
			if lane, err = b.conn.OpenLane(ctx, stream.LaneConfig{Lane: proto.RetryLane, Writer: retryWriter()}); err != nil {
				return results, err
			}
		}
		if _, err := lane.Publish(ctx, []stream.Outgoing{entry}); err != nil {
			return results, fmt.Errorf("publish what letter %s holds: %w", l.Name, err)
		}
		done, err := b.sink.LetterPublished(ctx, l)
		if err != nil {
			return results, err
		}
		results = append(results, done)
	}
	return results, nil
}

func retryWriter() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return "dlq-" + host
}

// anew is the change that a letter of a source becomes under today's rules, or why it becomes none.
func anew(l stream.Letter, maxMessage int64, redact transcript.Redactor) (change stream.Outgoing, reason, detail string) {
	if l.Part == "" {
		return change, l.Reason, "this is no letter of this program: drop it"
	}
	if l.File == "" {
		return change, l.Reason, "what a collection's change stream gave out of turn cannot be published later: " +
			"once its cause is mended, read the collection again with claude-analytics extract --full-backfill, and drop the letter"
	}
	entry, err := transcript.Again(l.DeadLetter, maxMessage, redact, time.Now().UTC())
	if err != nil {
		return change, l.Reason, err.Error()
	}
	if entry.Letter != nil {
		return change, entry.Letter.Reason, entry.Letter.Detail
	}
	subject, err := proto.ParseSubject(entry.Subject)
	if err != nil {
		return change, l.Reason, err.Error()
	}
	return stream.Outgoing{Subject: subject.OnLane(proto.RetryLane), Data: entry.Data}, "", ""
}
