package sink

import (
	"context"
	"encoding/json"
	"math"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/document"
	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// findMessages finds what the stream holds of the subject, up to the erasure's end, and adds its documents to the keys.
func (e *eraser) findMessages(ctx context.Context) error {
	found := map[uint64]struct{}{}
	total := int64(0)
	for _, subject := range e.subject.subjects() {
		err := e.conn.Browse(ctx, proto.StreamName, []string{subject}, e.upTo.Seq, func(m stream.Message, left uint64) error {
			total++
			if total%1000 == 0 {
				e.phase("stream: looking", total, total+int64(left))
			}
			if e.takesMessage(m) {
				if _, again := found[m.Seq]; !again {
					found[m.Seq] = struct{}{}
					e.messages = append(e.messages, m.Seq)
					e.done.Bytes += int64(len(m.Data))
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *eraser) takesMessage(m stream.Message) bool {
	if proto.IsPosition(m.Subject) {
		return e.takesPosition(m)
	}
	change := &proto.Change{}
	if protobuf.Unmarshal(m.Data, change) != nil {
		return false // its dead letter tells of it, and the sweep takes it
	}
	op := change.GetOperation()
	if ofNamespace(op) {
		return false
	}
	carries := len(change.GetDocument()) > 0
	if e.subject.Kind() == ErasureDeleted {
		return op != proto.Operation_OPERATION_DELETE && e.keys.has(change.GetSource(), change.GetId())
	}
	if !carries {
		return e.takesKey(change.GetSource(), change.GetId())
	}
	if session, project := document.Identify(bson.Raw(change.GetDocument())); e.subject.is(session, project) {
		e.keys.add(change.GetSource(), change.GetId())
		return true
	}
	return false
}

// takesPosition decides on the position of a file: it names the session. While the file is there, its position must be too.
func (e *eraser) takesPosition(m stream.Message) bool {
	if e.subject.Kind() == ErasureDeleted {
		return false
	}
	position := &proto.Position{}
	if protobuf.Unmarshal(m.Data, position) != nil || position.GetFile() == nil {
		return false
	}
	file := position.GetFile()
	if session, project := document.PlaceOf(string(file.GetPath())); !e.subject.is(session, project) {
		return false
	}
	lane := strings.Split(m.Subject, ".")[1]
	if e.fileGone == nil || !e.fileGone(lane, file.GetFolder(), string(file.GetPath())) {
		e.done.KeptPositions++
		return false
	}
	e.done.Positions++
	return true
}

// eraseMessages removes the messages, and the dead letters that hold something of the subject.
func (e *eraser) eraseMessages(ctx context.Context) error {
	letters, err := e.findLetters(ctx)
	if err != nil {
		return err
	}
	e.done.Messages, e.done.Letters = int64(len(e.messages)), int64(len(letters))
	total := e.done.Messages + e.done.Letters
	e.phase("stream: erasing", 0, total)
	return e.conn.Erase(ctx, stream.Erasure{Messages: e.messages, Letters: letters}, func(done int) {
		e.phase("stream: erasing", int64(done), total)
	})
}

func (e *eraser) findLetters(ctx context.Context) (found []uint64, err error) {
	err = e.conn.Browse(ctx, proto.DeadLetterName, []string{proto.AllDeadLetterSubjects}, math.MaxUint64, func(m stream.Message, _ uint64) error {
		var letter proto.DeadLetter
		if json.Unmarshal(m.Data, &letter) != nil {
			letter = proto.DeadLetter{Payload: m.Data}
		}
		if e.takesLetter(&letter) {
			found = append(found, m.Seq)
			e.done.LetterBytes += int64(len(m.Data))
			if letter.Seq != 0 {
				e.letters = append(e.letters, orderPair{letter.Epoch, letter.Seq})
			}
		}
		return nil
	})
	return found, err
}

type orderPair struct{ epoch, seq uint64 }

// takesLetter looks at all that a letter says of where it comes from. Its payload may be a change, a line of a
// transcript, or a piece of one, so the subject's name in it is enough.
func (e *eraser) takesLetter(letter *proto.DeadLetter) bool {
	if letter.ID != "" && e.keys.has(letter.Lane, letter.ID) {
		return true
	}
	name := e.subject.Text()
	if name == "" {
		return false
	}
	if letter.File != "" {
		if session, project := document.PlaceOf(letter.File); e.subject.is(session, project) {
			return true
		}
	}
	if e.subject.Session != "" {
		// Session ids are unique: whatever mentions one is about it.
		return strings.Contains(string(letter.Payload), name) || strings.Contains(letter.Detail, name) || strings.Contains(letter.File, name)
	}
	change := &proto.Change{}
	if protobuf.Unmarshal(letter.Payload, change) == nil && len(change.GetDocument()) > 0 && bson.Raw(change.GetDocument()).Validate() == nil {
		if session, project := document.Identify(bson.Raw(change.GetDocument())); e.subject.is(session, project) {
			return true
		}
	}
	return strings.Contains(string(letter.Payload), `"projectId":"`+name+`"`)
}
