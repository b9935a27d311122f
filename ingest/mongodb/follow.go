package mongodb

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
)

// changeStream is the open change stream and the session that it shares with the snapshot's reads. The session is causally
// consistent: no read is older than what the stream has shown, whichever member of the set answers it.
type changeStream struct {
	*mongo.ChangeStream
	session *mongo.Session
	replies prefetch[reply]
	// length is how many events the next reply may hold; it belongs to whoever fetches.
	length int32
}

// reply is one reply of the change stream.
type reply struct {
	events []bson.Raw // copies
	token  bson.Raw   // of a reply without any; nil: unknown
	ended  bool       // there will be no other
	err    error      // behind the events
}

// pipeline splits what would be over 16 MB. Nothing else is done to events: taking out of them what is not used would
// save little on the way, and costs a server more than reading them. Only one that is too large with its document is read
// without it.
func pipeline(split, document bool) mongo.Pipeline {
	stages := mongo.Pipeline{}
	if !document {
		without := bson.D{{Key: "fullDocument", Value: 0}, {Key: "updateDescription", Value: 0}, {Key: "fullDocumentBeforeChange", Value: 0}}
		stages = append(stages, bson.D{{Key: "$project", Value: without}})
	}
	if split {
		stages = append(stages, bson.D{{Key: "$changeStreamSplitLargeEvent", Value: bson.D{}}})
	}
	return stages
}

// open opens the change stream where the place says, or now.
func (t *Tailer) open(ctx context.Context) (*changeStream, error) {
	ctx, cancel := patient(ctx, openTimeout)
	defer cancel()
	session, err := t.client.StartSession(options.Session().SetCausalConsistency(true))
	if err != nil {
		return nil, fmt.Errorf("start a session: %w", err)
	}
	cs, err := t.watch(mongo.NewSessionContext(ctx, session), true, firstReply)
	if err != nil {
		session.EndSession(ctx)
		return nil, err
	}
	t.parts.reset()
	t.cfg.Counters.Reopened.Add(1)
	opened := &changeStream{ChangeStream: cs, session: session, length: firstReply}
	opened.replies = prefetch[reply]{
		fetch:   func(ctx context.Context) reply { return opened.fetch(ctx, t.patience) },
		waiting: &t.waiting,
	}
	return opened, nil
}

// await is how long the server waits for a change before it says that there is none.
func (t *Tailer) await() time.Duration {
	if t.cfg.Once {
		return awaitOnce
	}
	return await
}

func (t *Tailer) watch(ctx context.Context, document bool, length int32) (*mongo.ChangeStream, error) {
	opts := options.ChangeStream().SetMaxAwaitTime(t.await()).SetBatchSize(length)
	if document {
		opts.SetFullDocument(options.UpdateLookup)
	}
	switch {
	case t.place.token != nil:
		// Unlike resumeAfter it also goes on behind an invalidate.
		opts.SetStartAfter(t.place.token)
	case t.place.time != 0:
		at := timestamp(t.place.time)
		opts.SetStartAtOperationTime(&at)
	}
	cs, err := t.collection().Watch(ctx, pipeline(t.split && document, document), opts)
	if err != nil {
		return nil, fmt.Errorf("open the change stream: %w", unanswered(ctx, err))
	}
	return cs, nil
}

// close gives the cursor and the session back, if the server still listens.
func (cs *changeStream) close() {
	cs.replies.drop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = cs.Close(ctx)
	cs.session.EndSession(ctx)
}

// fetch reads one reply. Its patience is the server's only: what was read is handed over however long the stream takes to
// have room for it.
func (cs *changeStream) fetch(ctx context.Context, patience time.Duration) (r reply) {
	asking, cancel := patient(ctx, patience)
	defer cancel()
	sctx := mongo.NewSessionContext(asking, cs.session)
	cs.SetBatchSize(cs.length)
	size := 0
	for more := cs.TryNext(sctx); more; more = cs.RemainingBatchLength() > 0 && cs.TryNext(sctx) {
		r.events = append(r.events, copied(cs.Current))
		size += len(cs.Current)
	}
	if err := cs.Err(); err != nil {
		r.err = &streamError{fmt.Errorf("read the change stream: %w", unanswered(asking, err))}
		return r
	}
	r.ended = cs.ID() == 0
	if len(r.events) > 0 {
		cs.length = replyLength(size, len(r.events))
	} else if token := cs.ResumeToken(); token != nil {
		r.token = copied(token)
	}
	return r
}

