package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/proto"
)

// floorKey is the entry of the stream's metadata that records how far Sweep purged.
const floorKey = "claude-analytics.purge-floor"

// Identity tells one life of the stream from the next.
type Identity struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
}

// State is what the stream holds at one moment.
type State struct {
	Identity Identity `json:"identity"`
	FirstSeq uint64   `json:"first_seq"`
	LastSeq  uint64   `json:"last_seq"`
	Msgs     uint64   `json:"messages"`
	// Bytes is the messages' size before compression.
	Bytes uint64 `json:"bytes"`
	// PurgeFloor: below it Sweep may have purged data. A destination whose watermark is lower missed something.
	PurgeFloor uint64 `json:"purge_floor"`
	// ErasedTo is the newest message that Erase may have removed.
	ErasedTo uint64 `json:"erased_to,omitempty"`
	// DeadLetters is how many letters CONVERSATIONS_DLQ holds.
	DeadLetters uint64 `json:"dead_letters"`
	// Now is the server's clock.
	Now   time.Time   `json:"now"`
	Lanes []LaneState `json:"lanes"`
}

// LaneState is how a lane stands.
type LaneState struct {
	Lane string `json:"lane"`
	// LastSeq and LastTime are of the lane's newest message; 0 for a lane that holds none.
	LastSeq  uint64    `json:"last_seq"`
	LastTime time.Time `json:"last_time"`
	// Writer wrote that message; empty if it does not say.
	Writer string `json:"writer"`
	// Heartbeat is the writer's newest, nil if there is none; HeartbeatSeq its sequence.
	Heartbeat    *proto.Heartbeat `json:"heartbeat,omitempty"`
	HeartbeatSeq uint64           `json:"heartbeat_seq,omitempty"`

	batch string
}

// Message is a message as it stands in the stream. Its Data and Header are the receiver's to keep, not to change.
type Message struct {
	Seq     uint64
	Time    time.Time
	Subject string
	Header  map[string][]string
	Data    []byte
}

