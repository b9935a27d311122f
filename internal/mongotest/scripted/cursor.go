package scripted

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	maxDocumentSize   = 16 << 20
	firstBatch        = 101 // documents, where the command says nothing
	awaitWithoutLimit = time.Second
)

// cursor is an open query or change stream.
type cursor struct {
	id          int64
	node        int
	ns          string
	steppedDown bool

	docs []bson.Raw // what a query has left

	stream *stream // nil: a query
}

// open registers a cursor. The caller holds the lock.
func (s *Set) open(c *cursor) {
	s.lastCursor++
	c.id = s.lastCursor
	s.cursors[c.id] = c
}

// getMore is the next batch of a cursor. A change stream that has nothing new waits for it as long as maxTimeMS says.
func (s *Set) getMore(cmd bson.Raw) (bson.D, *refusal) {
	id, _ := cmd.Lookup("getMore").AsInt64OK()
	size := limitOf(cmd.Lookup("batchSize"), 0)
	await := awaitWithoutLimit
	if ms, ok := cmd.Lookup("maxTimeMS").AsInt64OK(); ok {
		await = time.Duration(ms) * time.Millisecond
	}
	timer := time.NewTimer(await)
	defer timer.Stop()
	for {
		c := s.cursors[id]
		if c == nil {
			return nil, &refusal{code: 43, name: "CursorNotFound", message: "cursor id not found"}
		}
		if c.steppedDown {
			delete(s.cursors, id)
			return nil, steppedDown(c)
		}
		if c.stream == nil {
			return s.queryBatch(c, "nextBatch", size), nil
		}
		if refused := s.forgotten(c.stream.at); refused != nil {
			delete(s.cursors, id)
			return nil, refused
		}
		if len(s.log.after(c.stream.at)) > 0 || !s.wait(timer.C) {
			if c.steppedDown || s.cursors[id] == nil {
				continue
			}
			return s.streamBatch(c, "nextBatch", size), nil
		}
	}
}

func steppedDown(c *cursor) *refusal {
	r := &refusal{code: 189, name: "PrimarySteppedDown", message: "operation was interrupted: primary stepped down"}
	if c.stream != nil {
		r.labels = []string{resumable}
	}
	return r
}

func (s *Set) killCursors(cmd bson.Raw) bson.D {
	killed, missing := bson.A{}, bson.A{}
	ids, _ := cmd.Lookup("cursors").Array().Values()
	for _, v := range ids {
		id, _ := v.AsInt64OK()
		if s.cursors[id] != nil {
			delete(s.cursors, id)
			killed = append(killed, id)
		} else {
			missing = append(missing, id)
		}
	}
	s.wake()
	return bson.D{
		{Key: "cursorsKilled", Value: killed},
		{Key: "cursorsNotFound", Value: missing},
		{Key: "cursorsAlive", Value: bson.A{}},
		{Key: "cursorsUnknown", Value: bson.A{}},
	}
}

// limitOf reads a limit or batch size; absent: otherwise. 0 is no limit.
func limitOf(v bson.RawValue, otherwise int) int {
	n, ok := v.AsInt64OK()
	if !ok {
		return otherwise
	}
	return int(n)
}

// fits takes as many documents as a batch may hold: size (0: any number) and the size of a reply.
func fits(docs []bson.Raw, size int) []bson.Raw {
	total := 0
	for i, doc := range docs {
		total += len(doc)
		if size > 0 && i == size || i > 0 && total > maxDocumentSize {
			return docs[:i]
		}
	}
	return docs
}
