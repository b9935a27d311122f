package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"claude-analytics/internal/generator"
	"claude-analytics/internal/stream"
)

// newDocuments is how many come after the backfill; each is a prompt or an answer.
const newDocuments = 100

// freshRounds is how often ours is measured: in its first seconds a service also makes its published copy, which a median of few
// rounds would mostly tell of.
const freshRounds = 10

// peers is the program beside the batch platform, on the same collections of the same server: the first backfill, and how
// soon 100 new documents are in the marts.
func (b *bench) peers(ctx context.Context) error {
	dir, python, err := findPeer()
	if err != nil || dir == "" {
		return err
	}
	s, err := b.launch(ctx, "peers", 0)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	for _, text := range strings.Split(b.peerSizes, ",") {
		size, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			return fmt.Errorf("-peer-sizes: %w", err)
		}
		work, err := b.fresh(fmt.Sprint("peer-", size))
		if err != nil {
			return err
		}
		p := peer{dir: dir, python: python, work: work, coll: s.collection(fmt.Sprint("conversations_", size))}
		if err := b.beside(ctx, p, size); err != nil {
			return fmt.Errorf("%d documents: %w", size, err)
		}
		if err := p.coll.Drop(ctx); err != nil {
			return fmt.Errorf("drop the collection: %w", err)
		}
	}
	return nil
}

// beside compares both at one size.
func (b *bench) beside(ctx context.Context, p peer, size int) error {
	// The index is the one that the platform's own generator makes.
	index := mongo.IndexModel{Keys: bson.D{{Key: "ingestedAt", Value: -1}}}
	if _, err := p.coll.Indexes().CreateOne(ctx, index); err != nil {
		return fmt.Errorf("create the index on ingestedAt: %w", err)
	}
	if err := b.fill(ctx, p.coll, "--documents", fmt.Sprint(size), "--mongo-append", "--seed", "4"); err != nil {
		return err
	}
	name := fmt.Sprintf("peers, %d k: ", size/1000)
	documents, bytes, err := p.coll.stored(ctx)
	if err != nil {
		return err
	}
	bare, err := b.bare(ctx, p.coll, documents, bytes, nil)
	if err != nil {
		return err
	}
	b.add(name+"bare loop, which throws the documents away", bare.Seconds, "s", "")
	data, err := b.fresh(fmt.Sprint("ours-", size))
	if err != nil {
		return err
	}
	ours, err := b.programWith(ctx, p.coll.env(), "up", "--until-idle", "--data-dir", data)
	if err != nil {
		return err
	}
	b.add(name+"backfill, ours", ours.wall.Seconds(), "s", "")
	theirs, err := p.run(ctx, "--full-backfill", "--full-refresh")
	if err != nil {
		return err
	}
	b.add(name+"backfill, batch platform", theirs.Fresh, "s", "")
	for _, stage := range []string{"extract", "load", "transform"} {
		b.add(name+"batch platform's "+stage, theirs.Stages[stage].Seconds, "s", "")
	}
	rows, err := b.number(ctx, data, "SELECT count(*) FROM raw.conversations")
	if err != nil {
		return err
	}
	if int64(rows) != theirs.Rows {
		return fmt.Errorf("%d rows, and %d in the batch platform", int64(rows), theirs.Rows)
	}
	b.add(name+"backfill, faster", theirs.Fresh/ours.wall.Seconds(), "times", "≥ 3")
	b.add(name+"backfill, faster than the platform: the bare loop", theirs.Fresh/bare.Seconds, "times", "")
	b.add(name+"peak memory, ours", float64(ours.memory)/(1<<20), "MiB", "")
	b.add(name+"peak memory, batch platform", theirs.Memory, "MiB", "")
	b.add(name+"peak memory, ours of theirs", float64(ours.memory)/(1<<20)/theirs.Memory, "ratio", "≤ 0.5")
	return b.freshness(ctx, p, name, data)
}

// freshness adds documents a few times for each. Ours is stopped before the platform runs, so that it has the machine to
// itself; there is nothing to stop the other way round.
func (b *bench) freshness(ctx context.Context, p peer, name, data string) error {
	var ours, theirs []float64
	client, stop, err := b.serve(ctx, p.coll.env(), data)
	if err != nil {
		return err
	}
	if err := answers(ctx, client); err != nil {
		stop()
		return err
	}
	for round := range freshRounds {
		took, err := untilFresh(ctx, client, p.coll, round)
		if err != nil {
			stop()
			return err
		}
		ours = append(ours, took)
	}
	stop()
	var memory float64
	for round := range b.rounds {
		if err := insertNew(ctx, p.coll, len(ours)+round); err != nil {
			return err
		}
		run, err := p.run(ctx)
		if err != nil {
			return err
		}
		theirs, memory = append(theirs, run.Fresh), max(memory, run.Memory)
	}
	// The first of ours also waits for what the service does at its start.
	b.add(name+"100 new, ours, first", ours[0], "s", "")
	b.add(name+"100 new, ours", median(ours[1:]), "s", "")
	b.add(name+"100 new, batch platform", median(theirs), "s", "")
	b.add(name+"its peak memory then", memory, "MiB", "")
	b.add(name+"100 new, sooner", median(theirs)/median(ours[1:]), "times", "≥ 50")
	return nil
}

// insertNew inserts documents that were not there before.
func insertNew(ctx context.Context, c collection, round int) error {
	gen, err := generator.New(generator.Config{Sessions: 1, Seed: 100 + uint64(round)})
	if err != nil {
		return err
	}
	if _, err = gen.FillMongo(ctx, c.Collection, 2000, newDocuments, generator.MongoOptions{}); err != nil {
		return fmt.Errorf("insert %d documents: %w", newDocuments, err)
	}
	return nil
}

// untilFresh inserts documents and asks a running service until its marts hold them all.
func untilFresh(ctx context.Context, client *stream.Client, c collection, round int) (float64, error) {
	before, err := messages(ctx, client)
	if err != nil {
		return 0, err
	}
	if err := insertNew(ctx, c, round); err != nil {
		return 0, err
	}
	began := time.Now()
	for {
		now, err := messages(ctx, client)
		if err != nil {
			return 0, err
		}
		if now >= before+newDocuments {
			return time.Since(began).Seconds(), nil
		}
		if time.Since(began) > time.Minute {
			return 0, errors.New("the new documents did not arrive in a minute")
		}
		time.Sleep(25 * time.Millisecond) // more often, and asking would take a good part of a core
	}
}

// answers waits until a service that was just started answers.
func answers(ctx context.Context, client *stream.Client) error {
	deadline := time.Now().Add(time.Minute)
	for {
		_, err := messages(ctx, client)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// messages is how many messages the mart holds.
func messages(ctx context.Context, client *stream.Client) (int64, error) {
	reply, err := client.Request(ctx, "query", []byte(`{"raw": true, "sql": "SELECT count(*) AS n FROM marts.fct_messages"}`))
	if err != nil {
		return 0, fmt.Errorf("count the messages: %w", err)
	}
	var answer struct{ Rows [][]int64 }
	if err := json.Unmarshal(reply, &answer); err != nil || len(answer.Rows) != 1 {
		return 0, fmt.Errorf("count the messages: %w: %s", err, reply)
	}
	return answer.Rows[0][0], nil
}