// State reads the stream's state, and each lane's.
func (c *Conn) State(ctx context.Context) (State, error) {
	_, js, err := c.clients()
	if err != nil {
		return State{}, err
	}
	beats := proto.PositionSubject("*", writerPosition)
	stream, err := js.Stream(ctx, proto.StreamName)
	if err != nil {
		return State{}, fmt.Errorf("read stream state: %w", err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(beats))
	if err != nil {
		return State{}, fmt.Errorf("read stream state: %w", err)
	}
	state := State{
		Identity:   Identity{Name: info.Config.Name, Created: info.Created},
		FirstSeq:   info.State.FirstSeq,
		LastSeq:    info.State.LastSeq,
		Msgs:       info.State.Msgs,
		Bytes:      info.State.Bytes,
		PurgeFloor: purgeFloor(info.Config),
		ErasedTo:   sequenceIn(info.Config, erasedKey),
		Now:        info.TimeStamp,
	}
	for subject := range info.State.Subjects {
		lane := strings.Split(subject, ".")[1]
		at, err := c.LaneState(ctx, lane)
		if err != nil {
			return State{}, err
		}
		state.Lanes = append(state.Lanes, at)
	}
	slices.SortFunc(state.Lanes, func(a, b LaneState) int { return strings.Compare(a.Lane, b.Lane) })
	letters, err := js.Stream(ctx, proto.DeadLetterName)
	if err != nil {
		return State{}, fmt.Errorf("read dead letter state: %w", err)
	}
	state.DeadLetters = letters.CachedInfo().State.Msgs
	return state, nil
}

func purgeFloor(cfg jetstream.StreamConfig) uint64 { return sequenceIn(cfg, floorKey) }

// sequenceIn reads a sequence from the stream's metadata; 0 if there is none.
func sequenceIn(cfg jetstream.StreamConfig, key string) uint64 {
	seq, err := strconv.ParseUint(cfg.Metadata[key], 10, 64)
	if err != nil {
		return 0
	}
	return seq
}

// LaneState reads how a lane stands. A lane that holds nothing is no error.
func (c *Conn) LaneState(ctx context.Context, lane string) (LaneState, error) {
	state := LaneState{Lane: lane}
	last, err := c.lastMessage(ctx, proto.LaneSubjects(lane))
	if errors.Is(err, ErrNoMessage) {
		return state, nil
	}
	if err != nil {
		return state, fmt.Errorf("read end of lane %s: %w", lane, err)
	}
	state.LastSeq, state.LastTime = last.Seq, last.Time
	state.Writer = nats.Header(last.Header).Get(proto.HeaderWriter)
	state.batch = nats.Header(last.Header).Get(proto.HeaderBatch)
	beat, err := c.lastMessage(ctx, proto.PositionSubject(lane, writerPosition))
	if errors.Is(err, ErrNoMessage) {
		return state, nil
	}
	if err != nil {
		return state, fmt.Errorf("read heartbeat of lane %s: %w", lane, err)
	}
	var heartbeat proto.Heartbeat
	// A heartbeat of a later release that cannot be read is as good as none: the lane's end still has its writer.
	if protobuf.Unmarshal(beat.Data, &heartbeat) == nil {
		state.Heartbeat, state.HeartbeatSeq = &heartbeat, beat.Seq
	}
	return state, nil
}

// MessageAt reads the message at a sequence; ErrNoMessage if there is none (any more).
func (c *Conn) MessageAt(ctx context.Context, seq uint64) (Message, error) {
	return c.getMessage(ctx, proto.StreamName, messageRequest{Seq: seq})
}

// lastMessage reads the newest message under a subject, which may hold wildcards.
func (c *Conn) lastMessage(ctx context.Context, subject string) (Message, error) {
	return c.getMessage(ctx, proto.StreamName, messageRequest{LastFor: subject})
}

// messageRequest is the body of $JS.API.STREAM.MSG.GET.
type messageRequest struct {
	Seq       uint64     `json:"seq,omitempty"`
	LastFor   string     `json:"last_by_subj,omitempty"`
	NextFor   string     `json:"next_by_subj,omitempty"`
	StartTime *time.Time `json:"start_time,omitempty"`
}

// getMessage asks the stream's leader: a direct get may be answered by a replica that lags behind, and what is read
// here decides whether a batch landed.
func (c *Conn) getMessage(ctx context.Context, stream string, request messageRequest) (Message, error) {
	var response struct {
		apiFailure
		Message *struct {
			Subject  string    `json:"subject"`
			Sequence uint64    `json:"seq"`
			Header   []byte    `json:"hdrs"`
			Data     []byte    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
	}
	err := c.api(ctx, "STREAM.MSG.GET."+stream, request, &response)
	if apiCode(err) == codeNoMessage {
		return Message{}, ErrNoMessage
	}
	if err != nil {
		return Message{}, err
	}
	stored := response.Message
	if stored == nil {
		return Message{}, ErrNoMessage
	}
	message := Message{Seq: stored.Sequence, Time: stored.Time, Subject: stored.Subject, Data: stored.Data}
	if len(stored.Header) > 0 {
		header, err := nats.DecodeHeadersMsg(stored.Header)
		if err != nil {
			return Message{}, fmt.Errorf("headers of message %d: %w", stored.Sequence, err)
		}
		message.Header = header
	}
	return message, nil
}

// apiFailure is the part of an answer of the JetStream API that says what went wrong.
type apiFailure struct {
	Error *jetstream.APIError `json:"error"`
}

func (f *apiFailure) failure() *jetstream.APIError { return f.Error }

// api asks the JetStream API and decodes its answer. An error that the API returns is a *jetstream.APIError.
func (c *Conn) api(ctx context.Context, endpoint string, request any, response interface{ failure() *jetstream.APIError }) error {
	nc, _, err := c.clients()
	if err != nil {
		return err
	}
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := nc.RequestWithContext(ctx, jetstream.DefaultAPIPrefix+endpoint, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer.Data, response); err != nil {
		return fmt.Errorf("answer of %s: %w", endpoint, err)
	}
	if failure := response.failure(); failure != nil {
		return failure
	}
	return nil
}
