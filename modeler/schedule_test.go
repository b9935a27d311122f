package modeler

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/robfig/cron/v3"
)

// started is a refresh as the schedule asked for it.
type started struct {
	at     time.Duration // since the start of the test
	reason Reason
	full   bool
}

// errMore stands for a refresh that went well and left a part of the backlog.
var errMore = errors.New("more")

// play runs a schedule in a bubble of its own time: changes arrive at the given times, each refresh takes took, and after
// until everything stops.
func play(t *testing.T, s schedule, changes []time.Duration, took func(n int) time.Duration, until time.Duration, fail func(n int) error) []started {
	t.Helper()
	var got []started
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), until)
		defer cancel()
		s.zone = time.UTC
		s.note = func(bool, time.Time) {}
		s.refresh = func(ctx context.Context, reason Reason, full bool) (bool, error) {
			n := len(got)
			got = append(got, started{time.Since(begin), reason, full})
			select {
			case <-time.After(took(n)):
			case <-ctx.Done():
			}
			var err error
			if fail != nil {
				err = fail(n)
			}
			if errors.Is(err, errMore) {
				return true, nil
			}
			return false, err
		}
		applied := make(chan struct{}, 1)
		go func() {
			for _, at := range changes {
				select {
				case <-time.After(at - time.Since(begin)):
				case <-ctx.Done():
					return
				}
				select {
				case applied <- struct{}{}:
				default:
				}
			}
		}()
		s.run(ctx, applied)
		synctest.Wait()
	})
	return got
}

const ms = time.Millisecond

func defaults() schedule {
	return schedule{debounce: 100 * ms, maxWait: 250 * ms, behindWait: 2 * time.Second}
}

func constant(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }

func every(step, from, to time.Duration) []time.Duration {
	var out []time.Duration
	for at := from; at < to; at += step {
		out = append(out, at)
	}
	return out
}

func expect(t *testing.T, got []started, want ...started) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("refresh %d: got %v, want %v", i, got[i], want[i])
		}
	}
}

func TestDebounce(t *testing.T) {
	start := started{100 * ms, ReasonStart, false}
	t.Run("one change, soon after another", func(t *testing.T) {
		got := play(t, defaults(), []time.Duration{490 * ms}, constant(10*ms), 3*time.Second, nil)
		expect(t, got, start, started{590 * ms, ReasonChange, false})
	})
	t.Run("a quiet moment is waited for", func(t *testing.T) {
		got := play(t, defaults(), []time.Duration{400 * ms, 460 * ms, 510 * ms}, constant(10*ms), 3*time.Second, nil)
		expect(t, got, start, started{610 * ms, ReasonChange, false})
	})
	t.Run("but not for long", func(t *testing.T) {
		got := play(t, defaults(), every(50*ms, 400*ms, 700*ms), constant(10*ms), 3*time.Second, nil)
		expect(t, got, start, started{650 * ms, ReasonChange, false}, started{760 * ms, ReasonChange, false})
	})
	t.Run("not for one that comes alone", func(t *testing.T) {
		got := play(t, defaults(), []time.Duration{500 * ms}, constant(10*ms), 3*time.Second, nil)
		expect(t, got, start, started{520 * ms, ReasonChange, false})
	})
	t.Run("unless more comes at once", func(t *testing.T) {
		got := play(t, defaults(), []time.Duration{500 * ms, 515 * ms}, constant(10*ms), 3*time.Second, nil)
		expect(t, got, start, started{615 * ms, ReasonChange, false})
	})
	t.Run("a refresh that takes long is followed by a pause of a quarter of that", func(t *testing.T) {
		got := play(t, defaults(), every(10*ms, 500*ms, 9*time.Second), constant(2*time.Second), 8*time.Second, nil)
		// 100 + 2,000 + 500 pause; then each 2.5 s
		expect(t, got, start, started{2600 * ms, ReasonChange, false}, started{5100 * ms, ReasonChange, false}, started{7600 * ms, ReasonChange, false})
	})
	t.Run("nothing is lost while a refresh runs", func(t *testing.T) {
		got := play(t, defaults(), []time.Duration{150 * ms}, constant(200*ms), 3*time.Second, nil)
		expect(t, got, start, started{400 * ms, ReasonChange, false})
	})
}

