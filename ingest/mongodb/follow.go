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
	// length is how many events the next reply may hold.
	length int32
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
	return &changeStream{ChangeStream: cs, session: session, length: firstReply}, nil
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
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = cs.Close(ctx)
	cs.session.EndSession(ctx)
}

// take reads one reply of the change stream and hands over what is in it; n is the number of changes. again tells that
// the stream ended, as it does behind an invalidate, and is to be opened again.
func (t *Tailer) take(ctx context.Context, cs *changeStream) (n int, again bool, err error) {
	// The server's patience only: what was read is handed over however long the stream takes to have room for it.
	asking, cancel := patient(ctx, t.patience)
	defer cancel()
	sctx := mongo.NewSessionContext(asking, cs.session)
	cs.SetBatchSize(cs.length)
	t.waiting.Store(true)
	ok := cs.TryNext(sctx)
	t.waiting.Store(false)
	if !ok {
		if err := cs.Err(); err != nil {
			return 0, false, &streamError{fmt.Errorf("read the change stream: %w", unanswered(asking, err))}
		}
		t.backlog.Store(false)
		if token := cs.ResumeToken(); token != nil && !t.parts.pending() {
			t.place.token = copied(token)
			t.place.time = max(t.place.time, tokenTime(token))
		}
		return 0, cs.ID() == 0, nil
	}
	items := make([]item, 0, cs.RemainingBatchLength()+1)
	bytes := 0
	for {
		raw := copied(cs.Current)
		bytes += len(raw)
		n++
		e, whole, perr := t.parts.add(raw)
		if whole {
			if t.sharded && perr == nil && e.operation == "update" && e.document == nil {
				// The server looked for it by the shard key that it had before; it may live on under another.
				if e.document, err = t.lookUp(asking, cs.session, e.id); err != nil {
					break
				}
			}
			items = append(items, t.pass(e, perr))
		} else if perr != nil {
			err = perr
			break
		}
		if cs.RemainingBatchLength() == 0 || !cs.TryNext(sctx) {
			break
		}
	}
	t.backlog.Store(n >= manyEvents)
	// What was passed is handed over whatever came behind it: the stream goes on behind it.
	if herr := t.hand(ctx, items); herr != nil {
		return n, false, herr
	}
	if err == nil {
		err = cs.Err()
	}
	if err != nil {
		return n, false, &streamError{fmt.Errorf("read the change stream: %w", err)}
	}
	cs.length = replyLength(bytes, n)
	t.noteBehind(items)
	return n, cs.ID() == 0, nil
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
