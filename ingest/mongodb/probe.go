package mongodb

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"go.mongodb.org/mongo-driver/v2/bson"

	"claude-analytics/proto"
)

// Probe is what can be said of a collection without reading it.
type Probe struct {
	// Server is the version, Set the replica set's name.
	Server, Set string
	// Documents is about how many there are.
	Documents int64
	// Window is how far back the server's history reaches; 0 if the user may not see that.
	Window time.Duration
	// Skew is how far the server's clock is ahead of ours, give or take Round, the time that the question took.
	Skew, Round time.Duration
}

// Examine looks whether a collection can be followed from a position on (nil: from now), and changes nothing. It returns
// what Tailer.Run would end with: a *SetupError or *HistoryLostError; any other error is one that would be tried again.
func Examine(ctx context.Context, cfg Config, position *proto.CollectionPosition, token []byte) (Probe, error) {
	t, err := New(cfg, position, token, "", zerolog.Nop())
	if err != nil {
		return Probe{}, err
	}
	defer t.disconnect()
	probe, err := t.probe(ctx)
	if err == nil {
		return probe, nil
	}
	switch what, code := react(err); what {
	case refuse:
		return probe, refusal(err, code)
	case historyLost:
		return probe, &HistoryLostError{Namespace: cfg.Namespace(), Since: wall(t.place.time), Code: code, Err: err}
	default:
		return probe, err
	}
}

func (t *Tailer) probe(ctx context.Context) (Probe, error) {
	if err := t.connect(); err != nil {
		return Probe{}, err
	}
	if err := t.examine(ctx); err != nil {
		return Probe{}, err
	}
	stats := t.Stats()
	probe := Probe{Server: stats.Server, Set: stats.Set}
	cs, err := t.open(ctx)
	if err != nil {
		return probe, err
	}
	defer cs.close()
	// A token that is too old may show only when the stream is read.
	if cs.TryNext(ctx); cs.Err() != nil {
		return probe, fmt.Errorf("read the change stream: %w", cs.Err())
	}
	probe.Documents, err = t.collection().EstimatedDocumentCount(ctx)
	if err != nil {
		return probe, fmt.Errorf("count the documents: %w", err)
	}
	probe.Skew, probe.Round = t.skew(ctx)
	// The oplog is seldom allowed to be read: then its window stays unknown.
	var oldest struct {
		Time bson.Timestamp `bson:"ts"`
	}
	if t.client.Database("local").Collection("oplog.rs").FindOne(ctx, bson.D{}).Decode(&oldest) == nil && oldest.Time.T != 0 {
		probe.Window = time.Since(time.Unix(int64(oldest.Time.T), 0)).Round(time.Second)
	}
	return probe, nil
}

// skew compares the clocks; a server that does not tell its time is taken to be right.
func (t *Tailer) skew(ctx context.Context) (skew, round time.Duration) {
	var who struct {
		LocalTime time.Time `bson:"localTime"`
	}
	asked := time.Now()
	if t.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&who) != nil || who.LocalTime.IsZero() {
		return 0, 0
	}
	round = time.Since(asked)
	return who.LocalTime.Sub(asked.Add(round / 2)), round
}
