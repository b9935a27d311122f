package mongodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"claude-analytics/proto"
)

// lost decides what to do about changes that can no longer be read.
func (t *Tailer) lost(reason string, code int32, cause error) error {
	t.cfg.Counters.HistoryLost.Add(1)
	action := t.cfg.HistoryLost
	if t.cfg.Resnapshot != nil && !t.cfg.Resnapshot.finished.Load() {
		action = HistoryResnapshot // that is what was asked for
	}
	from := wall(t.place.time)
	if action == HistoryResnapshot {
		t.losses++
	}
	if t.losses > maxLosses {
		action = HistoryFail
		cause = fmt.Errorf("%w, %d times before a snapshot was complete: the server's oplog is too short for it", cause, t.losses)
	}
	if action != HistoryResnapshot && action != HistoryReset {
		return &HistoryLostError{Namespace: t.cfg.Namespace(), Since: from, Code: code, Err: cause}
	}
	t.log.Error().Err(cause).Str("reason", reason).Int32("code", code).Time("from", from).Str("action", action).
		Msg("changes can no longer be read")
	t.gap = &proto.Gap{Reason: reason, Action: action, Code: code, Detail: cause.Error(), From: from}
	t.place.token, t.place.time, t.fatal, t.target = nil, 0, 0, 0
	if action == HistoryResnapshot {
		t.place.begin(time.Now())
	}
	return nil
}

// tellGap publishes a gap, once it is known from when on changes are read again.
func (t *Tailer) tellGap(ctx context.Context) error {
	if t.gap == nil {
		return nil
	}
	t.gap.To = time.Now().UTC()
	document, err := t.gap.Document()
	if err != nil {
		return err
	}
	if err := t.say(ctx, &proto.Change{Operation: proto.Operation_OPERATION_GAP, Id: "gap", Document: document}); err != nil {
		return err
	}
	t.gap = nil
	return nil
}

// maxEmpty is how many replies may be empty before an event that must be there is no longer waited for.
const maxEmpty = 20

// fetchApart reads the one event that is too large to come with its document, without it, and then the document.
func (t *Tailer) fetchApart(ctx context.Context) error {
	session, err := t.client.StartSession(options.Session().SetCausalConsistency(true))
	if err != nil {
		return fmt.Errorf("start a session: %w", err)
	}
	defer session.EndSession(context.WithoutCancel(ctx))
	sctx := mongo.NewSessionContext(ctx, session)
	cs, err := t.watch(sctx, false, 1)
	if err != nil {
		return err
	}
	defer cs.Close(context.WithoutCancel(ctx)) //nolint:errcheck // one event was read, or its error is told
	for empty := 0; !cs.TryNext(sctx); empty++ {
		if err := cs.Err(); err != nil {
			return fmt.Errorf("read a large change without its document: %w", err)
		}
		if empty == maxEmpty || cs.ID() == 0 || ctx.Err() != nil {
			return fmt.Errorf("%w: the change that was too large does not come again", errEvent)
		}
	}
	e, err := parseEvent(copied(cs.Current))
	if e.token == nil {
		return err
	}
	if err == nil && e.id.Type != 0 && e.operation != "delete" {
		if e.document, err = t.lookUp(ctx, session, e.id); err != nil {
			return err
		}
		// Whatever it was, this is what the document is now; if it is gone, its delete follows.
		e.operation = "update"
	}
	t.cfg.Counters.Narrow.Add(1)
	t.log.Info().Int("bytes", len(e.document)).Msg("a change too large for one reply was fetched apart")
	return t.hand(ctx, []item{t.pass(e, err)})
}

// lookUp is a document as it is now, not older than what the session has seen; nil if there is none.
func (t *Tailer) lookUp(ctx context.Context, session *mongo.Session, id bson.RawValue) (bson.Raw, error) {
	doc, err := t.collection().FindOne(mongo.NewSessionContext(ctx, session), bson.D{{Key: "_id", Value: id}}).Raw()
	switch {
	case err == nil:
		return copied(doc), nil
	case errors.Is(err, mongo.ErrNoDocuments):
		return nil, nil
	}
	return nil, fmt.Errorf("look up the document of a change: %w", err)
}
