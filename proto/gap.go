package proto

import (
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Why a part of a source's history is missing: the values of Gap.Reason.
const (
	// GapHistoryLost: the server no longer holds, or no longer knows, the place where the lane left off.
	GapHistoryLost = "history_lost"
	// GapStreamLost: the stream no longer holds the position of a lane that had begun.
	GapStreamLost = "stream_lost"
)

// What was done about a gap: the values of Gap.Action, those of HISTORY_LOST that go on.
const (
	// GapResnapshot: the source was read as a whole again; only what happened in between and left no trace is lost.
	GapResnapshot = "resnapshot"
	// GapReset: the lane goes on from now; changes in between are missing until they are read again.
	GapReset = "reset"
)

// Gap is the document of a change with OPERATION_GAP: a part of a source's history that could not be read.
type Gap struct {
	Reason string `bson:"reason" json:"reason"`
	Action string `bson:"action" json:"action"`
	// Code and Detail are the server's error, as far as there is one.
	Code   int32  `bson:"code" json:"code,omitempty"`
	Detail string `bson:"detail" json:"detail,omitempty"`
	// From is the last moment up to which changes were read, To from when on they are again; zero where not known.
	From time.Time `bson:"from" json:"from,omitzero"`
	To   time.Time `bson:"to" json:"to,omitzero"`
}

// Document is the gap as a change carries it.
func (g Gap) Document() ([]byte, error) {
	raw, err := bson.Marshal(g)
	if err != nil {
		return nil, fmt.Errorf("encode gap: %w", err)
	}
	return raw, nil
}

// ParseGap reads a gap from a change's document.
func ParseGap(document []byte) (Gap, error) {
	var gap Gap
	if err := bson.Unmarshal(document, &gap); err != nil {
		return Gap{}, fmt.Errorf("decode gap: %w", err)
	}
	return gap, nil
}
