package stream

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

var (
	// ErrServerTooOld is returned by Open for a NATS server that lacks what the guarantee rests on.
	ErrServerTooOld = errors.New("NATS server is too old")

	// ErrNoJetStream is returned by Open for a server, or an account on it, without JetStream.
	ErrNoJetStream = errors.New("JetStream is not enabled")

	// ErrStore is returned if the embedded server cannot use its directory: it cannot be written, or what it holds
	// cannot be read. Fetch returns it for an external server too that holds what it cannot read.
	ErrStore = errors.New("JetStream store cannot be used")

	// ErrUnreachable is returned by Open if Config.ConnectWait passed without a connection.
	ErrUnreachable = errors.New("NATS server cannot be reached")

	// ErrStreamConfig is returned if an existing stream differs from what is needed in a way that no update mends.
	ErrStreamConfig = errors.New("stream cannot be used as it is")

	// ErrClosed is returned by a Conn before Open and after Close, and by a Lane after Release.
	ErrClosed = errors.New("stream connection is closed")

	// ErrStreamChanged is returned if the stream or the consumer vanished, was recreated or lost its tail: the
	// destination must look at its watermark again and open a new Consumer.
	ErrStreamChanged = errors.New("stream changed")

	// ErrLaneReset is returned if the lane no longer ends where its writer left it: the stream was recreated, lost
	// its tail, or an earlier publish of unknown outcome landed after all. The writer reads its positions again and
	// goes on from them; until then every Publish returns it.
	ErrLaneReset = errors.New("lane was reset")

	// ErrNoMessage is returned where the stream holds no message at the sequence or subject asked for.
	ErrNoMessage = errors.New("no such message")

	// ErrTooLarge is returned by Publish for a message over MaxPayload; nothing of its batch was published.
	ErrTooLarge = errors.New("message is too large for the stream")

	// ErrBatch is returned by Publish for a batch that no server would take: too many messages, a subject of
	// another lane, a position twice.
	ErrBatch = errors.New("batch cannot be published")

	// ErrNoService is returned by Client.Request if nobody serves the endpoint.
	ErrNoService = errors.New("no service answers")
)

// TakenError is returned if another writer has the lane. It is final: two writers of one lane are a mistake in
// configuration, or a standby took over.
type TakenError struct {
	Lane string
	// Writer is the other's id; Host and PID are of its heartbeat, as far as that is readable.
	Writer string
	Host   string
	PID    int64
}

// Error implements error.
func (e *TakenError) Error() string {
	who := e.Writer
	if who == "" {
		who = "unknown"
	}
	if e.Host != "" {
		who = fmt.Sprintf("%s (host %s, process %d)", who, e.Host, e.PID)
	}
	return fmt.Sprintf("lane %q was taken by writer %s; stop one of the two, or give them different sources", e.Lane, who)
}

// Error codes of the JetStream API that nats.go has no name for.
const (
	codeClusterNotAvailable jetstream.ErrorCode = 10008
	codeNoResources         jetstream.ErrorCode = 10023
	codeNoStorage           jetstream.ErrorCode = 10047
	codeStoreFailed         jetstream.ErrorCode = 10077
	codeNoMessage           jetstream.ErrorCode = 10037
)

// apiCode is the JetStream error code in err, or 0.
func apiCode(err error) jetstream.ErrorCode {
	var api *jetstream.APIError
	if errors.As(err, &api) && api != nil {
		return api.ErrorCode
	}
	var js jetstream.JetStreamError
	if errors.As(err, &js) && js.APIError() != nil {
		return js.APIError().ErrorCode
	}
	return 0
}

// isFenced reports whether the server refused a batch since its lane does not end where the writer believes.
func isFenced(err error) bool {
	code := apiCode(err)
	return code == jetstream.JSErrCodeStreamWrongLastSequence || code == jetstream.JSErrCodeStreamWrongLastSequenceConstant
}

// isTemporary reports whether the same request may succeed later. A request that gave no answer counts: the server
// may be starting. Whether the caller's own context ended is for the caller to ask.
func isTemporary(err error) bool {
	if err == nil {
		return false
	}
	for _, final := range []error{
		nats.ErrMaxPayload, nats.ErrInvalidArg, nats.ErrBadSubject,
		ErrClosed, ErrStore, ErrStreamChanged, ErrStreamConfig, ErrLaneReset, ErrNoMessage, ErrTooLarge, ErrBatch,
	} {
		if errors.Is(err, final) {
			return false
		}
	}
	var api *jetstream.APIError
	if code := apiCode(err); code != 0 {
		switch code {
		case jetstreamext.JSErrCodeBatchPublishIncomplete, jetstreamext.JSErrCodeAtomicPublishTooManyInflight,
			codeNoResources, codeNoStorage, codeClusterNotAvailable:
			return true
		case codeStoreFailed:
			// A message over the store's limit is checked before; what is left is trouble with the disk.
			return true
		}
		return errors.As(err, &api) && api.Code >= 500
	}
	return true
}

// isAbsent reports whether the server says that a stream or consumer does not exist.
func isAbsent(err error) bool {
	return errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) ||
		errors.Is(err, jetstream.ErrConsumerDoesNotExist)
}
