package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
)

// A bare loop asks the server for the same documents as the program and throws them away: what no reader can be faster
// than. It is a process of its own, as the program is.

// bareOrder is what a bare loop is to read.
type bareOrder struct {
	URI, Collection string
	Documents       int64
	Batch           int32  // documents in a reply
	Token           string // where the change stream goes on, hexadecimal; empty: read the collection itself
}

// bareResult is how it went; connecting is left out.
type bareResult struct {
	Seconds          float64
	Documents, Bytes int64
}

// bareCommand is the first argument of the process.
const bareCommand = "bare"

// bare lets a process of its own read a collection, or its changes behind a token.
func (b *bench) bare(ctx context.Context, c collection, documents, bytes int64, token bson.Raw) (bareResult, error) {
	order, err := json.Marshal(bareOrder{
		URI: c.uri, Collection: c.Name(), Documents: documents, Batch: replyLength(bytes / max(documents, 1)), Token: hex.EncodeToString(token),
	})
	if err != nil {
		return bareResult{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return bareResult{}, err
	}
	cmd := exec.CommandContext(ctx, self, bareCommand, string(order))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return bareResult{}, fmt.Errorf("bare loop: %w", err)
	}
	var result bareResult
	if err := json.Unmarshal(out, &result); err != nil {
		return bareResult{}, fmt.Errorf("bare loop: %w: %s", err, out)
	}
	return result, nil
}

// replyLength is the program's own rule: replies of 4 MB, at most 2,000 documents.
func replyLength(documentBytes int64) int32 {
	return int32(min(max((4<<20)/max(documentBytes, 1), 1), 2000))
}

// bareProcess is the process's main.
func bareProcess(ctx context.Context, text string) error {
	var order bareOrder
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		return err
	}
	client, err := mongo.Connect(options.Client().ApplyURI(order.URI))
	if err != nil {
		return err
	}
	defer client.Disconnect(context.WithoutCancel(ctx)) //nolint:errcheck // everything was read
	if err := client.Ping(ctx, nil); err != nil {
		return err
	}
	coll := client.Database(database).Collection(order.Collection, options.Collection().SetReadConcern(readconcern.Majority()))
	read := bareFind
	if order.Token != "" {
		read = bareWatch
	}
	began := time.Now()
	result, err := read(ctx, coll, order)
	if err != nil {
		return err
	}
	result.Seconds = time.Since(began).Seconds()
	if result.Documents != order.Documents {
		return fmt.Errorf("%d documents came, %d are there", result.Documents, order.Documents)
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func bareFind(ctx context.Context, coll *mongo.Collection, order bareOrder) (r bareResult, err error) {
	by := bson.D{{Key: "_id", Value: 1}}
	cursor, err := coll.Find(ctx, bson.D{}, options.Find().SetSort(by).SetHint(by).SetBatchSize(order.Batch))
	if err != nil {
		return r, err
	}
	for cursor.Next(ctx) {
		r.Documents++
		r.Bytes += int64(len(cursor.Current))
	}
	return r, cursor.Err()
}

// bareWatch asks for nothing but the events and their documents.
func bareWatch(ctx context.Context, coll *mongo.Collection, order bareOrder) (r bareResult, err error) {
	token, err := hex.DecodeString(order.Token)
	if err != nil {
		return r, err
	}
	stream, err := coll.Watch(ctx, mongo.Pipeline{}, options.ChangeStream().SetFullDocument(options.UpdateLookup).
		SetMaxAwaitTime(500*time.Millisecond).SetBatchSize(order.Batch).SetStartAfter(bson.Raw(token)))
	if err != nil {
		return r, err
	}
	defer stream.Close(context.WithoutCancel(ctx)) //nolint:errcheck // everything was read
	for r.Documents < order.Documents && stream.Next(ctx) {
		r.Documents++
		r.Bytes += int64(len(stream.Current))
	}
	return r, stream.Err()
}
