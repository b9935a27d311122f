package sink

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"claude-analytics/proto"
	"claude-analytics/sink/lake"
)

// Kinds of erasures.
const (
	ErasureSession = "session"
	ErasureProject = "project"
	ErasureDeleted = "deleted"
)

// Subject says what is erased: a session, a project, or, with neither, every document that was deleted at its source.
type Subject struct {
	Session string `json:"session,omitempty"`
	Project string `json:"project,omitempty"`
}

// ErrSubject means that a subject is not one.
var ErrSubject = errors.New("name a session or a project, not both")

// Kind is what an erasure of it is called on record.
func (s Subject) Kind() string {
	switch {
	case s.Session != "":
		return ErasureSession
	case s.Project != "":
		return ErasureProject
	}
	return ErasureDeleted
}

// Text is the session's or project's id; empty for deleted documents.
func (s Subject) Text() string { return s.Session + s.Project }

// Hash is what stays on record of it; empty for deleted documents.
func (s Subject) Hash() string {
	if s.Text() == "" {
		return ""
	}
	return hashOf(s.Text())
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// is says whether a document of this session and project is the subject's.
func (s Subject) is(session, project string) bool {
	switch {
	case s.Session != "":
		return session == s.Session
	case s.Project != "":
		return project == s.Project
	}
	return false
}

// docKey is a document's identity.
type docKey struct{ source, id string }

// keySet are documents, by the hash of their ids too: that is what an erasure which did not end left on record.
type keySet struct {
	keys   map[docKey]struct{}
	hashes map[docKey]struct{} // id is its hash
}

func newKeySet() *keySet {
	return &keySet{keys: map[docKey]struct{}{}, hashes: map[docKey]struct{}{}}
}

func (k *keySet) add(source, id string) { k.keys[docKey{source, id}] = struct{}{} }

func (k *keySet) remove(key docKey) { delete(k.keys, key) }

// has looks by key, and, if there are any, by hash.
func (k *keySet) has(source, id string) bool {
	if _, ok := k.keys[docKey{source, id}]; ok {
		return true
	}
	if len(k.hashes) == 0 {
		return false
	}
	_, ok := k.hashes[docKey{source, hashOf(id)}]
	return ok
}

// recall takes in what an erasure that did not end had on record.
func (k *keySet) recall(e lake.Erasure) {
	for source, hashes := range e.Keys {
		for _, hash := range hashes {
			k.hashes[docKey{source, hash}] = struct{}{}
		}
	}
}

// record is the set as an erasure's record has it.
func (k *keySet) record() map[string][]string {
	all := map[docKey]struct{}{}
	for key := range k.hashes {
		all[key] = struct{}{}
	}
	for key := range k.keys {
		all[docKey{key.source, hashOf(key.id)}] = struct{}{}
	}
	out := map[string][]string{}
	for key := range all {
		out[key.source] = append(out[key.source], key.id)
	}
	for _, hashes := range out {
		slices.Sort(hashes)
	}
	return out
}

func (k *keySet) size() int { return len(k.keys) }

// subjects are those of the stream under which the subject's messages stand, among others'. They are read one after the
// other: several at once must not overlap.
func (s Subject) subjects() []string {
	events, positions := proto.EventSubject("*"), proto.LanePositions("*")
	switch {
	case s.Session != "":
		return []string{proto.SessionSubjects(s.Session), events, positions}
	case s.Project != "":
		return []string{proto.ProjectSubjects(s.Project), events, positions}
	}
	return []string{proto.AllSubjects}
}

// ErasePhase is where an erasure is.
type ErasePhase struct {
	Name  string `json:"name"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
}

// Erased is what an erasure removed of the stream, the lake and bronze.
type Erased struct {
	Keys int64 `json:"documents"`
	// Messages of the stream and dead letters, with their bytes.
	Messages    int64 `json:"messages"`
	Bytes       int64 `json:"message_bytes"`
	Positions   int64 `json:"positions"`
	Letters     int64 `json:"dead_letters"`
	LetterBytes int64 `json:"dead_letter_bytes"`
	// Lake is what was rewritten; Rows, Blocks and Tombstones went from the warehouse.
	Lake       lake.Rewritten `json:"lake"`
	Rows       int64          `json:"rows"`
	Blocks     int64          `json:"blocks"`
	Tombstones int64          `json:"tombstones"`
	// Sessions had rows in the warehouse; their marts are to be refreshed.
	Sessions []string `json:"-"`
	// KeptPositions name files that are still at the source, or may be: without them the files would be read again.
	KeptPositions int64 `json:"kept_positions"`
	// Record is what stays of the erasure; nil if there was nothing to erase.
	Record *lake.Erasure `json:"-"`
}

func (s Subject) check() error {
	if s.Session != "" && s.Project != "" {
		return ErrSubject
	}
	return nil
}

func (s Subject) String() string {
	if s.Text() == "" {
		return "deleted documents"
	}
	return fmt.Sprintf("%s %s", s.Kind(), s.Text())
}
