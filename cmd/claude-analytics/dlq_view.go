package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

// letterView is a letter as dlq shows it.
type letterView struct {
	ID        string    `json:"id"`
	Source    string    `json:"source"`
	Part      string    `json:"part"`
	Reason    string    `json:"reason"`
	Detail    string    `json:"detail,omitempty"`
	Namespace string    `json:"namespace,omitempty"`
	Document  string    `json:"document_id,omitempty"`
	Session   string    `json:"session_id,omitempty"`
	Project   string    `json:"project_id,omitempty"`
	File      string    `json:"file,omitempty"`
	Offset    int64     `json:"offset,omitempty"`
	Epoch     uint64    `json:"epoch,omitempty"`
	Seq       uint64    `json:"seq,omitempty"`
	Size      int64     `json:"size"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	Attempts  int       `json:"attempts"`
	Subject   string    `json:"subject"`

	// Of show: the change around the document, what the text is (extended_json, text or base64), a piece of it, where
	// that begins, how long the whole is, and whether the letter holds only the beginning of what was set aside.
	Operation string `json:"operation,omitempty"`
	Version   uint32 `json:"version,omitempty"`
	Form      string `json:"form,omitempty"`
	Text      string `json:"text,omitempty"`
	From      int    `json:"from,omitempty"`
	TextSize  int    `json:"text_size,omitempty"`
	Truncated bool   `json:"truncated,omitempty"`
}

func viewOf(l stream.Letter) letterView {
	return letterView{
		ID: l.Name, Source: l.Lane, Part: l.Part, Reason: l.Reason, Detail: l.Detail, Namespace: l.Namespace,
		Document: l.ID, Session: l.Session, Project: l.Project, File: l.File, Offset: max(l.Offset, 0),
		Epoch: l.Epoch, Seq: l.Seq, Size: l.Size, FirstSeen: l.FirstSeen.UTC(), LastSeen: l.At.UTC(),
		Attempts: l.Attempts, Subject: l.Subject, Truncated: l.Truncated,
	}
}

// place says in one line where what was set aside comes from.
func (v letterView) place() string {
	switch {
	case v.File != "":
		return fmt.Sprintf("%s at byte %d", printable(v.File), v.Offset)
	case v.Document != "":
		return v.Namespace + " " + v.Document
	case v.Seq != 0:
		return fmt.Sprintf("message %d", v.Seq)
	}
	return v.Namespace
}

// printable keeps what a terminal would take for a command, or cannot show, out of a line.
func printable(text string) string {
	quoted := fmt.Sprintf("%q", text)
	return quoted[1 : len(quoted)-1]
}

// render adds a piece of what the letter holds, readably.
func (v *letterView) render(l stream.Letter, from, most int) {
	if most <= 0 {
		most = showTextBytes
	}
	payload := l.Payload
	if l.Seq != 0 {
		var change proto.Change
		if protobuf.Unmarshal(payload, &change) == nil {
			payload = change.GetDocument()
			v.Operation, v.Version = change.GetOperation().String(), change.GetVersion()
		}
	}
	var text string
	text, v.Form = readable(payload)
	v.TextSize = len(text)
	from = min(max(from, 0), len(text))
	to := min(len(text), from+most)
	for to > from && to < len(text) && !utf8.RuneStart(text[to]) {
		to--
	}
	v.From, v.Text = from, text[from:to]
}

// readable is bytes as text that people can read: a document as Extended JSON, text as it is, else base64.
func readable(data []byte) (text, form string) {
	if len(data) == 0 {
		return "", ""
	}
	if raw := bson.Raw(data); raw.Validate() == nil {
		if out, err := extendedJSON(raw); err == nil {
			return out, "extended_json"
		}
	}
	// The end of a line that was cut may be the beginning of a character.
	whole := data
	for range utf8.UTFMax - 1 {
		if utf8.Valid(whole) || len(whole) == 0 {
			break
		}
		whole = whole[:len(whole)-1]
	}
	if utf8.Valid(whole) && bytes.IndexByte(whole, 0) < 0 {
		return string(whole), "text"
	}
	return base64.StdEncoding.EncodeToString(data), "base64"
}

// extendedJSON does not fail on what the library panics on.
func extendedJSON(raw bson.Raw) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("not a document: %v", p)
		}
	}()
	out, err := bson.MarshalExtJSON(raw, false, false)
	if err != nil {
		return "", err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, out, "", "  "); err != nil {
		return "", err
	}
	return indented.String(), nil
}

func printLetter(e *env, l letterView) {
	line := func(name, format string, args ...any) { e.printf("%-11s %s\n", name, fmt.Sprintf(format, args...)) }
	line("letter", "%s", l.ID)
	line("reason", "%s: %s", l.Reason, printable(l.Detail))
	line("place", "lane %s, %s", printable(l.Source), l.place())
	if l.Document != "" {
		line("document", "%s", printable(l.Document))
	}
	if l.Seq != 0 {
		line("order", "epoch %d, message %s", l.Epoch, count(l.Seq))
	} else {
		line("order", "none: it was never in the stream")
	}
	line("set aside", "by %s at %s, first at %s; %s retries failed", l.Part, l.LastSeen.Format(time.RFC3339), l.FirstSeen.Format(time.RFC3339), count(l.Attempts))
	line("size", "%s bytes", count(l.Size))
	if l.Operation != "" {
		line("change", "%s, version %d", l.Operation, l.Version)
	}
	if l.Text == "" {
		line("holds", "nothing that can be shown")
		return
	}
	line("holds", "%s", l.Form)
	text := l.Text
	if l.Form == "text" {
		text = printableLines(text)
	}
	e.printf("\n%s\n", text)
	switch {
	case len(l.Text) < l.TextSize:
		e.printf("… %s more bytes; --full shows them\n", count(l.TextSize-len(l.Text)))
	case l.Truncated:
		e.printf("… the letter holds no more; what was set aside has %s bytes\n", count(l.Size))
	}
}

// printableLines keeps what a terminal would take for a command out of a text of several lines.
func printableLines(text string) string {
	runes := []rune(text)
	return string(slices.Collect(func(yield func(rune) bool) {
		for _, r := range runes {
			if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
				r = '\uFFFD'
			}
			if !yield(r) {
				return
			}
		}
	}))
}
