package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"claude-analytics/internal/config"
	"claude-analytics/internal/generator"
)

// generateCmd writes transcripts.
type generateCmd struct {
	Out       string  `help:"Folder to write to; it is made if needed (default: transcripts)." placeholder:"DIR"`
	Sessions  int     `help:"Sessions to write." default:"100"`
	Bytes     string  `help:"Write this much instead, for example 350MB." placeholder:"SIZE"`
	Documents int64   `help:"Or write sessions until there are this many objects." placeholder:"N"`
	Seed      uint64  `help:"The same seed gives the same bytes." default:"1"`
	Hard      bool    `help:"Add every edge case that a reader can meet: broken lines, odd types, clock steps, ..."`
	Secrets   bool    `help:"Plant secrets of every kind, none of them valid, wherever a conversation can hold one."`
	Rate      float64 `help:"Then go on appending this many lines a second until stopped." placeholder:"N"`
	JSON      bool    `help:"Print the truth as JSON."`

	Mongo generateMongo `embed:"" group:"Into MongoDB, instead of a folder"`
}

// defaultOut is the folder that is written to.
const defaultOut = "transcripts"

// Help says what the truth is.
func (generateCmd) Help() string {
	return "Writes OUT/<project>/<session>.jsonl and OUT/truth.json: how many objects, broken lines, sessions, prompts,\n" +
		"responses, tool calls by status, and tokens by session and model a correct reader must find.\n\n" +
		"With --mongo-uri the objects are inserted into MongoDB instead, with projectId, sourceFile and ingestedAt behind\n" +
		"them. The truth holds there too, for a reader that counts a uuid once; --json prints it."
}

// Run generates.
func (c *generateCmd) Run(ctx context.Context, e *env) error {
	var bytes int64
	if c.Bytes != "" {
		var err error
		if bytes, err = config.ParseBytes(c.Bytes); err != nil {
			return usagef("--bytes=%s: %w", c.Bytes, err)
		}
	}
	if c.Sessions < 1 && bytes == 0 && c.Documents == 0 {
		return usagef("--sessions must be at least 1")
	}
	if c.Bytes != "" && c.Documents != 0 {
		return usagef("--bytes and --documents both say how much to write: give one of them")
	}
	if err := c.Mongo.check(c); err != nil {
		return err
	}
	gen, err := generator.New(generator.Config{Sessions: c.Sessions, Bytes: bytes, Objects: c.Documents, Seed: c.Seed, Hard: c.Hard, Secrets: c.Secrets, Rate: c.Rate})
	if err != nil {
		return usageError{err}
	}
	if c.Mongo.URI != "" {
		return c.Mongo.run(ctx, e, c, gen)
	}
	return c.folder(ctx, e, gen)
}

// folder writes files.
func (c *generateCmd) folder(ctx context.Context, e *env, gen *generator.Generator) error {
	out := c.Out
	if out == "" {
		out = defaultOut
	}
	if entries, err := os.ReadDir(out); err == nil && len(entries) > 0 {
		return usagef("%s is not empty: choose another --out, or remove it first", out)
	}
	bar := newBar(e.stderr, "generating")
	truth, err := gen.WriteFiles(ctx, out, bar.set)
	bar.finish()
	if err != nil {
		return err
	}
	if c.JSON {
		if err := writeJSON(e.stdout, truth); err != nil {
			return err
		}
	} else {
		e.printf("%s: %s files, %s\n", out, count(truth.Files), summary(truth))
	}
	if c.Rate > 0 {
		if _, err := gen.Live(ctx, out, c.Rate, nil); err != nil {
			return err
		}
	}
	return nil
}

// summary is the truth on one line.
func summary(truth *generator.Truth) string {
	return fmt.Sprintf("%s objects, %s sessions, %s prompts, %s responses, %s tool calls, %s tokens",
		count(truth.Objects), count(truth.Sessions), count(truth.Messages["user"]), count(truth.Messages["assistant"]),
		count(truth.ToolCalls), count(truth.Tokens.Total))
}

// generateMongo are the flags for writing into MongoDB. They are no settings: what is made up must not get into the
// database that the environment names for following.
type generateMongo struct {
	URI           string  `name:"mongo-uri" help:"MongoDB to write to, as the usual watcher would." placeholder:"URI"`
	DB            string  `name:"mongo-db" help:"Database." default:"claude_logs"`
	Collection    string  `name:"mongo-collection" help:"Collection; it must be empty." default:"conversations"`
	Append        bool    `name:"mongo-append" help:"Write even though the collection holds something."`
	Churn         float64 `help:"Share of documents, 0 to 1, that are also updated, replaced, deleted as a copy, or inserted twice." placeholder:"FRACTION"`
	DocumentBytes int     `help:"Simple documents of about N bytes each, --documents of them, instead of sessions." placeholder:"N"`
}

