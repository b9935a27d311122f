package scripted

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// refusal is a command's error reply.
type refusal struct {
	code    int32
	name    string
	message string
	labels  []string
}

const resumable = "ResumableChangeStreamError"

func (r *refusal) document() bson.D {
	name := r.name
	if name == "" {
		name = "Location" + strconv.Itoa(int(r.code))
	}
	message := r.message
	if message == "" {
		message = "scripted"
	}
	out := bson.D{
		{Key: "ok", Value: 0.0},
		{Key: "errmsg", Value: message},
		{Key: "code", Value: r.code},
		{Key: "codeName", Value: name},
	}
	if len(r.labels) > 0 {
		out = append(out, bson.E{Key: "errorLabels", Value: r.labels})
	}
	return out
}

// handle answers a command that reached a node. cut: only half of the reply is to be sent.
func (s *Set) handle(node int, cmd bson.Raw) (reply bson.Raw, cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	element, err := cmd.IndexErr(0)
	if err != nil {
		return mustMarshal((&refusal{code: 9, name: "FailedToParse"}).document()), false
	}
	name := element.Key()
	s.received = append(s.received, received{name, cmd})
	out, refused := bson.D{}, (*refusal)(nil)
	f := s.faultFor(name, cmd)
	if f != nil && f.hang > 0 {
		s.hangs(f)
	}
	if f != nil && f.Code != 0 {
		refused = &refusal{code: f.Code, name: f.Name, message: f.Message, labels: f.Labels}
	} else {
		out, refused = s.run(node, name, cmd)
	}
	if refused != nil {
		out = refused.document()
	} else {
		out = append(out, bson.E{Key: "ok", Value: 1.0})
	}
	return mustMarshal(append(out, s.times()...)), f != nil && f.cut
}

func (s *Set) run(node int, name string, cmd bson.Raw) (bson.D, *refusal) {
	switch name {
	case "hello", "isMaster", "ismaster":
		return s.hello(node), nil
	case "ping", "endSessions":
		return bson.D{}, nil
	case "buildInfo", "buildinfo":
		return s.buildInfo(), nil
	case "listCollections":
		return s.listCollections(cmd), nil
	case "aggregate":
		return s.aggregate(node, cmd)
	case "find":
		return s.find(node, cmd)
	case "getMore":
		return s.getMore(cmd)
	case "killCursors":
		return s.killCursors(cmd), nil
	default:
		return nil, &refusal{code: 59, name: "CommandNotFound", message: "no such command: '" + name + "'"}
	}
}

func (s *Set) hello(node int) bson.D {
	primary := s.name == "" || node == s.primary
	out := bson.D{
		{Key: "helloOk", Value: true},
		{Key: "ismaster", Value: primary}, // the first hello asks for the old name, later ones for the new
		{Key: "isWritablePrimary", Value: primary},
		{Key: "maxBsonObjectSize", Value: int32(maxDocumentSize)},
		{Key: "maxMessageSizeBytes", Value: int32(maxMessageSize)},
		{Key: "maxWriteBatchSize", Value: int32(100_000)},
		{Key: "localTime", Value: time.Now()},
		{Key: "logicalSessionTimeoutMinutes", Value: int32(30)},
		{Key: "minWireVersion", Value: int32(0)},
		{Key: "maxWireVersion", Value: wireVersion(s.version)},
		{Key: "readOnly", Value: false},
	}
	if s.name == "" {
		return out
	}
	out = append(out,
		bson.E{Key: "setName", Value: s.name},
		bson.E{Key: "setVersion", Value: int32(1)},
		bson.E{Key: "secondary", Value: !primary},
		bson.E{Key: "hosts", Value: s.addresses()},
		bson.E{Key: "me", Value: s.nodes[node].address()},
	)
	if s.primary >= 0 {
		out = append(out, bson.E{Key: "primary", Value: s.nodes[s.primary].address()})
	}
	if primary {
		// Clients take the primary with the greatest for the true one.
		election := bson.ObjectID{0: 0x7f, 1: 0xff, 2: 0xff, 3: 0xff}
		binary.BigEndian.PutUint32(election[8:], s.term)
		out = append(out, bson.E{Key: "electionId", Value: election})
	}
	return out
}

func (s *Set) buildInfo() bson.D {
	var parts [4]int32
	for i, part := range strings.SplitN(s.version, ".", 3) {
		_, _ = fmt.Sscanf(part, "%d", &parts[i])
	}
	return bson.D{{Key: "version", Value: s.version}, {Key: "versionArray", Value: parts[:]}}
}

func (s *Set) listCollections(cmd bson.Raw) bson.D {
	var collections bson.A
	database := cmd.Lookup("$db").StringValue()
	if database == Database {
		collections = bson.A{bson.D{
			{Key: "name", Value: Collection},
			{Key: "type", Value: "collection"},
			{Key: "options", Value: bson.D{}},
			{Key: "info", Value: bson.D{{Key: "readOnly", Value: false}}},
		}}
	}
	return bson.D{{Key: "cursor", Value: bson.D{
		{Key: "id", Value: int64(0)},
		{Key: "ns", Value: database + ".$cmd.listCollections"},
		{Key: "firstBatch", Value: collections},
	}}}
}

// times are the cluster time as every reply of a replica set carries it. Without keys nothing is signed.
func (s *Set) times() bson.D {
	if s.name == "" {
		return nil
	}
	return bson.D{
		{Key: "operationTime", Value: s.log.now},
		{Key: "$clusterTime", Value: bson.D{
			{Key: "clusterTime", Value: s.log.now},
			{Key: "signature", Value: bson.D{
				{Key: "hash", Value: make([]byte, 20)},
				{Key: "keyId", Value: int64(0)},
			}},
		}},
	}
}

// readable refuses reads on a node that is not the primary, unless they allow a secondary.
func (s *Set) readable(node int, cmd bson.Raw) *refusal {
	if s.name == "" || node == s.primary {
		return nil
	}
	if mode, ok := cmd.Lookup("$readPreference", "mode").StringValueOK(); ok && mode != "primary" {
		return nil
	}
	return &refusal{
		code: 13435, name: "NotPrimaryNoSecondaryOk", message: "not primary and secondaryOk=false", labels: []string{resumable},
	}
}
