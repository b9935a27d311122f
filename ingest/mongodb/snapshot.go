package mongodb

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"claude-analytics/proto"
)

// snapshotCursor reads the collection in the order of _id. It goes on for as long as no change was handed over since it
// was opened: behind a change, what is read must not be older than that change, so it is opened anew.
type snapshotCursor struct {
	*mongo.Cursor
	replies prefetch[documents]
	// cost is how long the server took until the first document.
	cost time.Duration
}

// documents are one reply's, none at the end.
type documents struct {
	of  []bson.Raw // copies
	err error
}

// start makes the beginning of a snapshot durable, and learns where in the stream that is.
func (t *Tailer) start(ctx context.Context) error {
	if err := t.hand(ctx, []item{{begins: true, after: t.place}}); err != nil {
		return err
	}
	select {
	case t.place.began = <-t.began:
	case <-ctx.Done():
		return ctx.Err()
	}
	t.log.Info().Uint64("seq", t.place.began).Msg("snapshot begins")
	return nil
}

// takeTurn reads on with the snapshot for a while; then the changes have their turn.
func (t *Tailer) takeTurn(ctx context.Context, cs *changeStream) error {
	if t.place.began == 0 {
		if err := t.start(ctx); err != nil {
			return err
		}
	}
	if t.snapshot == nil {
		if t.place.documents > 0 {
			t.log.Debug().Int64("documents", t.place.documents).Msg("snapshot goes on behind the last document")
		}
		cursor, err := t.find(ctx, cs, t.place.last)
		if err != nil {
			return fmt.Errorf("read the collection: %w", err)
		}
		t.snapshot = cursor
	}
	if t.since.IsZero() {
		t.since = time.Now()
	}
	defer t.snapshot.replies.settle() // the session is the change stream's then
	// Where opening the cursor is dear, turns are long.
	deadline := time.Now().Add(max(t.cfg.Turn, 10*t.snapshot.cost))
	for time.Now().Before(deadline) {
		if !t.estimated && time.Since(t.since) > estimateAfter {
			t.estimated = true
			go t.estimate(ctx, t.client) // some servers count one by one
		}
		documents, err := t.snapshot.next(ctx)
		if err != nil {
			t.dropCursor(ctx)
			return fmt.Errorf("read the collection: %w", err)
		}
		if len(documents) == 0 {
			t.dropCursor(ctx)
			return t.finish(ctx)
		}
		items := make([]item, len(documents))
		for i, doc := range documents {
			id := doc.Lookup("_id")
			t.place.last = bson.RawValue{Type: id.Type, Value: bytes.Clone(id.Value)}
			t.place.documents++
			items[i] = item{document: doc, after: t.place}
		}
		t.backlog.Store(true)
		if err := t.hand(ctx, items); err != nil {
			return err
		}
		read := t.place.documents
		t.stats.set(func(s *Stats) { s.SnapshotDocuments = read })
	}
	return nil
}

// finish ends the snapshot with its fence.
func (t *Tailer) finish(ctx context.Context) error {
	fence := &proto.Change{Operation: proto.Operation_OPERATION_SNAPSHOT_END, Below: t.place.began}
	documents, took := t.place.documents, time.Since(t.place.since)
	t.place.end()
	t.backlog.Store(false)
	t.ended, t.losses, t.estimated, t.since = true, 0, false, time.Time{}
	if err := t.say(ctx, fence); err != nil {
		return err
	}
	t.stats.set(func(s *Stats) { s.SnapshotDocuments, s.SnapshotTotal = 0, 0 })
	t.log.Info().Int64("documents", documents).Dur("after", took).Msg("snapshot is complete")
	return nil
}

