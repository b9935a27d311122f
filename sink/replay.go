package sink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
	"claude-analytics/sink/lake"
)

// ErrReplaying is returned by Replay while another one goes on.
var ErrReplaying = errors.New("another replay is going on")

// ErrStreamUnknown is returned by Replay if the stream is not the one that the warehouse was filled from.
var ErrStreamUnknown = errors.New("the stream is not the one that the warehouse knows")

// Part says which changes to apply once more; the zero value: all.
type Part struct {
	// From (inclusive) and To (exclusive) bound a row's effective timestamp, as column date has it; zero: no bound.
	From, To time.Time
	// FromSeq and ToSeq are the first and last sequence, in the stream's present life; 0: no bound.
	FromSeq, ToSeq uint64
	// Project and Session are ids, as the rows have them; empty: all.
	Project, Session string
}

// ofRows says that the part is told by what rows hold: then deletes, drops and gaps are not of it.
func (p Part) ofRows() bool {
	return p.Project != "" || p.Session != "" || !p.From.IsZero() || !p.To.IsZero()
}

// whole says that no version of a document can be newer than those of the part, and not be of it.
func (p Part) whole() bool { return !p.ofRows() && p.ToSeq == 0 }

// Replayed is what a replay did, or, dry, would do.
type Replayed struct {
	// Read are the changes that were looked at; Matched those of the part, and newer versions of what came back.
	Read    int64 `json:"read"`
	Matched int64 `json:"matched"`
	// Applied are the rows that were written, Unchanged those that were as they should be, Superseded those of which
	// the warehouse, or the part itself, holds something newer.
	Applied    int64 `json:"applied"`
	Unchanged  int64 `json:"unchanged"`
	Superseded int64 `json:"superseded"`
	// Deleted are the rows that deletes took out.
	Deleted int64 `json:"deleted"`
	// Dead are changes that cannot be converted, so that nobody knows whether they are of the part.
	Dead int64 `json:"dead"`
	// FromStream and FromLake are where the matched ones came from; Stream and Lake say more.
	FromStream int64       `json:"from_stream"`
	FromLake   int64       `json:"from_lake"`
	Stream     ReplaySteps `json:"stream"`
	Lake       ReplaySteps `json:"lake"`
	DryRun     bool        `json:"dry_run"`
	Running    bool        `json:"running"`
	Seconds    float64     `json:"seconds"`
}

// ReplaySteps count what came of one of the two places.
type ReplaySteps struct {
	Read    int64 `json:"read"`
	Matched int64 `json:"matched"`
	Applied int64 `json:"applied"`
}

// replays is the one replay that may go on, as others see it.
type replays struct {
	mu     sync.Mutex
	now    Replayed
	began  time.Time
	cancel context.CancelFunc
}

// Replay applies a part of what was applied before once more: rows that are missing, older than they should be, made by
// other conversion rules, there twice or without their blocks come back as they should be, everything else stays, and
// so does the watermark. It reads the stream, and the lake where the stream no longer reaches, up to the warehouse's
// watermark; what is above comes anyway. Live changes flow on meanwhile. What it did before an error or the end of ctx
// stays done. progress may be nil.
//
// What comes back is never older than it was: newer versions of the same documents, and deletes, are applied too, even
// where they are not of the part.
func (s *Sink) Replay(ctx context.Context, part Part, dryRun bool, progress func(Replayed)) (Replayed, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !s.replays.enter(cancel, dryRun) {
		return Replayed{}, ErrReplaying
	}
	r := &replay{Sink: s, part: part, dryRun: dryRun, progress: progress, namespaces: map[namespace]struct{}{}}
	s.log.Info().Any("part", part).Bool("dry_run", dryRun).Msg("replay started")
	err := r.run(ctx)
	done := s.replays.leave()
	s.log.Info().Any("done", done).AnErr("ended_by", err).Msg("replay finished")
	if err != nil {
		return done, fmt.Errorf("replay: %w", err)
	}
	return done, nil
}

