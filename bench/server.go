package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"claude-analytics/internal/mongotest"
)

// database is the one that all cases use.
const database = "bench"

// server is the MongoDB of a case: that of $MONGODB_URI, or a SecantusDB of its own.
type server struct {
	*mongotest.Server
	client *mongo.Client
	pid    int64 // 0: it runs elsewhere
}

// launch starts the server of a case. What it holds is on disk: in memory it would end at 1 GB. oplog is how many changes
// it must reach back.
func (b *bench) launch(ctx context.Context, name string, oplog int) (*server, error) {
	opts := mongotest.Options{}
	if os.Getenv("MONGODB_URI") == "" {
		dir, err := b.fresh(name + "-mongodb")
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		opts = mongotest.Options{Dir: dir, OplogMaxEntries: oplog}
	}
	launched, err := mongotest.Launch(ctx, opts)
	if err != nil {
		return nil, err
	}
	s := &server{Server: launched}
	if s.client, err = mongo.Connect(options.Client().ApplyURI(s.URI())); err != nil {
		launched.Stop()
		return nil, fmt.Errorf("connect to %s: %w", s.URI(), err)
	}
	var status struct {
		PID int64 `bson:"pid"`
	}
	if s.Own() {
		err = s.client.Database("admin").RunCommand(ctx, bson.D{{Key: "serverStatus", Value: 1}}).Decode(&status)
		if s.pid = status.PID; err != nil {
			s.close(ctx)
			return nil, fmt.Errorf("ask the server for its process: %w", err)
		}
	}
	return s, nil
}

// close stops the server and removes what it stored.
func (s *server) close(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	if s.Own() {
		_ = s.client.Disconnect(ctx)
		s.Kill() // nobody needs what it would tidy up
		return
	}
	_ = s.client.Database(database).Drop(ctx)
	_ = s.client.Disconnect(ctx)
}

func (s *server) collection(name string) collection {
	return collection{Collection: s.client.Database(database).Collection(name), uri: s.URI()}
}

// cpu is how much processor time the server has used so far; 0 if it runs elsewhere.
func (s *server) cpu() time.Duration {
	if s.pid == 0 {
		return 0
	}
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(s.pid), "stat"))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may hold anything; user and system time are the 12th and 13th field behind it.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	const user, system, tick = 11, 12, 10 * time.Millisecond
	if len(fields) <= system {
		return 0
	}
	var total int64
	for _, field := range []string{fields[user], fields[system]} {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0
		}
		total += ticks
	}
	return time.Duration(total) * tick
}

// collection is one that a case reads.
type collection struct {
	*mongo.Collection
	uri string
}

// env makes the program, and the batch platform, read it.
func (c collection) env() []string {
	return []string{"MONGO_URI=" + c.uri, "MONGO_DB=" + c.Database().Name(), "MONGO_COLLECTION=" + c.Name()}
}

// fill puts generated documents into it, in a process of its own: a child's peak memory counts from its parent's size.
func (b *bench) fill(ctx context.Context, c collection, args ...string) error {
	args = append([]string{"generate", "--mongo-uri", c.uri, "--mongo-db", c.Database().Name(), "--mongo-collection", c.Name()}, args...)
	_, err := b.program(ctx, args...)
	return err
}

// stored is the number of documents and their bytes.
func (c collection) stored(ctx context.Context) (documents, bytes int64, err error) {
	cursor, err := c.Aggregate(ctx, mongo.Pipeline{{{Key: "$group", Value: bson.D{
		{Key: "_id", Value: nil},
		{Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}},
		{Key: "bytes", Value: bson.D{{Key: "$sum", Value: bson.D{{Key: "$bsonSize", Value: "$$ROOT"}}}}},
	}}}})
	if err != nil {
		return 0, 0, fmt.Errorf("measure %s: %w", c.Name(), err)
	}
	var groups []struct{ N, Bytes int64 }
	if err := cursor.All(ctx, &groups); err != nil || len(groups) != 1 {
		return 0, 0, fmt.Errorf("measure %s: %d groups: %w", c.Name(), len(groups), err)
	}
	return groups[0].N, groups[0].Bytes, nil
}
