package mongodb

import (
	"sync/atomic"
	"time"

	"claude-analytics/proto"
)

// Policies for a history that is lost: the values of HISTORY_LOST.
const (
	HistoryFail       = "fail"
	HistoryResnapshot = "resnapshot"
	HistoryReset      = "reset"
)

// Config says what to read.
type Config struct {
	// Lane names the source in every change.
	Lane string
	// URI is a connection string to a replica set or a sharded cluster; its read preference is kept to.
	URI                  string
	Database, Collection string
	// HistoryLost is what to do when the server no longer holds the changes from the position on; empty: fail.
	HistoryLost string
	// MaxMessage is the largest change that can be published, bytes; a larger one is set aside.
	MaxMessage int64
	// Once ends Run when everything up to the moment of the start has been read.
	Once bool
	// Resnapshot asks for the whole collection to be read again, whatever the position says; nil: that is not asked for.
	Resnapshot *Request
	// Reread publishes those documents again that it accepts, once, after which the changes go on. nil: none.
	Reread func(*proto.Change) bool
	// PositionEvery is how often an idle collection's token is published; 0: 10 s.
	PositionEvery time.Duration
	// Turn is how long a snapshot goes on before the changes have their turn; 0: 10 s.
	Turn time.Duration
	// Redact replaces secrets in what was read; nil: nothing is replaced.
	Redact Redactor
	// Counters outlive the tailer; nil: nobody wants to know.
	Counters *Counters
}

// Request is a snapshot that was asked for. It outlives the tailer, so that a reset of the lane neither forgets it nor
// begins it twice.
type Request struct {
	at       time.Time
	finished atomic.Bool
}

// NewRequest asks for a snapshot that begins at or after a moment.
func NewRequest(at time.Time) *Request { return &Request{at: at.UTC().Truncate(time.Microsecond)} }

// open reports whether the snapshot is still to be begun.
func (r *Request) open(at *place) bool {
	return r != nil && !r.finished.Load() && (!at.snapshot || at.since.Before(r.at))
}

// Namespace is "database.collection".
func (c Config) Namespace() string { return c.Database + "." + c.Collection }

const (
	// window is how much may be read ahead of what is published, bytes.
	window = 48 << 20
	// replyBytes is what one reply of the server should hold: enough to be worth the way, well below its limit.
	replyBytes = 4 << 20
	// firstReply and largestReply bound the number of documents in a reply; the first ones are of unknown size.
	firstReply, largestReply = 32, 2000
	// manyEvents in one reply say that more are likely to come: within moreWithin, from a server that has them.
	manyEvents, moreWithin = 50, 25 * time.Millisecond
	// await is how long the server waits for a change before it says that there is none; awaitOnce where nobody follows.
	await, awaitOnce = 500 * time.Millisecond, 50 * time.Millisecond
	// estimateAfter is from when on a snapshot is long enough for somebody to ask how long it still takes.
	estimateAfter = 5 * time.Second
	// selectionTimeout is how long to look for a server before that is told, unless the URI says otherwise.
	selectionTimeout = 5 * time.Second
	// How long to wait for the server's answer before that counts as a fault: to a question, to the opening of a stream or
	// cursor, to a request for more.
	askTimeout, openTimeout, replyTimeout = 30 * time.Second, 5 * time.Minute, 2 * time.Minute
	// freshTarget is for how long it is known that everything was read.
	freshTarget = 500 * time.Millisecond
	// Pauses between attempts.
	retryFirst, retryLongest = 100 * time.Millisecond, 30 * time.Second
	// fatalTries is how often a change stream may break at the same token before its history counts as lost.
	fatalTries = 3
	// maxLosses is how often the history may be lost before a snapshot was complete.
	maxLosses = 3
)

// Counters count what happens beside what is published. They only grow.
type Counters struct {
	// Inserts, … count changes by operation; Snapshots documents that a snapshot read.
	Inserts, Updates, Replaces, Deletes, Drops, Snapshots atomic.Int64
	// WithoutDocument counts updates whose document was gone before it could be looked up.
	WithoutDocument atomic.Int64
	// Split counts changes that came in several parts, Narrow those that had to be fetched apart from their document.
	Split, Narrow atomic.Int64
	// Reopened counts how often the change stream was opened again, Retries how often that or reading failed.
	Reopened, Retries atomic.Int64
	// HistoryLost counts gaps.
	HistoryLost atomic.Int64
	// OnError is told of each error of the server, by its code (0: the network); nil: nobody.
	OnError func(code int32)
}