// behindFor is a backlog that is gone so long after it was first asked for.
func behindFor(d time.Duration) func() bool {
	var first time.Time
	return func() bool {
		if first.IsZero() {
			first = time.Now()
		}
		return time.Since(first) < d
	}
}

func TestBehind(t *testing.T) {
	s := defaults()
	t.Run("a backlog postpones", func(t *testing.T) {
		s := s
		s.behind = func() bool { return true }
		got := play(t, s, []time.Duration{3 * time.Second}, constant(10*ms), 6*time.Second, nil)
		expect(t, got, started{2 * time.Second, ReasonStart, false}, started{5 * time.Second, ReasonChange, false})
	})
	t.Run("and refreshes take a fifth of the time at most", func(t *testing.T) {
		s := s
		s.behind = func() bool { return true }
		got := play(t, s, every(100*ms, 0, 20*time.Second), constant(time.Second), 14*time.Second, nil)
		expect(t, got, started{2 * time.Second, ReasonStart, false}, started{7 * time.Second, ReasonChange, false}, started{12 * time.Second, ReasonChange, false})
	})
	t.Run("which ends with the backlog", func(t *testing.T) {
		s := s
		s.behind = behindFor(3500 * ms)
		got := play(t, s, every(100*ms, 0, 20*time.Second), constant(time.Second), 5*time.Second, nil)
		expect(t, got, started{2 * time.Second, ReasonStart, false}, started{3500 * ms, ReasonChange, false}, started{4750 * ms, ReasonChange, false})
	})
	t.Run("also while a refresh of it rests, and nobody says so", func(t *testing.T) {
		s := s
		s.behind = behindFor(4200 * ms)
		got := play(t, s, []time.Duration{3 * time.Second}, constant(2*time.Second), 10*time.Second, nil)
		expect(t, got, started{2 * time.Second, ReasonStart, false}, started{4500 * ms, ReasonChange, false})
	})
	t.Run("what the models alone are behind with is taken up at once", func(t *testing.T) {
		got := play(t, defaults(), nil, constant(time.Second), 10*time.Second, func(n int) error {
			if n < 2 {
				return errMore
			}
			return nil
		})
		expect(t, got, started{100 * ms, ReasonStart, false}, started{1200 * ms, ReasonStart, false}, started{2300 * ms, ReasonStart, false})
	})
	t.Run("until it is gone", func(t *testing.T) {
		s := s
		s.behind = behindFor(500 * ms)
		got := play(t, s, nil, constant(10*ms), 3*time.Second, nil)
		if len(got) != 1 || got[0].at < 500*ms || got[0].at > 700*ms {
			t.Errorf("got %v, want one between 500 and 700 ms", got)
		}
	})
}

func TestTimerAndCron(t *testing.T) {
	t.Run("timer", func(t *testing.T) {
		s := defaults()
		s.interval = time.Minute
		got := play(t, s, nil, constant(0), 130*time.Second, nil)
		expect(t, got, started{100 * ms, ReasonStart, false}, started{60*time.Second + 100*ms, ReasonTimer, false}, started{120*time.Second + 100*ms, ReasonTimer, false})
	})
	t.Run("cron rebuilds", func(t *testing.T) {
		s := defaults()
		var err error
		if s.cron, err = cron.ParseStandard("0 2 * * *"); err != nil { // the bubble's clock begins at midnight
			t.Fatal(err)
		}
		got := play(t, s, nil, constant(0), 27*time.Hour, nil)
		expect(t, got, started{100 * ms, ReasonStart, false}, started{2 * time.Hour, ReasonCron, true}, started{26 * time.Hour, ReasonCron, true})
	})
}

func TestBackoff(t *testing.T) {
	bad := errors.New("bad")
	got := play(t, defaults(), nil, constant(0), 20*time.Second, func(n int) error {
		if n < 4 {
			return bad
		}
		return nil
	})
	s := time.Second
	expect(t, got, started{100 * ms, ReasonStart, false}, started{1*s + 100*ms, ReasonStart, false}, started{3*s + 100*ms, ReasonStart, false},
		started{7*s + 100*ms, ReasonStart, false}, started{15*s + 100*ms, ReasonStart, false})
}