// check finds what does not fit together.
func (m *generateMongo) check(c *generateCmd) error {
	switch {
	case m.URI == "" && (m.Churn != 0 || m.DocumentBytes != 0 || m.Append):
		return usagef("--churn, --document-bytes and --mongo-append need --mongo-uri")
	case m.URI == "":
		return nil
	case c.Out != "":
		return usagef("--out and --mongo-uri: transcripts go to one of them")
	case !(m.Churn >= 0 && m.Churn <= 1):
		return usagef("--churn=%g is not between 0 and 1", m.Churn)
	case m.DocumentBytes < 0:
		return usagef("--document-bytes must be at least 1")
	case m.DB == "" || m.Collection == "":
		return usagef("--mongo-db and --mongo-collection need a name")
	case m.DocumentBytes > 0 && (c.Hard || c.Bytes != ""):
		return usagef("--document-bytes writes simple documents: --hard and --bytes say nothing about them")
	}
	return nil
}

// mongoAnswer is what --json prints: the truth, if there is one, and what was done.
type mongoAnswer struct {
	*generator.Truth
	Mongo generator.MongoResult `json:"mongo"`
}

// reachable is how long to wait for the database.
const reachable = 15 * time.Second

// run writes into the collection.
func (m *generateMongo) run(ctx context.Context, e *env, c *generateCmd, gen *generator.Generator) error {
	client, err := mongo.Connect(options.Client().ApplyURI(m.URI).SetAppName("claude-analytics generate"))
	if err != nil {
		return usagef("--mongo-uri: %w", err)
	}
	defer client.Disconnect(context.WithoutCancel(ctx)) //nolint:errcheck // everything is acknowledged already
	coll := client.Database(m.DB).Collection(m.Collection)
	if err := m.empty(ctx, coll); err != nil {
		return err
	}

	opts := generator.MongoOptions{Rate: c.Rate, Churn: m.Churn}
	bar := newBar(e.stderr, "generating")
	opts.Progress = bar.set
	var answer mongoAnswer
	began := time.Now()
	if m.DocumentBytes > 0 {
		answer.Mongo, err = gen.FillMongo(ctx, coll, m.DocumentBytes, c.Documents, opts)
	} else {
		answer.Mongo, answer.Truth, err = gen.WriteMongo(ctx, coll, opts)
	}
	took := time.Since(began)
	bar.finish()
	if err != nil {
		return err
	}
	if c.JSON {
		if err := writeJSON(e.stdout, answer); err != nil {
			return err
		}
	} else {
		m.report(e, answer, took)
	}
	if c.Rate > 0 && m.DocumentBytes == 0 {
		_, err = gen.LiveMongo(ctx, coll, opts)
	}
	return err
}

// empty makes sure that the database answers and, unless told otherwise, that nobody's documents are mixed with
// made-up ones: nothing could tell them apart again.
func (m *generateMongo) empty(ctx context.Context, coll *mongo.Collection) error {
	ctx, cancel := context.WithTimeout(ctx, reachable)
	defer cancel()
	err := coll.FindOne(ctx, bson.D{}, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return nil
	case err != nil:
		return fmt.Errorf("look into %s.%s: %w", m.DB, m.Collection, err)
	case !m.Append:
		return usagef("%s.%s is not empty: choose another --mongo-collection, or add to it with --mongo-append", m.DB, m.Collection)
	}
	return nil
}

func (m *generateMongo) report(e *env, answer mongoAnswer, took time.Duration) {
	done := answer.Mongo
	e.printf("%s.%s: %s documents in %s (%s a second)", m.DB, m.Collection, count(done.Documents), took.Round(time.Millisecond),
		count(int64(float64(done.Documents)/took.Seconds())))
	if m.Churn > 0 {
		e.printf(", %s duplicates; %s updates, %s replaces, %s deletes", count(done.Duplicates), count(done.Updates), count(done.Replaces), count(done.Deletes))
	}
	if done.Skipped > 0 {
		e.printf("; %s skipped: broken lines, and what MongoDB cannot hold", count(done.Skipped))
	}
	e.println()
	if answer.Truth != nil {
		e.println(summary(answer.Truth))
	}
}

// demoRate is how many lines a second a demo goes on writing.
const demoRate = 5

// writeDemo makes the demo's transcripts once; a second start goes on with what is there.
func writeDemo(ctx context.Context, e *env, dir string, sessions int, seed uint64) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil
	}
	gen, err := generator.New(generator.Config{Sessions: sessions, Seed: seed})
	if err != nil {
		return usageError{err}
	}
	bar := newBar(e.stderr, "generating")
	defer bar.finish()
	_, err = gen.WriteFiles(ctx, dir, bar.set)
	return err
}

func liveDemo(ctx context.Context, dir string, seed uint64) error {
	gen, err := generator.New(generator.Config{Sessions: 1, Seed: seed + 1, Rate: demoRate})
	if err != nil {
		return err
	}
	_, err = gen.Live(ctx, dir, demoRate, nil)
	return err
}
