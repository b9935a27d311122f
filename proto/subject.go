// Package proto is the contract between the parts: the messages (change.proto), the subjects they stand under, their
// headers and versions. It knows nothing of the parts.
package proto

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// ErrSubject is returned for a subject that is not of this contract.
var ErrSubject = errors.New("not a conversations subject")

// Version is the version of Change, Position and Heartbeat that this release writes, and the newest it reads.
const Version = 1

// Names in JetStream.
const (
	StreamName     = "CONVERSATIONS"
	DeadLetterName = "CONVERSATIONS_DLQ"

	// LakeConsumer and WarehouseConsumer are the two durable consumers of the stream.
	LakeConsumer      = "lake"
	WarehouseConsumer = "warehouse"

	subjectRoot    = "conversations"
	deadLetterRoot = "conversations_dlq"
	positionBucket = "_pos"
	noToken        = "_"

	// RetryLane is the lane of what was set aside before it could be published, and was published by a retry.
	RetryLane = "retried-letters"

	// Buckets is the number of buckets that a lane's subjects are spread over, by session.
	Buckets = 64

	// maxToken bounds a token made of foreign text, so that a subject stays far below the server's limit.
	maxToken = 96
)

// Headers on messages of the stream.
const (
	// HeaderWriter names the process that published a batch. It stands on the batch's last message at least.
	HeaderWriter = "Claude-Writer"
	// HeaderBatch identifies one attempt to publish a batch, so that a publish of unknown outcome can be recognised.
	HeaderBatch = "Claude-Batch"
)

// Subjects that a whole stream is made of.
const (
	AllSubjects           = subjectRoot + ".>"
	AllDeadLetterSubjects = deadLetterRoot + ".>"
)

// Events, published outside the streams.
const (
	EventModelsRefreshed = "models.refreshed"
	EventPipelineRun     = "pipeline.run"
)

// Subject is the parsed form of conversations.<lane>.<bucket>.<project>.
type Subject struct {
	Lane    string
	Bucket  string
	Project string
}

// LaneName makes any text a lane's name: lower case, [a-z0-9-], others '-'. Empty text becomes "default".
func LaneName(text string) string {
	name := strings.Trim(token(strings.ToLower(text), false), "-")
	if name == "" {
		return "default"
	}
	return name
}

// DataSubject is the subject of a change: key is the session's id, or the row key where there is no session.
func DataSubject(lane, key, project string) string {
	return subjectRoot + "." + lane + "." + Bucket(key) + "." + ProjectToken(project)
}

// ChangeSubjects matches the changes of a session, or project, or both, of all lanes; empty text stands for all. Other
// sessions stand under the same subject.
func ChangeSubjects(session, project string) string {
	bucket, token := "*", "*"
	if session != "" {
		bucket = Bucket(session)
	}
	if project != "" {
		token = ProjectToken(project)
	}
	return subjectRoot + ".*." + bucket + "." + token
}

// OnLane is a subject's bucket and project on another lane.
func (s Subject) OnLane(lane string) string {
	return subjectRoot + "." + lane + "." + s.Bucket + "." + s.Project
}

// EventSubject is the subject of a change without a document (delete, drop).
func EventSubject(lane string) string {
	return subjectRoot + "." + lane + "." + noToken + "." + noToken
}

// PositionSubject is the subject of a position; name is "token" for a collection, a file's hash for a folder,
// "writer" for the heartbeat.
func PositionSubject(lane, name string) string {
	return subjectRoot + "." + lane + "." + positionBucket + "." + name
}

// PositionName is the part of a position's subject that names it.
func PositionName(subject string) string { return lastToken(subject) }

// LaneSubjects matches all that a lane's writer publishes.
func LaneSubjects(lane string) string { return subjectRoot + "." + lane + ".>" }

// LanePositions matches a lane's positions.
func LanePositions(lane string) string { return subjectRoot + "." + lane + "." + positionBucket + ".>" }

// DeadLetterSubject is where a dead letter stands: one subject a letter, so that a repeated attempt replaces it.
func DeadLetterSubject(lane, place string) string {
	return fmt.Sprintf("%s.%s.%016x", deadLetterRoot, lane, xxhash.Sum64String(place))
}

// LetterName is the part of a dead letter's subject that names the letter.
func LetterName(subject string) string { return lastToken(subject) }

func lastToken(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }

// LetterSubject matches the letter of a key, whatever its lane.
func LetterSubject(key string) string { return deadLetterRoot + ".*." + key }

// IsPosition reports whether a subject holds a position or heartbeat, not a change. It does not allocate.
func IsPosition(subject string) bool {
	rest, ok := strings.CutPrefix(subject, subjectRoot+".")
	if !ok {
		return false
	}
	_, rest, ok = strings.Cut(rest, ".")
	return ok && strings.HasPrefix(rest, positionBucket+".")
}

// ParseSubject takes a data subject apart.
func ParseSubject(subject string) (Subject, error) {
	parts := strings.Split(subject, ".")
	if len(parts) != 4 || parts[0] != subjectRoot {
		return Subject{}, fmt.Errorf("%w: %q", ErrSubject, subject)
	}
	return Subject{Lane: parts[1], Bucket: parts[2], Project: parts[3]}, nil
}

// Bucket is the two hex digits of the bucket that a session's changes stand in.
func Bucket(key string) string {
	return fmt.Sprintf("%02x", xxhash.Sum64String(key)%Buckets)
}

// ProjectToken makes a project's id one token of a subject: [A-Za-z0-9_-], others '-'. No project is "_".
// The token is for filtering only; the id itself stands in the document.
func ProjectToken(project string) string {
	if project == "" {
		return noToken
	}
	return token(project, true)
}

// token replaces what a subject cannot hold; text over maxToken bytes is cut and its hash appended, so that a token
// is never longer, and is its own token.
func token(text string, keepCase bool) string {
	const hash = len("-00000000")
	length := len(text)
	if length > maxToken {
		length = maxToken - hash
	}
	var b strings.Builder
	b.Grow(min(len(text), maxToken))
	for i := range length {
		c := text[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
			b.WriteByte(c)
		case keepCase && (c >= 'A' && c <= 'Z' || c == '_'):
			b.WriteByte(c)
		default:
			b.WriteByte('-')
		}
	}
	if len(text) > maxToken {
		fmt.Fprintf(&b, "-%08x", uint32(xxhash.Sum64String(text)))
	}
	return b.String()
}

// SessionSubjects matches the changes of one session in all lanes, among those of other sessions of its bucket.
func SessionSubjects(session string) string { return subjectRoot + ".*." + Bucket(session) + ".>" }

// ProjectSubjects matches the changes of one project in all lanes.
func ProjectSubjects(project string) string { return subjectRoot + ".*.*." + ProjectToken(project) }
