package mongodb

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"

	"claude-analytics/proto"
)

// lost decides what to do about changes that can no longer be read.
func (t *Tailer) lost(reason string, code int32, cause error) error {
	t.cfg.Counters.HistoryLost.Add(1)
	action := t.cfg.HistoryLost
	if t.cfg.Resnapshot {
		action = HistoryResnapshot // that is what was asked for
	}
	from := wall(t.place.time)
	if t.losses++; t.losses > maxLosses {
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
	for !cs.TryNext(sctx) {
		if err := cs.Err(); err != nil {
			return fmt.Errorf("read a large change without its document: %w", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	e, err := parseEvent(copied(cs.Current))
	if err == nil && e.id.Type != 0 && e.operation != "delete" {
		coll := t.client.Database(t.cfg.Database).Collection(t.cfg.Collection, options.Collection().SetReadConcern(readconcern.Majority()))
		doc, ferr := coll.FindOne(sctx, bson.D{{Key: "_id", Value: e.id}}).Raw()
		switch {
		case ferr == nil:
			e.document = copied(doc)
		case ferr != mongo.ErrNoDocuments: //nolint:errorlint // the driver returns it bare
			return fmt.Errorf("fetch the document of a large change: %w", ferr)
		}
		// Whatever it was, this is what the document is now; if it is gone, its delete follows.
		e.operation = "update"
	}
	if e.token == nil {
		return err
	}
	t.cfg.Counters.Narrow.Add(1)
	t.place.token, t.place.time = e.token, max(t.place.time, e.time)
	t.log.Info().Int("bytes", len(e.document)).Msg("a change too large for one reply was fetched apart")
	return t.hand(ctx, []item{{event: e, fault: err, after: t.place}})
}
