package scripted

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// stream is a change stream's place in the log.
type stream struct {
	at     bson.Timestamp // everything up to here was delivered
	lookup bool           // updates show the document as it is when they are read
}

// aggregate opens a change stream. Stages after the first are accepted and do nothing.
func (s *Set) aggregate(node int, cmd bson.Raw) (bson.D, *refusal) {
	stage, ok := cmd.Lookup("pipeline", "0", "$changeStream").DocumentOK()
	if !ok {
		return nil, &refusal{code: 40324, message: "scripted: an aggregate is a change stream or nothing"}
	}
	if s.name == "" {
		return nil, &refusal{code: 40573, message: "The $changeStream stage is only supported on replica sets"}
	}
	if refused := s.readable(node, cmd); refused != nil {
		return nil, refused
	}
	at, refused := s.startingPoint(stage)
	if refused != nil {
		return nil, refused
	}
	document, _ := stage.Lookup("fullDocument").StringValueOK()
	c := &cursor{node: node, ns: namespace(cmd), stream: &stream{at: at, lookup: document != "" && document != "default"}}
	s.open(c)
	return s.streamBatch(c, "firstBatch", limitOf(cmd.Lookup("cursor", "batchSize"), firstBatch)), nil
}

// startingPoint is the time just before the first change that the stream is to show.
func (s *Set) startingPoint(stage bson.Raw) (bson.Timestamp, *refusal) {
	for _, option := range []string{"resumeAfter", "startAfter"} {
		token, err := stage.LookupErr(option)
		if err != nil {
			continue
		}
		at, ok := tokenTime(token)
		if !ok {
			return at, &refusal{code: 50811, message: "Bad resume token: " + token.String()}
		}
		if option == "resumeAfter" && s.invalidated(at) {
			return at, &refusal{
				code: 260, name: "InvalidResumeToken",
				message: "Attempting to resume a change stream using 'resumeAfter' is not allowed from an invalidate notification",
			}
		}
		return at, s.forgotten(at)
	}
	if t, i, ok := stage.Lookup("startAtOperationTime").TimestampOK(); ok {
		at := before(bson.Timestamp{T: t, I: i})
		return at, s.forgotten(at)
	}
	return s.log.now, nil
}

// before is the time just before this one. Times count from 1 within a second.
func before(at bson.Timestamp) bson.Timestamp {
	if at.I == 0 {
		return bson.Timestamp{T: at.T - 1, I: ^uint32(0)}
	}
	return bson.Timestamp{T: at.T, I: at.I - 1}
}

func (s *Set) invalidated(at bson.Timestamp) bool {
	for _, e := range s.log.events {
		if e.at == at {
			return e.op == "invalidate"
		}
	}
	return false
}

// forgotten refuses to go on from a time whose history is gone.
func (s *Set) forgotten(at bson.Timestamp) *refusal {
	if !at.Before(s.log.floor) {
		return nil
	}
	return &refusal{
		code: 286, name: "ChangeStreamHistoryLost",
		message: "Resume of change stream was not possible, as the resume point may no longer be in the oplog.",
		labels:  []string{"NonResumableChangeStreamError"},
	}
}

// streamBatch is the next changes and the token after them: the last change's, or that of the present moment.
func (s *Set) streamBatch(c *cursor, name string, size int) bson.D {
	waiting := s.log.after(c.stream.at)
	docs := []bson.Raw{}
	ended := false
	for _, e := range waiting {
		docs = append(docs, s.log.render(e, c.stream.lookup))
		if ended = e.op == "invalidate"; ended {
			break
		}
	}
	var batch []bson.Raw
	if name == "nextBatch" || size > 0 { // a first batch of 0 is an empty one
		batch = fits(docs, size)
	}
	id := c.id
	if ended && len(batch) == len(docs) {
		delete(s.cursors, c.id) // nothing follows an invalidation
		id = 0
	}
	token := Token(c.stream.at)
	switch {
	case len(batch) > 0:
		last := waiting[len(batch)-1]
		c.stream.at, token = last.at, eventToken(last)
	case len(waiting) == 0:
		s.log.idle()
		c.stream.at = s.log.now
		token = Token(c.stream.at)
	}
	return bson.D{{Key: "cursor", Value: bson.D{
		{Key: name, Value: append([]bson.Raw{}, batch...)},
		{Key: "postBatchResumeToken", Value: token},
		{Key: "id", Value: id},
		{Key: "ns", Value: c.ns},
	}}}
}

// namespace is the command's, "db.collection". A stream over a database or the cluster names none.
func namespace(cmd bson.Raw) string {
	database := cmd.Lookup("$db").StringValue()
	element, _ := cmd.IndexErr(0)
	if collection, ok := element.Value().StringValueOK(); ok {
		return database + "." + collection
	}
	return database + ".$cmd.aggregate"
}
