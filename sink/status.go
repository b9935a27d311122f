package sink

import (
	"sync"
	"time"

	"claude-analytics/sink/bronze"
	"claude-analytics/sink/lake"
)

// Names of the destinations: the label consumer of the metrics, the part of dead letters.
const (
	DestinationLake      = "lake"
	DestinationWarehouse = "warehouse"
)

// States of the sink.
const (
	// StateStopped: Run has not begun or has ended.
	StateStopped = "stopped"
	// StateStarting: the destinations are opened and the epoch is decided.
	StateStarting = "starting"
	// StateRebuilding: the warehouse is being filled from the lake.
	StateRebuilding = "rebuilding"
	// StateRunning: both destinations follow the stream.
	StateRunning = "running"
)

// Status is the sink as people and health checks see it.
type Status struct {
	State string `json:"state"`
	Epoch uint64 `json:"epoch"`
	// EpochReason says why this epoch began or goes on.
	EpochReason string            `json:"epoch_reason,omitempty"`
	Lake        DestinationStatus `json:"lake"`
	Warehouse   DestinationStatus `json:"warehouse"`
	// Files is the lake in numbers, Faults what is wrong with its folder.
	Files  lake.Stats   `json:"files"`
	Faults []lake.Fault `json:"faults,omitempty"`
	// LeftOut is how many files of the lake the last rebuild of the warehouse could not read.
	LeftOut int64 `json:"left_out,omitempty"`
	// Gaps are parts of the stream that a destination never got.
	Gaps []Gap `json:"gaps,omitempty"`
	// SourceGaps are parts of sources' histories that could not be read: the newest recentGaps of meta.gaps, newest last.
	SourceGaps []bronze.SourceGap `json:"source_gaps,omitempty"`
	// Error is what keeps the sink from starting; empty while it runs.
	Error string `json:"error,omitempty"`
}

// DestinationStatus is how far one destination has come.
type DestinationStatus struct {
	Epoch uint64 `json:"epoch"`
	// Seq is the last change that is durable there, Seen the last message of any kind.
	Seq  uint64 `json:"seq"`
	Seen uint64 `json:"seen"`
	// Lag is how many messages were not yet durable there when last looked; -1: not known.
	Lag int64 `json:"lag"`
	// Rows, Batches and DeadLetters count since the process started.
	Rows        uint64 `json:"rows"`
	Batches     uint64 `json:"batches"`
	DeadLetters uint64 `json:"dead_letters"`
	// Newest is the newest extracted_at that is durable there; LastAt when the last batch became so.
	Newest time.Time `json:"newest,omitzero"`
	LastAt time.Time `json:"last_at,omitzero"`
	// Error is what does not work now, since ErrorSince, after Attempts; empty: all works.
	Error      string    `json:"error,omitempty"`
	ErrorSince time.Time `json:"error_since,omitzero"`
	Attempts   int       `json:"attempts,omitempty"`
}

// progress is a destination's status, safe for concurrent use.
type progress struct {
	mu sync.Mutex
	s  DestinationStatus
	// problems are what does not work now, by what is being done.
	problems map[string]problem
	// taken and done count the messages that were fetched and that were settled.
	taken, done int64
	// quiet is since when nothing was pending or in hand, as far as somebody looked; zero: it is not so.
	quiet time.Time
}

type problem struct {
	text     string
	since    time.Time
	attempts int
}

// get is the status; of several problems it names the oldest.
func (p *progress) get() DestinationStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	status := p.s
	for doing, at := range p.problems {
		if status.Error == "" || at.since.Before(status.ErrorSince) {
			status.Error, status.ErrorSince, status.Attempts = doing+": "+at.text, at.since, at.attempts
		}
	}
	return status
}

func (p *progress) update(change func(*DestinationStatus)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.s)
}

func (p *progress) ok(doing string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.problems, doing)
}

func (p *progress) failed(doing string, err error, since time.Time, attempts int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.problems == nil {
		p.problems = map[string]problem{}
	}
	p.problems[doing] = problem{err.Error(), since, attempts}
}

// took counts messages that were fetched.
func (p *progress) took(messages int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken += int64(messages)
	p.quiet = time.Time{}
}

// settled counts messages that are done with, up to seq.
func (p *progress) settled(seq uint64, messages int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.s.Seen = max(p.s.Seen, seq)
	p.done += int64(messages)
}

// inHand is how many messages were fetched and not settled.
func (p *progress) inHand() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken - p.done
}

// quietFor reports whether nothing was pending or in hand whenever somebody looked, for that long.
func (p *progress) quietFor(nothingPending bool, long time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !nothingPending || p.taken != p.done:
		p.quiet = time.Time{}
	case p.quiet.IsZero():
		p.quiet = time.Now()
	}
	return !p.quiet.IsZero() && time.Since(p.quiet) > long
}

// place sets where a destination begins; nothing is in hand then, and nothing is wrong yet.
func (p *progress) place(mark lake.Mark, epoch, after uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.s.Epoch, p.s.Seq, p.s.Seen, p.s.Lag = epoch, 0, after, -1
	p.taken, p.done, p.problems, p.quiet = 0, 0, nil, time.Time{}
	if mark.Epoch == epoch {
		p.s.Seq = mark.Seq
	}
}
