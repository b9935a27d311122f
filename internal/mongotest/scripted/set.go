// Package scripted is a small MongoDB for tests that does as it is told: it speaks the wire protocol, serves one
// collection and its change stream, and fails where and how a test says. It stands in for what the test server cannot do:
// elections, a lost history, tokens that are refused, replies cut in the middle.
package scripted

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The one collection that a set serves.
const (
	Database   = "claude_logs"
	Collection = "conversations"
)

// Set is a replica set of nodes on loopback ports. All share one collection and one change log.
// Its methods may be called from several goroutines.
type Set struct {
	nodes  []*node
	closed chan struct{}

	mu         sync.Mutex
	name       string // empty: a standalone server
	version    string
	primary    int // -1: none
	term       uint32
	refusing   bool
	log        changeLog
	cursors    map[int64]*cursor
	lastCursor int64
	faults     []*fault
	received   []received
	changed    chan struct{} // closed, and replaced, when a waiting getMore should look again
}

// NewSet starts a replica set of 1 to 3 nodes, the first its primary. The test's end stops it.
func NewSet(t testing.TB, nodes int) *Set {
	t.Helper()
	s := &Set{
		name: "scripted", version: "8.0.0", term: 1,
		closed: make(chan struct{}), changed: make(chan struct{}), cursors: map[int64]*cursor{},
	}
	s.log.tick()
	for i := range nodes {
		n, err := listen(s, i)
		if err != nil {
			t.Fatalf("listen: %v", err)
		}
		s.nodes = append(s.nodes, n)
	}
	for _, n := range s.nodes { // not before all addresses are known: a node names them
		n.serve()
	}
	t.Cleanup(s.close)
	return s
}

func (s *Set) close() {
	close(s.closed)
	for _, n := range s.nodes {
		n.close()
	}
}

// URI is what a client connects to. Heartbeats come as often as the driver allows, so that an election is soon seen.
func (s *Set) URI() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	uri := "mongodb://" + strings.Join(s.addresses(), ",") + "/?heartbeatFrequencyMS=500"
	if s.name != "" {
		uri += "&replicaSet=" + s.name
	}
	return uri
}

func (s *Set) addresses() []string {
	hosts := make([]string, len(s.nodes))
	for i, n := range s.nodes {
		hosts[i] = n.address()
	}
	return hosts
}

// SetName is the replica set's name from now on. Empty: the first node is a standalone server, which has no change streams.
func (s *Set) SetName(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.name = name
}

// SetVersion is the server version from now on, such as "6.0.8"; the wire version goes with it.
func (s *Set) SetVersion(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = version
}

// wireVersion is the highest that a server of this version speaks.
func wireVersion(version string) int32 {
	var major, minor int32
	_, _ = fmt.Sscanf(version, "%d.%d", &major, &minor)
	switch {
	case major >= 8:
		return 25 + minor
	case major == 7:
		return 21
	case major == 6:
		return 17
	case major == 5:
		return 13
	case minor >= 4:
		return 9
	default:
		return 8
	}
}

// StepDown holds an election that this node wins; -1: none does, the set is without a primary. The cursors of the old
// primary end with error 189, which change streams resume from; connections stay open.
func (s *Set) StepDown(to int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.cursors {
		if c.node == s.primary {
			c.steppedDown = true
		}
	}
	s.primary = to
	s.term++
	s.wake()
}

// Refuse makes nodes close new connections at once, or stop doing so. Those that are open stay.
func (s *Set) Refuse(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusing = on
}

// Hangup closes every open connection.
func (s *Set) Hangup() {
	for _, n := range s.nodes {
		n.hangup()
	}
}

// Insert adds a document and returns the change's cluster time. One without an _id is given an ObjectID.
func (s *Set) Insert(doc any) bson.Timestamp {
	return s.write(func(log *changeLog) bson.Timestamp { return log.insert(mustMarshal(doc)) })
}

// Update puts this document in the place of the one with its _id, as an update of all other fields, and returns the
// change's cluster time.
func (s *Set) Update(doc any) bson.Timestamp {
	return s.write(func(log *changeLog) bson.Timestamp { return log.update(mustMarshal(doc)) })
}

// Delete removes the document with this _id and returns the change's cluster time.
func (s *Set) Delete(id any) bson.Timestamp {
	return s.write(func(log *changeLog) bson.Timestamp { return log.remove(id) })
}

// Emit appends a change of any other type, such as "drop" or "invalidate"; documents stay as they are.
func (s *Set) Emit(operationType string, fields ...bson.E) bson.Timestamp {
	return s.write(func(log *changeLog) bson.Timestamp { return log.append(operationType, nil, fields) })
}

// Truncate forgets the history before now: an older token or time is answered with error 286, and so is a stream that has
// not yet delivered all of it.
func (s *Set) Truncate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.cursors {
		if c.stream != nil && len(s.log.after(c.stream.at)) == 0 {
			c.stream.at = s.log.now
		}
	}
	s.log.truncate()
	s.wake()
}

// Now is the cluster time.
func (s *Set) Now() bson.Timestamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.now
}

func (s *Set) write(change func(*changeLog) bson.Timestamp) bson.Timestamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake()
	return change(&s.log)
}

// wake lets waiting getMores look again. The caller holds the lock.
func (s *Set) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait gives up the lock until something changes; false: the time is over, or the set is closed.
func (s *Set) wait(timeout <-chan time.Time) bool {
	changed := s.changed
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-changed:
		return true
	case <-timeout:
		return false
	case <-s.closed:
		return false
	}
}

// mustMarshal: a document that is no BSON is a mistake in the test.
func mustMarshal(doc any) bson.Raw {
	raw, err := bson.Marshal(doc)
	if err != nil {
		panic(fmt.Sprintf("scripted: marshal %v: %v", doc, err))
	}
	return raw
}