// ReplayProgress is the replay that goes on, or the last one.
func (s *Sink) ReplayProgress() Replayed { return s.replays.get() }

// StopReplay ends the replay that goes on, if there is one; what it did stays.
func (s *Sink) StopReplay() {
	s.replays.mu.Lock()
	defer s.replays.mu.Unlock()
	if s.replays.now.Running {
		s.replays.cancel()
	}
}

func (r *replays) enter(cancel context.CancelFunc, dryRun bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now.Running {
		return false
	}
	r.now, r.began, r.cancel = Replayed{Running: true, DryRun: dryRun}, time.Now(), cancel
	return true
}

func (r *replays) leave() Replayed {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.Running, r.now.Seconds = false, time.Since(r.began).Seconds()
	return r.now
}

func (r *replays) get() Replayed {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now
	if now.Running {
		now.Seconds = time.Since(r.began).Seconds()
	}
	return now
}

func (r *replays) update(change func(*Replayed)) Replayed {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.now)
	return r.now
}

// extent is what a replay can read: of the present epoch the stream holds first to last, and the lake what is below;
// the lake alone holds older epochs.
type extent struct {
	epoch       uint64
	first, last uint64
	identity    stream.Identity
	// floor is the epoch's lake.EpochRecord.Floor.
	floor uint64
}

// extent looks how far stream and warehouse reach. Without Run, nothing has compared them yet.
func (s *Sink) extent(ctx context.Context) (extent, error) {
	s.mu.Lock()
	running, epoch := s.state != StateStopped, s.plan.Epoch
	s.mu.Unlock()
	if running && epoch == 0 {
		return extent{}, errors.New("the sink is still starting: try again in a moment")
	}
	if !running {
		if err := s.lake.Open(ctx); err != nil {
			return extent{}, err
		}
	}
	mark, err := s.warehouseMark(ctx)
	if err != nil {
		return extent{}, err
	}
	state, err := s.conn.State(ctx)
	if err != nil {
		return extent{}, err
	}
	if !running {
		if epoch, err = s.knownEpoch(ctx, state, mark); err != nil {
			return extent{}, err
		}
	}
	e := extent{
		epoch: epoch, first: max(state.PurgeFloor, state.FirstSeq, 1), identity: state.Identity, floor: s.lake.Floor(epoch),
	}
	if mark.Epoch == epoch {
		e.last = max(mark.Seq, mark.Seen)
	}
	return e, nil
}

// knownEpoch is the epoch that would go on if Run was called. A stream that holds nothing stands in nobody's way.
func (s *Sink) knownEpoch(ctx context.Context, state stream.State, mark lake.Mark) (uint64, error) {
	view := streamView{
		Identity: lake.Stream{Name: state.Identity.Name, Created: state.Identity.Created},
		First:    state.FirstSeq, Last: state.LastSeq, PurgeFloor: state.PurgeFloor,
	}
	lakeAt, warehouseAt := standing{Mark: s.lake.Watermark()}, standing{Mark: mark}
	for _, at := range []*standing{&lakeAt, &warehouseAt} {
		var err error
		if at.At, err = s.messageAt(ctx, view, at.Mark); err != nil {
			return 0, err
		}
	}
	epoch, _ := newestEpoch(s.lake.Epochs(), lakeAt.Mark, warehouseAt.Mark)
	reason := broken(view, epoch, s.lake.Epochs(), lakeAt, warehouseAt)
	switch {
	case reason == "":
		return epoch, nil
	case state.Msgs == 0:
		return epoch + 1, nil
	}
	return 0, fmt.Errorf("%w (%s): bring the warehouse up to it first, with claude-analytics load", ErrStreamUnknown, reason)
}

// subject is what the part's changes stand under in the stream.
func (p Part) subject() string {
	if !p.ofRows() {
		return proto.AllSubjects
	}
	return proto.ChangeSubjects(p.Session, p.Project)
}
