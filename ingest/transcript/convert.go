package transcript

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/document"
	"claude-analytics/proto"
)

// keepScratch is the largest buffer that is kept for the next document, bytes.
const keepScratch = 4 << 20

// origin is where objects come from.
type origin struct {
	lane, folder string
	path         string // below the folder, any bytes
	sourceFile   string // absolute
	project      string
	keys         keyMaker
}

func newOrigin(lane string, folder Folder, path string, generation uint32) origin {
	return origin{
		lane: lane, folder: folder.Name, path: path,
		sourceFile: folder.file(path), project: projectOf(folder, path),
		keys: newKeyMaker(lane, folder.Name, path, generation),
	}
}

// projectOf is the slug under which Claude Code keeps a project's sessions: the folder below projects/ if that lies below
// the one that is followed, else the first folder there. Where a single project's folder is followed, it is that folder's
// own name; slugs begin with '-', since they are absolute paths.
func projectOf(folder Folder, file string) string {
	base := path.Base(folder.Path)
	below := strings.Split(file, "/")
	below = below[:len(below)-1]
	if len(below) == 0 || strings.HasPrefix(base, "-") {
		return base
	}
	for i, name := range below[:len(below)-1] {
		// A project may be called that too; below it lie sessions' folders, with those of their sub-agents.
		if name == "projects" && (len(below) < i+3 || below[i+2] != "subagents") {
			return below[i+1]
		}
	}
	return below[0]
}

// converter makes changes of objects. It belongs to one worker.
type converter struct {
	maxMessage int64 // largest change, bytes
	counters   *Counters
	redact     Redactor // nil: none

	decoder document.Decoder
	scratch []byte
}

// entry makes an item publishable, whatever it is; now is when it is published.
func (c *converter) entry(from *origin, item Item, now time.Time) (Entry, error) {
	return c.entryAs(from, from.keys.at(item.Offset), item, now)
}

// entryAs is entry for an item whose key is known.
func (c *converter) entryAs(from *origin, id [12]byte, item Item, now time.Time) (Entry, error) {
	entry := Entry{Size: item.Size}
	if item.Kind == Broken {
		entry.Letter = c.letter(from, id, item, now)
		return entry, nil
	}
	raw, n, err := c.decoder.Prefix(c.scratch[:0], item.Data, document.Extra{
		ID: id, ProjectID: from.project, SourceFile: from.sourceFile, IngestedAt: now,
	})
	if err == nil && n != len(item.Data) {
		err = fmt.Errorf("%w: the object ends at byte %d of %d", document.ErrSyntax, n, len(item.Data))
	}
	if err != nil {
		item.Reason, item.Detail = proto.ReasonNotConvertible, err.Error()
		if errors.Is(err, document.ErrTooLarge) {
			item.Reason = proto.ReasonTooLarge
		}
		entry.Letter = c.letter(from, id, item, now)
		return entry, nil
	}
	if c.scratch = raw; cap(raw) > keepScratch {
		c.scratch = nil
	}
	c.counters.Replaced.Add(int64(c.decoder.Replaced))
	change := &proto.Change{
		Version: proto.Version, Source: from.lane, Id: keyText(id), Operation: proto.Operation_OPERATION_INSERT,
		Namespace: from.folder, Document: raw,
		ExtractedAtMicros: now.UnixMicro(), SourceOffset: item.Offset,
	}
	if c.redact != nil {
		change.Document, change.Findings = c.redact.Document(raw)
		change.RedactionVersion = c.redact.Version()
	}
	session, project := document.Identify(change.Document)
	size := protobuf.Size(change)
	if int64(size) > c.maxMessage {
		item.Reason = proto.ReasonTooLarge
		item.Detail = fmt.Sprintf("the change has %d bytes, the stream takes %d", size, c.maxMessage)
		entry.Letter = c.letter(from, id, item, now)
		return entry, nil
	}
	if entry.Data, err = (protobuf.MarshalOptions{UseCachedSize: true}).MarshalAppend(make([]byte, 0, size), change); err != nil {
		return Entry{}, fmt.Errorf("encode change: %w", err)
	}
	if session == "" {
		session = change.Id
	}
	entry.Subject = proto.DataSubject(from.lane, session, project)
	return entry, nil
}

// letter sets an item aside. Its payload is a copy, with its secrets replaced as far as the text lets them be known; of
// a text that was cut, the word that the cut went through is left out, since half a secret is not known for one.
func (c *converter) letter(from *origin, id [12]byte, item Item, now time.Time) *proto.DeadLetter {
	payload, detail := item.Data, item.Detail
	if c.redact != nil {
		if int64(len(payload)) < item.Size {
			payload = withoutLastWord(payload)
		}
		payload, _ = c.redact.Text(payload)
		text, _ := c.redact.Text([]byte(detail))
		detail = string(text)
	}
	whole := len(payload)
	payload = payload[:min(whole, proto.MaxDeadLetterPayload)]
	session, _ := document.Identify(placeDocument(from.sourceFile))
	return &proto.DeadLetter{
		Lane: from.lane, Part: proto.PartIngest, Reason: item.Reason, Detail: detail,
		Namespace: from.folder, ID: keyText(id), File: from.path, Offset: item.Offset, Size: item.Size,
		Session: session, Project: from.project, SourceFile: from.sourceFile,
		Payload: append([]byte(nil), payload...), Truncated: int64(len(item.Data)) < item.Size || len(payload) < whole, At: now,
	}
}

// placeDocument is a document of which only the file is known: its session is the file's.
func placeDocument(file string) bson.Raw {
	raw, err := bson.Marshal(bson.D{{Key: "sourceFile", Value: strings.ToValidUTF8(file, "\uFFFD")}})
	if err != nil {
		return nil // text always encodes
	}
	return raw
}

// longestWord is how much is left out at most where a text was cut, bytes.
const longestWord = 4 << 10

func withoutLastWord(text []byte) []byte {
	cut := bytes.LastIndexAny(text, " \t\r\n\"")
	if cut < len(text)-longestWord {
		cut = max(0, len(text)-longestWord)
	}
	return text[:cut]
}
