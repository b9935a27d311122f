package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"claude-analytics/internal/stream"
	"claude-analytics/sink/bronze"
	"claude-analytics/sink/lake"
)

// ErrNotRunning is returned for what needs the sink to follow the stream.
var ErrNotRunning = errors.New("the sink does not follow the stream (yet)")

// Outcomes of a retry.
const (
	// OutcomeRestored: what the letter held is in the lake and the warehouse, in its own order.
	OutcomeRestored = "restored"
	// OutcomeSuperseded: it is in the lake; the warehouse has something newer, which stays.
	OutcomeSuperseded = "superseded"
	// OutcomeRepublished: it was never in the stream, and was published as a new change.
	OutcomeRepublished = "republished"
	// OutcomeFailed: it still cannot be converted; the letter stays, with its new reason.
	OutcomeFailed = "failed"
	// OutcomeChanged: somebody else retried or dropped it meanwhile, or it was set aside anew.
	OutcomeChanged = "changed"
)

// Outcomes are all of them.
var Outcomes = []string{OutcomeRestored, OutcomeSuperseded, OutcomeRepublished, OutcomeFailed, OutcomeChanged}

// Retried is what became of a letter.
type Retried struct {
	Letter  string `json:"letter"`
	Outcome string `json:"outcome"`
	// Reason and Detail say why it failed.
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Restore converts messages that were set aside once more, and puts what they hold where it belongs by their own order
// (epoch, sequence): in the lake into their batch, in the warehouse unless it has something newer. A letter is removed
// after both are durable; a crash between leaves it, and the next retry finds its row and changes nothing. The letters must
// be of messages (Seq is not 0). The sink must run.
func (s *Sink) Restore(ctx context.Context, letters []stream.Letter) ([]Retried, error) {
	if err := s.awaitRunning(ctx); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	r := &restoration{Sink: s, load: newBronzeLoad(len(letters), s.cfg.StoreRaw)}
	defer r.release()
	results := make([]Retried, len(letters))
	for i, l := range letters {
		results[i] = Retried{Letter: l.Name}
		if err := r.take(ctx, i, l); err != nil {
			return nil, err
		}
	}
	r.load.seal()
	r.sealed = true
	if err := r.land(ctx); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	if err := r.apply(ctx); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	for i, l := range letters {
		if err := r.finish(ctx, l, &results[i], r.items[i]); err != nil {
			return results, fmt.Errorf("restore: %w", err)
		}
		s.metrics.lettersRetried.WithLabelValues(results[i].Outcome).Inc()
	}
	return results, nil
}

// startWait bounds how long a sink that is starting, or filling the warehouse, is waited for.
const startWait = 2 * time.Minute

func (s *Sink) awaitRunning(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for {
		if s.Status().State == StateRunning {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: it is %s", ErrNotRunning, s.Status().State)
		case <-time.After(landWait):
		}
	}
}

// restoration is some letters on their way back.
type restoration struct {
	*Sink
	items  []item
	load   *bronzeLoad
	sealed bool
	late   []lake.Late
	lakes  []*lakeLoad
}

func (r *restoration) release() {
	if !r.sealed {
		r.load.seal()
	}
	r.load.release()
	for _, l := range r.lakes {
		l.release()
	}
}

// take converts a letter's message, and gathers what it holds. One that cannot be converted stays a dead item.
func (r *restoration) take(ctx context.Context, i int, l stream.Letter) error {
	it := item{epoch: l.Epoch, seq: l.Seq, data: l.Payload, size: len(l.Payload), floor: r.lake.Floor(l.Epoch)}
	if l.Truncated {
		data, err := r.whole(ctx, l)
		if err != nil {
			return err
		}
		if data == nil {
			it.die(l.Reason, fmt.Sprintf("the letter holds %d of %d bytes, and message %d of epoch %d is not in the stream any more: "+
				"fetch the document again with claude-analytics extract --full-backfill", len(l.Payload), l.Size, l.Seq, l.Epoch))
		}
		it.data = data
	}
	it.convert(r.newConverter())
	r.items = append(r.items, it)
	if it.kind == kindDead {
		return nil
	}
	r.load.add(&r.items[i])
	r.load.batch.Settled = append(r.load.batch.Settled, l.Name)
	into := newLakeLoad()
	into.add(&r.items[i])
	into.seal()
	r.lakes = append(r.lakes, into)
	for date, row := range into.dates {
		r.late = append(r.late, lake.Late{Epoch: it.epoch, Seq: it.seq, Date: date.String(), Row: row})
	}
	return nil
}

// whole reads a message that was too large for its letter from the stream; nil if that does not hold it any more.
func (r *restoration) whole(ctx context.Context, l stream.Letter) ([]byte, error) {
	if r.Status().Epoch != l.Epoch {
		return nil, nil
	}
	message, err := r.conn.MessageAt(ctx, l.Seq)
	if isGone(err) || err == nil && int64(len(message.Data)) != l.Size {
		return nil, nil
	}
	return message.Data, err
}

func isGone(err error) bool { return errors.Is(err, stream.ErrNoMessage) }

// landWait is how often the lake is looked at until it has come to a message.
const landWait = 100 * time.Millisecond

// land puts the rows into the lake. The batch that one belongs to may still be in hand, or on its way: it lands first.
func (r *restoration) land(ctx context.Context) error {
	if len(r.late) == 0 {
		return nil
	}
	if err := r.step("restore: land"); err != nil {
		return err
	}
	for {
		_, err := r.lake.AddLate(ctx, r.late)
		if !errors.Is(err, lake.ErrNotLanded) {
			return err
		}
		if r.Status().State != StateRunning {
			return fmt.Errorf("%w: %w", ErrNotRunning, err)
		}
		if err := r.FlushLake(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(landWait):
		}
	}
}

// apply is a batch of its own that moves no watermark.
func (r *restoration) apply(ctx context.Context) error {
	if len(r.load.batch.Settled) == 0 {
		return nil
	}
	if err := r.step("restore: apply"); err != nil {
		return err
	}
	stats, err := r.bronze.Apply(ctx, r.load.batch)
	if err != nil {
		return err
	}
	r.noteGaps(r.load.batch.Gaps)
	r.announce(Applied{Batch: stats.Batch, Newest: r.warehouse.get().Newest})
	return r.step("restore: applied")
}

// finish removes the letter of what was restored, and gives the others their new reason.
func (r *restoration) finish(ctx context.Context, l stream.Letter, result *Retried, it item) error {
	if it.kind != kindDead {
		result.Outcome = OutcomeRestored
		if it.kind == kindRow {
			stands, err := r.bronze.Stands(ctx, it.row.Source, it.row.ID, bronze.Order{Epoch: it.epoch, Seq: it.seq})
			if err != nil {
				return err
			}
			if !stands {
				result.Outcome = OutcomeSuperseded
			}
		}
		if err := r.conn.RemoveLetter(ctx, l); err != nil && !errors.Is(err, stream.ErrLetterChanged) {
			return err
		}
		return r.step("restore: removed")
	}
	return r.failed(ctx, l, result, it.reason, it.detail)
}

// LetterFailed says of a letter that a retry has failed, and why. The letter stays.
func (s *Sink) LetterFailed(ctx context.Context, l stream.Letter, reason, detail string) (Retried, error) {
	result := Retried{Letter: l.Name}
	err := s.failed(ctx, l, &result, reason, detail)
	s.metrics.lettersRetried.WithLabelValues(result.Outcome).Inc()
	return result, err
}

func (s *Sink) failed(ctx context.Context, l stream.Letter, result *Retried, reason, detail string) error {
	result.Outcome, result.Reason, result.Detail = OutcomeFailed, reason, detail
	now := l.DeadLetter
	now.Reason, now.Detail, now.At = reason, detail[:min(len(detail), maxDetail)], time.Now().UTC()
	now.Attempts++
	err := s.conn.ReplaceLetter(ctx, l, now)
	if errors.Is(err, stream.ErrLetterChanged) {
		result.Outcome = OutcomeChanged
		return nil
	}
	return err
}

// LetterPublished removes the letter of what was published as a new change.
func (s *Sink) LetterPublished(ctx context.Context, l stream.Letter) (Retried, error) {
	result := Retried{Letter: l.Name, Outcome: OutcomeRepublished}
	if err := s.conn.RemoveLetter(ctx, l); err != nil && !errors.Is(err, stream.ErrLetterChanged) {
		return result, err
	}
	s.metrics.lettersRetried.WithLabelValues(result.Outcome).Inc()
	return result, s.bronze.MirrorLetters(ctx, nil, []string{l.Name})
}
