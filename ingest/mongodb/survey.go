package mongodb

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
)

// surveyBatch is how many ids one reply holds.
const surveyBatch = 10_000

// Survey reads a collection in the order of _id and hands over each document's row key, and its bytes if content is
// asked for, else nil; they are good until fn returns. It tries once, and waits no longer for a server than the URI says.
func Survey(ctx context.Context, cfg Config, content bool, fn func(key string, raw []byte) error) (err error) {
	opts := options.Client().ApplyURI(cfg.URI).SetReadConcern(readconcern.Majority())
	if opts.AppName == nil {
		opts.SetAppName("claude-analytics verify")
	}
	if opts.ServerSelectionTimeout == nil {
		opts.SetServerSelectionTimeout(selectionTimeout)
	}
	client, err := mongo.Connect(opts)
	if err != nil {
		return &SetupError{Problem: "MONGO_URI cannot be used", Err: err, Remedy: "correct it; the form is mongodb://user:password@host:27017/?replicaSet=rs0"}
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }() // nothing is under way any more
	order := bson.D{{Key: "_id", Value: 1}}
	find := options.Find().SetSort(order).SetHint(order)
	if content {
		find.SetBatchSize(largestReply)
	} else {
		find.SetBatchSize(surveyBatch).SetProjection(order)
	}
	cursor, err := client.Database(cfg.Database).Collection(cfg.Collection).Find(ctx, bson.D{}, find)
	if err != nil {
		return fmt.Errorf("read %s: %w", cfg.Namespace(), err)
	}
	defer cursor.Close(context.WithoutCancel(ctx)) //nolint:errcheck // read to its end, or of no use
	for cursor.Next(ctx) {
		key, err := rowKey(cursor.Current.Lookup("_id"))
		if err != nil {
			continue // what has no key cannot be published; it is a dead letter
		}
		raw := []byte(cursor.Current)
		if !content {
			raw = nil
		}
		if err := fn(key, raw); err != nil {
			return err
		}
	}
	if err := cursor.Err(); err != nil {
		return fmt.Errorf("read %s: %w", cfg.Namespace(), err)
	}
	return nil
}
