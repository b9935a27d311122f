package proto

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Parts that set something aside: the values of DeadLetter.Part.
const (
	PartIngest    = "ingest"
	PartLake      = "lake"
	PartWarehouse = "warehouse"
)

// Why something was set aside: the values of DeadLetter.Reason. The set is closed, so that it can label a metric.
const (
	// ReasonBrokenLine is a line of a transcript that is not JSON.
	ReasonBrokenLine = "broken_line"
	// ReasonNotObject is a JSON value on a line that is not an object.
	ReasonNotObject = "not_object"
	// ReasonTooLarge is a document or line over what the stream takes.
	ReasonTooLarge = "too_large"
	// ReasonNotConvertible is a document that could not be made a row.
	ReasonNotConvertible = "not_convertible"
	// ReasonNotDecodable is a message of the stream that is not a Change.
	ReasonNotDecodable = "not_decodable"
	// ReasonVersion is a Change of a version above Version: a newer release retries it.
	ReasonVersion = "version"
	// ReasonOperation is an operation that this release does not know.
	ReasonOperation = "operation"
)

// Reasons lists them.
func Reasons() []string {
	return []string{
		ReasonBrokenLine, ReasonNotObject, ReasonTooLarge, ReasonNotConvertible, ReasonNotDecodable, ReasonVersion, ReasonOperation,
	}
}

// MaxDeadLetterPayload is how much of a line a dead letter of ingest holds, bytes. A message is held whole.
const MaxDeadLetterPayload = 64 << 10

// DeadLetter is a message or line set aside with its reason. It stands as JSON in CONVERSATIONS_DLQ, so that the nats
// command line tool can read it.
type DeadLetter struct {
	Lane   string `json:"lane"`
	Part   string `json:"part"`
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
	// Namespace and ID are the change's, as far as they are known.
	Namespace string `json:"namespace,omitempty"`
	ID        string `json:"id,omitempty"`
	// File is the path below its folder (any bytes), Offset where the line or object begins, Size its length in bytes.
	File   string `json:"file,omitempty"`
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"`
	// Session, Project and SourceFile (the transcript's whole path) are the document's, as far as they are known.
	Session    string `json:"session_id,omitempty"`
	Project    string `json:"project_id,omitempty"`
	SourceFile string `json:"source_file,omitempty"`
	// Epoch and Seq are its order, if it was in the stream; otherwise 0.
	Epoch uint64 `json:"epoch,omitempty"`
	Seq   uint64 `json:"seq,omitempty"`
	// Payload is what was set aside: of a line at most MaxDeadLetterPayload bytes, of a message the whole Change.
	Payload   []byte `json:"payload,omitempty"`
	Truncated bool   `json:"truncated,omitempty"`
	// At is when it was last set aside, FirstSeen when it was first, Attempts how many retries have failed since.
	At        time.Time `json:"at"`
	FirstSeen time.Time `json:"first_seen,omitzero"`
	Attempts  int       `json:"attempts,omitempty"`
}

// Subject is where the letter stands.
func (d DeadLetter) Subject() string {
	lane := d.Lane
	if LaneName(lane) != lane {
		// A message that could not even be read may come with anything for a lane.
		lane = LaneName(lane)
	}
	return DeadLetterSubject(lane, d.Place())
}

// Name names the letter to people: the last token of its subject.
func (d DeadLetter) Name() string { return LetterName(d.Subject()) }

// Since takes over when what is set aside was first seen, and how often it was retried, from the letter that stands in
// its place.
func (d DeadLetter) Since(before DeadLetter) DeadLetter {
	if d.FirstSeen.IsZero() {
		d.FirstSeen = before.FirstSeen
	}
	if d.FirstSeen.IsZero() {
		d.FirstSeen = before.At
	}
	if d.FirstSeen.IsZero() {
		d.FirstSeen = d.At
	}
	d.Attempts = max(d.Attempts, before.Attempts)
	return d
}

// Place is the stable identity of what was set aside: the same line or message has the same place however often and
// by whichever part it is set aside. It feeds DeadLetterSubject.
func (d DeadLetter) Place() string {
	var b strings.Builder
	b.WriteString(strconv.Quote(d.Lane))
	switch {
	case d.Seq != 0:
		fmt.Fprintf(&b, " seq %d %d", d.Epoch, d.Seq)
	case d.File != "":
		// Namespace tells two folders of one lane apart.
		fmt.Fprintf(&b, " file %q %q %d", d.Namespace, d.File, d.Offset)
	default:
		fmt.Fprintf(&b, " id %q %q", d.Namespace, d.ID)
	}
	return b.String()
}

// deadLetterJSON is DeadLetter on the wire: JSON text cannot hold a file name that is not UTF-8, so its bytes stand
// beside the readable form.
type deadLetterJSON struct {
	plainDeadLetter
	FileBytes []byte `json:"file_bytes,omitempty"`
}

type plainDeadLetter DeadLetter

// MarshalJSON implements json.Marshaler.
func (d DeadLetter) MarshalJSON() ([]byte, error) {
	wire := deadLetterJSON{plainDeadLetter: plainDeadLetter(d)}
	if !utf8.ValidString(d.File) {
		wire.FileBytes = []byte(d.File)
	}
	return json.Marshal(wire)
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *DeadLetter) UnmarshalJSON(data []byte) error {
	var wire deadLetterJSON
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	*d = DeadLetter(wire.plainDeadLetter)
	if wire.FileBytes != nil {
		d.File = string(wire.FileBytes)
	}
	return nil
}
