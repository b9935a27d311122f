package mongodb

import (
	"sync"
	"time"
)

// What a tailer is doing: the values of Stats.Phase.
const (
	PhaseConnecting = "connecting"
	PhaseSnapshot   = "snapshot"
	PhaseFollowing  = "following"
	PhaseRetrying   = "retrying" // the server does not answer, or not as it should
)

// Stats is what a tailer sees at a moment.
type Stats struct {
	Namespace string `json:"namespace"`
	// Server is the version, Set the replica set's name, as soon as they are known.
	Server string `json:"server,omitempty"`
	Set    string `json:"replica_set,omitempty"`
	Phase  string `json:"phase"`
	// Fault is what does not work while Phase is retrying, FaultCode the server's code (0: the network), Since when it
	// began, Attempts how often it was tried.
	Fault     string    `json:"fault,omitempty"`
	FaultCode int32     `json:"fault_code,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	Attempts  int       `json:"attempts,omitempty"`
	// SnapshotDocuments of about SnapshotTotal documents have been read by the snapshot under way.
	SnapshotDocuments int64 `json:"snapshot_documents,omitempty"`
	SnapshotTotal     int64 `json:"snapshot_total,omitempty"`
	// Published is the cluster time up to which changes are in the stream, as far as that is known; Behind how long ago
	// the newest change that was read happened, 0 when there is nothing more to read.
	Published time.Time     `json:"published,omitzero"`
	Behind    time.Duration `json:"-"`
	// CaughtUp is true once everything that was there at the start has been read and published.
	// CaughtUpAt is the moment of which that is known: everything that was there then has been read.
	CaughtUp   bool      `json:"caught_up"`
	CaughtUpAt time.Time `json:"caught_up_at,omitzero"`
}

// stats is Stats under a lock.
type stats struct {
	mu   sync.Mutex
	now  Stats
	read bool // everything that was there at the start has been read
}

func (s *stats) set(change func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.now)
}

// caughtUp notes that what was there at a moment has been read.
func (s *stats) caughtUp(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read, s.now.CaughtUpAt = true, at.UTC()
}

// notCaughtUp notes that it is not known how much there is to read.
func (s *stats) notCaughtUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = false
}

// Stats tells how things stand.
func (t *Tailer) Stats() Stats {
	t.stats.mu.Lock()
	defer t.stats.mu.Unlock()
	now := t.stats.now
	if now.Phase == PhaseRetrying {
		now.Behind = time.Since(now.Since) // what happens now is not seen
	}
	now.CaughtUp = t.stats.read && now.Phase == PhaseFollowing && t.onTheWay.Load() == 0
	return now
}