// find opens a cursor behind an _id (of type 0: at the beginning), over all types of _id in their order.
func (t *Tailer) find(ctx context.Context, cs *changeStream, last bson.RawValue) (*snapshotCursor, error) {
	filter := bson.D{}
	if last.Type != 0 {
		// A plain $gt would see ids of the same type only.
		filter = bson.D{{Key: "$expr", Value: bson.D{{Key: "$gt", Value: bson.A{"$_id", bson.D{{Key: "$literal", Value: last}}}}}}}
	}
	// A session knows only what it has seen, and what was published before may be newer: it is made to know the present.
	if err := t.toPresent(ctx, cs, readpref.Primary()); err != nil {
		return nil, err
	}
	ctx, cancel := patient(ctx, openTimeout)
	defer cancel()
	order := bson.D{{Key: "_id", Value: 1}}
	began := time.Now()
	cursor, err := t.collection().Find(mongo.NewSessionContext(ctx, cs.session), filter, options.Find().SetSort(order).SetHint(order).SetBatchSize(firstReply))
	if err != nil {
		return nil, unanswered(ctx, err)
	}
	opened := &snapshotCursor{Cursor: cursor, cost: time.Since(began)}
	opened.replies.fetch = func(ctx context.Context) documents { return opened.fetch(ctx, cs.session) }
	return opened, nil
}

// toPresent lets the session see a server's present, so that no read of it is older.
func (t *Tailer) toPresent(ctx context.Context, cs *changeStream, of *readpref.ReadPref) error {
	cs.replies.settle()
	ctx, cancel := patient(ctx, askTimeout)
	defer cancel()
	err := t.client.Database("admin").RunCommand(mongo.NewSessionContext(ctx, cs.session), bson.D{{Key: "ping", Value: 1}},
		options.RunCmd().SetReadPreference(of)).Err()
	if err != nil {
		return fmt.Errorf("ask MongoDB for its time: %w", unanswered(ctx, err))
	}
	return nil
}

// next is one reply's documents, none at the end; the reply behind it is asked for.
func (c *snapshotCursor) next(ctx context.Context) ([]bson.Raw, error) {
	reply := c.replies.take(ctx)
	if reply.err == nil && len(reply.of) > 0 {
		c.replies.ask(ctx)
	}
	return reply.of, reply.err
}

// fetch reads one reply.
func (c *snapshotCursor) fetch(ctx context.Context, session *mongo.Session) documents {
	ctx, cancel := patient(ctx, replyTimeout)
	defer cancel()
	ctx = mongo.NewSessionContext(ctx, session)
	if !c.Next(ctx) {
		return documents{err: unanswered(ctx, c.Err())}
	}
	reply := documents{of: make([]bson.Raw, 0, c.RemainingBatchLength()+1)}
	size := 0
	for {
		reply.of = append(reply.of, copied(c.Current))
		size += len(c.Current)
		if c.RemainingBatchLength() == 0 || !c.Next(ctx) {
			break
		}
	}
	c.SetBatchSize(replyLength(size, len(reply.of)))
	reply.err = c.Err()
	return reply
}

// dropCursor forgets the cursor: the next turn opens it behind the last document.
func (t *Tailer) dropCursor(ctx context.Context) {
	if t.snapshot == nil {
		return
	}
	t.snapshot.close(ctx)
	t.snapshot = nil
}

// close gives the cursor back, if the server still listens.
func (c *snapshotCursor) close(ctx context.Context) {
	c.replies.drop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = c.Close(ctx)
}

// estimate is about how many documents there are, for those who wait.
func (t *Tailer) estimate(ctx context.Context, client *mongo.Client) {
	ctx, cancel := patient(ctx, askTimeout)
	defer cancel()
	total, err := client.Database(t.cfg.Database).Collection(t.cfg.Collection).EstimatedDocumentCount(ctx)
	if err != nil {
		return
	}
	t.stats.set(func(s *Stats) { s.SnapshotTotal = total })
}

// readAgain publishes what Config.Reread accepts of the collection once more. It leaves no trace in the position: cut
// off, it is simply made again. The changes that came meanwhile follow behind.
func (t *Tailer) readAgain(ctx context.Context, cs *changeStream) error {
	cursor, err := t.find(ctx, cs, bson.RawValue{})
	if err != nil {
		return fmt.Errorf("read again: %w", err)
	}
	defer cursor.close(ctx)
	for {
		documents, err := cursor.next(ctx)
		if err != nil {
			return fmt.Errorf("read again: %w", err)
		}
		if len(documents) == 0 {
			return nil
		}
		items := make([]item, len(documents))
		for i, doc := range documents {
			items[i] = item{document: doc, again: true, after: t.place}
		}
		if err := t.hand(ctx, items); err != nil {
			return err
		}
	}
}
