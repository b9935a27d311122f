package mongodb

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"claude-analytics/proto"
)

// errNoPosition is a lane that had begun and of which the stream holds no position.
var errNoPosition = errors.New("the stream holds no position of the lane")

// read is the tailer's life: it opens the change stream and reads, again and again, until ctx ends, or with Config.Once
// everything has been read. It is the one place where reading is tried again.
func (t *Tailer) read(ctx context.Context) error {
	defer t.disconnect()
	pause := retryFirst
	var since time.Time
	for attempts := 0; ; {
		before := t.place.token
		err := t.live(ctx, func() { attempts, pause, since = 0, retryFirst, time.Time{} })
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errReopen) && !bytes.Equal(before, t.place.token) {
			t.log.Info().Msg("the change stream ended with the collection, opening it behind that")
			continue
		}
		what, code := react(err)
		if what == tryFew {
			if t.fatal++; !bytes.Equal(before, t.place.token) {
				t.fatal = 1
			}
			if t.fatal >= fatalTries {
				what = historyLost
			}
		}
		switch what {
		case refuse:
			return refusal(err, code)
		case historyLost:
			if err := t.lost(proto.GapHistoryLost, code, err); err != nil {
				return err
			}
			continue
		case withoutSplit:
			if t.canSplit {
				t.canSplit, t.split = false, false
				t.log.Warn().Err(err).Msg("the server cannot split large changes; those over 16 MB are fetched apart")
				continue
			}
		case fetchApart:
			if t.canSplit && !t.split {
				// Looking at the size of every event costs the server a quarter of its work, so it begins when it is needed.
				t.split = true
				t.log.Info().Msg("a change is too large for one reply: from now on the server splits such")
				continue
			}
			if err = t.fetchApart(ctx); err == nil {
				continue
			}
		case tryAgain, tryFew:
		}
		if attempts++; since.IsZero() {
			since = time.Now().UTC()
		}
		t.cfg.Counters.Retries.Add(1)
		// Where no server is found nothing is asked, so that nobody has counted it.
		if !t.counted.Swap(false) {
			t.failed(err)
			t.counted.Store(false)
		}
		wait := pause - time.Duration(rand.Int64N(int64(pause)/4+1))
		t.log.Warn().Err(err).Int32("code", code).Int("attempt", attempts).Dur("retry_in", wait).Msg("MongoDB does not answer as it should, trying again")
		t.stats.set(func(s *Stats) {
			s.Phase, s.Fault, s.FaultCode, s.Since, s.Attempts = PhaseRetrying, err.Error(), code, since, attempts
		})
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		pause = min(2*pause, retryLongest)
	}
}

// live reads through one change stream until it breaks. ok is called as soon as it is seen to work.
func (t *Tailer) live(ctx context.Context, ok func()) error {
	if err := t.connect(); err != nil {
		return err
	}
	if err := t.examine(ctx); err != nil {
		return err
	}
	cs, err := t.open(ctx)
	if err != nil {
		return err
	}
	defer cs.close()
	defer t.dropCursor(ctx)
	t.target, t.empty = 0, 0
	t.stats.notCaughtUp()
	if t.place.token == nil {
		t.firstToken(cs)
	}
	if err := t.tellGap(ctx); err != nil {
		return err
	}
	for {
		if t.place.snapshot {
			t.enter(PhaseSnapshot)
			if err := t.takeTurn(ctx, cs); err != nil {
				return err
			}
			ok()
		}
		again, err := t.takeAll(ctx, cs, ok)
		if err != nil || again {
			return orReopen(err)
		}
		if t.place.snapshot {
			continue
		}
		t.enter(PhaseFollowing)
		if err := t.reached(ctx, cs); err != nil {
			return err
		}
		if t.cfg.Once && t.stats.readAll() {
			return nil
		}
	}
}

// errReopen is a change stream that ended as it should: behind an invalidate.
var errReopen = errors.New("the change stream has ended")

