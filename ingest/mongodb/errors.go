package mongodb

import (
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
)

// HistoryLostError is returned under HISTORY_LOST=fail: changes since the position can no longer be read.
type HistoryLostError struct {
	Namespace string
	// Since is up to when changes were read; zero if that is not known.
	Since time.Time
	// Code is the server's; 0 if it was the stream that lost the position.
	Code int32
	Err  error
}

// Error implements error. It names the remedy.
func (e *HistoryLostError) Error() string {
	since := ""
	if !e.Since.IsZero() {
		since = " since " + e.Since.Format(time.RFC3339)
	}
	return fmt.Sprintf("the history of %s%s is lost: %v. Remedy: start once with HISTORY_LOST=resnapshot, which reads the collection again "+
		"and removes what was deleted meanwhile (or HISTORY_LOST=reset, which goes on from now and leaves the gap); "+
		"a larger oplog (replSetResizeOplog) keeps it from happening again", e.Namespace, since, e.Err)
}

// Unwrap returns the cause.
func (e *HistoryLostError) Unwrap() error { return e.Err }

// SetupError is a fault of the settings or of the server's, which trying again does not mend.
type SetupError struct {
	Problem, Remedy string
	Err             error
}

// Error implements error.
func (e *SetupError) Error() string {
	text := e.Problem
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text + ". Remedy: " + e.Remedy
}

// Unwrap returns the cause.
func (e *SetupError) Unwrap() error { return e.Err }

// reaction is what an error leads to.
type reaction int

const (
	// tryAgain: open the change stream again where it was, after a pause, for ever.
	tryAgain reaction = iota
	// tryFew: the same, but a few times at most at one token; then the history is lost.
	tryFew
	// historyLost: HISTORY_LOST decides.
	historyLost
	// fetchApart: the event is too large to be read with its document.
	fetchApart
	// withoutSplit: the server cannot split events; go on without.
	withoutSplit
	// refuse: end with the remedy.
	refuse
)

// Codes of the server that have a reaction of their own. All others, and errors of the network, lead to tryAgain.
const (
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeInvalidNamespace     = 73
	codeCappedPositionLost   = 136
	codeView                 = 166
	codeInvalidResumeToken   = 260
	codeStreamFatal          = 280
	codeHistoryLost          = 286
	codeTokenNotUsable       = 464
	codeAtlas                = 8000
	codeTooLarge             = 10334
	codeUnknownStage         = 40324
	codeNotReplicaSet        = 40573
	codeMalformedToken       = 50811
)

// Role is the least that the tailer's user must be allowed.
const Role = `{resource: {db: "<MONGO_DB>", collection: "<MONGO_COLLECTION>"}, actions: ["find", "changeStream"]}`

// react decides by the server's code.
func react(err error) (reaction, int32) {
	var setup *SetupError
	if errors.As(err, &setup) {
		return refuse, 0
	}
	if errors.Is(err, errSplit) {
		return tryFew, 0
	}
	code := codeOf(err)
	var reading *streamError
	switch inStream := errors.As(err, &reading); {
	case code == codeInvalidResumeToken && inStream:
		// The driver resumed by itself, in a way that does not go on behind an invalidate.
		return tryFew, code
	case code == codeTooLarge && !inStream:
		return tryAgain, code
	}
	switch code {
	case codeHistoryLost, codeInvalidResumeToken, codeTokenNotUsable, codeMalformedToken:
		return historyLost, code
	case codeStreamFatal, codeCappedPositionLost:
		// The place may still be good; if it is not, the server says so when asked for it again.
		return tryFew, code
	case codeTooLarge:
		return fetchApart, code
	case codeUnknownStage:
		return withoutSplit, code
	case codeUnauthorized, codeAuthenticationFailed, codeAtlas, codeInvalidNamespace, codeView, codeNotReplicaSet:
		return refuse, code
	}
	return tryAgain, code
}

// codeOf is the server's code in an error; 0 if it is no server's.
func codeOf(err error) int32 {
	var wire driver.Error // what a command monitor is told
	if errors.As(err, &wire) {
		return wire.Code
	}
	var server mongo.ServerError
	if !errors.As(err, &server) {
		return 0
	}
	if codes := server.ErrorCodes(); len(codes) > 0 {
		return int32(codes[0])
	}
	return 0
}

// refusal says what to do about a code that leads to refuse.
func refusal(err error, code int32) error {
	var setup *SetupError
	if errors.As(err, &setup) {
		return err
	}
	fault := &SetupError{Err: err}
	switch code {
	case codeUnauthorized:
		fault.Problem = "MongoDB does not permit it"
		fault.Remedy = "grant the user in MONGO_URI a role with the privilege " + Role
	case codeAuthenticationFailed, codeAtlas:
		fault.Problem = "MongoDB does not accept the user"
		fault.Remedy = "correct user, password and authSource in MONGO_URI"
	case codeView:
		fault.Problem = "it is a view, which has no change stream"
		fault.Remedy = "set MONGO_COLLECTION to the collection behind it"
	case codeInvalidNamespace:
		fault.Problem = "it cannot be followed"
		fault.Remedy = "correct MONGO_DB and MONGO_COLLECTION"
	default:
		fault.Problem = "it is not a replica set, and only replica sets have change streams"
		fault.Remedy = standaloneRemedy
	}
	return fault
}

const standaloneRemedy = "start mongod with --replSet rs0 and run rs.initiate() once (a single node is enough), or follow a transcript folder instead"