// take takes one reply of the change stream and hands over what is in it; n is the number of changes. again tells that
// the stream ended, as it does behind an invalidate, and is to be opened again.
func (t *Tailer) take(ctx context.Context, cs *changeStream) (n int, again bool, err error) {
	r := cs.replies.take(ctx)
	n = len(r.events)
	if n == 0 {
		if r.err != nil {
			return 0, false, r.err
		}
		t.backlog.Store(false)
		if r.token != nil && !t.parts.pending() {
			t.place.token = r.token
			t.place.time = max(t.place.time, tokenTime(r.token))
		}
		return 0, r.ended, nil
	}
	t.backlog.Store(n >= manyEvents)
	if n >= manyEvents && r.err == nil && !r.ended && !t.sharded {
		cs.replies.ask(ctx)
	}
	items, err := t.itemsOf(ctx, cs, r.events)
	// What was passed is handed over whatever came behind it: the stream goes on behind it.
	if herr := t.hand(ctx, items); herr != nil {
		return n, false, herr
	}
	if err != nil {
		return n, false, &streamError{fmt.Errorf("read the change stream: %w", err)}
	}
	if r.err != nil {
		return n, false, r.err
	}
	t.noteBehind(items)
	return n, r.ended, nil
}

// itemsOf are the events of a reply as items, up to one that cannot be read.
func (t *Tailer) itemsOf(ctx context.Context, cs *changeStream, events []bson.Raw) ([]item, error) {
	items := make([]item, 0, len(events))
	for _, raw := range events {
		e, whole, fault := t.parts.add(raw)
		if !whole {
			if fault != nil {
				return items, fault
			}
			continue
		}
		if t.sharded && fault == nil && e.operation == "update" && e.document == nil {
			// The server looked for it by the shard key that it had before; it may live on under another.
			document, err := t.lookUpSoon(ctx, cs.session, e.id)
			if err != nil {
				return items, err
			}
			e.document = document
		}
		items = append(items, t.pass(e, fault))
	}
	return items, nil
}

// lookUpSoon is lookUp with the patience of a reply.
func (t *Tailer) lookUpSoon(ctx context.Context, session *mongo.Session, id bson.RawValue) (bson.Raw, error) {
	ctx, cancel := patient(ctx, t.patience)
	defer cancel()
	document, err := t.lookUp(ctx, session, id)
	return document, unanswered(ctx, err)
}

// pass moves the place behind an event, and makes an item of it.
func (t *Tailer) pass(e event, fault error) item {
	if e.of > 1 {
		t.cfg.Counters.Split.Add(1)
	}
	if e.token != nil {
		t.place.token = copied(e.token) // apart, so that a place does not keep the document alive
	}
	t.place.time = max(t.place.time, e.time)
	if e.operation == "invalidate" || e.operation == "rename" && e.to == t.cfg.Namespace() {
		// If another collection has the name now, what it held comes by no event.
		t.place.begin(time.Now())
		t.log.Info().Str("operation", e.operation).Msg("the collection was dropped or renamed, or another has its name: reading what is there now")
	}
	return item{event: e, fault: fault, after: t.place}
}

// streamError is an error of reading a change stream that was open: the stream may still be opened again where it was.
type streamError struct{ error }

func (e *streamError) Unwrap() error { return e.error }

// replyLength is how many documents of the size just seen make a reply of the size that is wanted.
func replyLength(bytes, n int) int32 {
	if n == 0 {
		return firstReply
	}
	return int32(min(max(replyBytes/max(bytes/n, 1), 1), largestReply))
}

// noteBehind notes how far behind the newest of the items is.
func (t *Tailer) noteBehind(items []item) {
	if len(items) == 0 {
		return
	}
	if at := items[len(items)-1].event.happened(); at != 0 {
		behind := max(time.Since(time.UnixMicro(at)), 0)
		t.stats.set(func(s *Stats) { s.Behind = behind })
	}
}

// collection reads what a majority has: what may be rolled back is not there yet.
func (t *Tailer) collection() *mongo.Collection {
	return t.client.Database(t.cfg.Database).Collection(t.cfg.Collection, options.Collection().SetReadConcern(readconcern.Majority()))
}
