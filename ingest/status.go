package ingest

import (
	"errors"
	"time"

	"claude-analytics/ingest/mongodb"
	"claude-analytics/ingest/transcript"
	"claude-analytics/internal/stream"
)

// What an ingest is doing: the values of Status.State.
const (
	StateStarting   = "starting"
	StateStandby    = "standby"    // another writer has the lane
	StateWaiting    = "waiting"    // none of the folders exists yet
	StateConnecting = "connecting" // looking for MongoDB for the first time
	StateScanning   = "scanning"   // looking through the folders for the first time
	StateReading    = "reading"    // reading what was there at the start; of a collection: a snapshot
	StateFollowing  = "following"  // publishing what is written, as it is written
	StateRetrying   = "retrying"   // MongoDB, or the stream, does not answer as it should; Detail says how
	StateDone       = "done"       // a single pass is over
	StateStopped    = "stopped"
	StateFailed     = "failed"
)

// What a lane reads: the values of Status.Kind.
const (
	KindFolders = "folders"
	KindMongoDB = "mongodb"
)

// Status is how an ingest stands. Counts of what was published begin with the process.
type Status struct {
	Lane   string `json:"lane"`
	Kind   string `json:"kind"`
	Writer string `json:"writer,omitempty"`
	State  string `json:"state"`
	// Detail says more of a state: whose the lane is, or what failed.
	Detail  string         `json:"detail,omitempty"`
	Folders []FolderStatus `json:"folders,omitempty"`
	Files   int            `json:"files"`
	// Collection is how a MongoDB collection stands; nil for folders.
	Collection *mongodb.Stats `json:"collection,omitempty"`

	Documents   int64 `json:"documents"`
	Bytes       int64 `json:"bytes"`
	DeadLetters int64 `json:"dead_letters"`
	// LagBytes is what was seen on disk and is not published; HalfLines counts files that end in an unfinished line,
	// which is waited for and is no lag.
	LagBytes  int64 `json:"lag_bytes"`
	HalfLines int   `json:"half_lines"`
	// Unreadable counts files and folders that cannot be read now, Unwatched folders where only looking finds changes.
	Unreadable int `json:"unreadable"`
	Unwatched  int `json:"unwatched"`
	// Rewritten and Renamed count files that were read again from the start, or went on under another name. Replaced
	// counts characters that were no valid text.
	Rewritten int64 `json:"rewritten"`
	Renamed   int64 `json:"renamed"`
	Replaced  int64 `json:"replaced_characters"`

	CaughtUp    bool       `json:"caught_up"`
	LastPublish *time.Time `json:"last_publish,omitempty"`
	LastSeq     uint64     `json:"last_seq,omitempty"`
}

// FolderStatus is how one folder stands.
type FolderStatus struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	Exists bool   `json:"exists"`
	Files  int    `json:"files"`
}

// progress is what an ingest knows of itself.
type progress struct {
	state, detail string
	writer        string
	begun         bool   // that the lane has begun is kept
	trouble       string // why nothing can be published; empty: it can

	documents, bytes, letters int64
	last                      time.Time
	seq                       uint64
}

func (i *Ingest) enter(state, detail string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now.state, i.now.detail = state, detail
}

// shownFrom is from which failed attempt on a lane counts as retrying: an election, or a server that is busy, is over by then.
const shownFrom = 3

// trouble takes note of an attempt to publish that failed, or, without an error, of one that came through.
func (i *Ingest) trouble(attempt int, err error) {
	if err != nil {
		i.metrics.retries.Inc()
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case err == nil:
		i.now.trouble = ""
	case attempt >= shownFrom || errors.Is(err, stream.ErrNoRoom):
		i.now.trouble = "nothing can be published: " + err.Error()
	}
}

// grace is how long the last batch, and then the release of the lane, may take: not long where the stream has taken nothing for a
// while. What is not published is read again at the next start.
func (i *Ingest) grace() time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.now.trouble != "" {
		return time.Second
	}
	return grace
}

// ended notes how Run ended.
func (i *Ingest) ended(err error, done bool) {
	switch {
	case err != nil:
		i.enter(StateFailed, err.Error())
	case done:
		i.enter(StateDone, "")
	default:
		i.enter(StateStopped, "")
	}
}

// Status tells how the ingest stands. It is cheap enough to be asked for every second.
func (i *Ingest) Status() Status {
	i.mu.Lock()
	now, reader := i.now, i.reader
	i.mu.Unlock()
	s := Status{
		Lane: i.cfg.Lane, Writer: now.writer, State: now.state, Detail: now.detail,
		Documents: now.documents, Bytes: now.bytes, DeadLetters: now.letters, LastSeq: now.seq,
	}
	if !now.last.IsZero() {
		s.LastPublish = &now.last
	}
	i.source.see(&s)
	if reader != nil {
		reader.see(&s)
	}
	if now.trouble != "" && now.state == StateFollowing {
		s.State, s.Detail = StateRetrying, now.trouble
	}
	return s
}

// seeFolders adds what the follower sees.
func (s *Status) seeFolders(f transcript.Stats) {
	missing := 0
	for n, files := range f.FilesIn {
		s.Folders[n].Exists, s.Folders[n].Files = f.Scanned && files >= 0, max(0, files)
		if files < 0 {
			missing++
		}
	}
	s.Files, s.HalfLines, s.Unreadable, s.Unwatched = f.Files, f.HalfLines, f.Unreadable, f.Unwatched
	s.LagBytes, s.CaughtUp = f.LagBytes, f.CaughtUp
	if s.State != StateFollowing {
		return
	}
	switch {
	case !f.Scanned:
		s.State = StateScanning
	case missing == len(s.Folders):
		s.State = StateWaiting
	case f.Backlog:
		s.State = StateReading
	}
}

// CaughtUp reports whether everything that was there, when it was last looked at or heard of, has been published.
// Unfinished lines and what cannot be read do not count.
func (i *Ingest) CaughtUp() bool {
	i.mu.Lock()
	reader := i.reader
	i.mu.Unlock()
	return reader != nil && reader.caughtUp()
}