func orReopen(err error) error {
	if err != nil {
		return err
	}
	return errReopen
}

// takeAll reads the changes that there are: all of them while the collection is followed, one reply at a time, and for
// one turn's length beside a snapshot.
func (t *Tailer) takeAll(ctx context.Context, cs *changeStream, ok func()) (again bool, err error) {
	deadline := time.Now().Add(t.cfg.Turn)
	for {
		n, again, err := t.take(ctx, cs)
		if err != nil || again {
			return again, err
		}
		ok()
		if n > 0 {
			t.fatal = 0
			t.dropCursor(ctx)
		}
		if !t.place.snapshot || n == 0 || time.Now().After(deadline) {
			return false, t.idle(ctx, n)
		}
	}
}

// idle publishes the place of a collection in which nothing happens now and then, so that its token does not grow old.
func (t *Tailer) idle(ctx context.Context, n int) error {
	if n > 0 {
		t.empty = 0
		return nil
	}
	t.empty++
	behind := time.Duration(0)
	if known := tokenTime(t.place.token); known != 0 && known < t.target {
		behind = wall(t.target).Sub(wall(known)) // it still looks for changes among those of others
	}
	t.stats.set(func(s *Stats) { s.Behind = behind })
	if time.Since(t.told) < t.cfg.PositionEvery || t.place.snapshot && t.place.began == 0 {
		return nil
	}
	return t.say(ctx, nil)
}

// firstToken keeps where the change stream was opened, before anything else is read.
func (t *Tailer) firstToken(cs *changeStream) {
	if token := cs.ResumeToken(); token != nil {
		t.place.token = copied(token)
		t.place.time = max(t.place.time, tokenTime(token))
	}
	if at := cs.session.OperationTime(); at != nil && t.place.time == 0 {
		t.place.time = clusterTime(at.T, at.I)
	}
}

// reached finds out whether everything that was there when it last asked has been read.
func (t *Tailer) reached(ctx context.Context, cs *changeStream) error {
	if t.target == 0 || t.ended || t.stats.readAll() && time.Since(t.asked) > freshTarget {
		t.ended = false
		asked := time.Now()
		if err := t.toPresent(ctx, cs, readpref.PrimaryPreferred()); err != nil {
			return err
		}
		if at := cs.session.OperationTime(); at != nil {
			t.target, t.empty, t.asked = clusterTime(at.T, at.I), 0, asked
		}
	}
	// An event of the target's own time may have companions of the same transaction behind it; a reply without an event
	// tells how far the server has looked, or, where the token does not tell the time, that there was none left.
	known := tokenTime(t.place.token)
	passed := t.place.time > t.target
	looked := t.empty > 0 && (known == 0 || known >= t.target)
	if !passed && !looked {
		return nil
	}
	if !t.reread {
		if err := t.readAgain(ctx, cs); err != nil {
			return err
		}
		t.reread, t.target = true, 0
		return nil
	}
	t.stats.caughtUp(t.asked)
	return nil
}

func (s *stats) readAll() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read
}

// enter notes what the tailer does now, and that it works.
func (t *Tailer) enter(phase string) {
	t.stats.set(func(s *Stats) {
		if s.Phase == PhaseRetrying {
			t.log.Info().Dur("after", time.Since(s.Since)).Int("attempts", s.Attempts).Msg("MongoDB answers again")
		}
		s.Phase, s.Fault, s.FaultCode, s.Since, s.Attempts = phase, "", 0, time.Time{}, 0
	})
}

// patient is a context that ends after a while. Unlike a deadline it does not make the driver try again and again, unseen,
// until then.
func patient(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(timeout, func() { cancel(errNoAnswer) })
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

// unanswered is err, or, if it only says that a patient context has ended, why that was.
func unanswered(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errNoAnswer) {
		return errNoAnswer
	}
	return err
}

// errNoAnswer is a server that does not answer, and does not say why.
var errNoAnswer = errors.New("MongoDB does not answer")
