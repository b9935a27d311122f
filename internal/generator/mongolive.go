package generator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// LiveMongo is Live for a collection: it goes on inserting documents, with the time of writing as their timestamps, of
// new sessions and of sessions that are in the collection already, until ctx ends, which is no error. opts.Rate 0 means
// Config.Rate.
func (g *Generator) LiveMongo(ctx context.Context, coll *mongo.Collection, opts MongoOptions) (MongoResult, error) {
	if opts.Rate == 0 {
		opts.Rate = g.cfg.Rate
	}
	d := &collection{mongoWriter: g.newMongoWriter(coll, opts, "live churn"), observe: opts.Observe}
	_, err := g.live(ctx, d, opts.Rate)
	if ctx.Err() != nil {
		err = nil
	}
	if err = d.finish(ctx, err); err == nil {
		d.tell()
	}
	return d.result, err
}

// collection is a destination of live sessions. Its rate is kept by who appends.
type collection struct {
	*mongoWriter
	observe func(Appended)
	waiting []Appended // for their batch
	newest  map[string]lastFields
}

// resumable is how many of the newest records are searched for sessions to go on with.
const resumable = 2000

func (d *collection) sessions(ctx context.Context) (paths []string, err error) {
	d.newest = map[string]lastFields{}
	found, err := d.coll.Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(resumable).
		SetProjection(bson.D{{Key: "sourceFile", Value: 1}, {Key: "sessionId", Value: 1}, {Key: "uuid", Value: 1}, {Key: "cwd", Value: 1}, {Key: "gitBranch", Value: 1}}))
	if err != nil {
		return nil, fmt.Errorf("look for sessions: %w", err)
	}
	defer found.Close(ctx)
	for found.Next(ctx) {
		var record struct {
			Last lastFields `bson:",inline"`
			File string     `bson:"sourceFile"`
		}
		if found.Decode(&record) != nil || record.Last.UUID == "" {
			continue // a record of another shape is none to go on with
		}
		path, below := strings.CutPrefix(record.File, transcriptsRoot)
		if _, known := d.newest[path]; below && !known && isSessionFile(path) {
			d.newest[path] = record.Last
			paths = append(paths, path)
		}
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("look for sessions: %w", err)
	}
	slices.Sort(paths)
	return paths, nil
}

func (d *collection) last(path string) lastFields { return d.newest[path] }

// beside leaves the file out: the watcher takes transcripts only.
func (*collection) beside(sidecar) error { return nil }

func (*collection) ended([]string) error { return nil }

func (d *collection) append(ctx context.Context, line Appended) error {
	line.Line = line.Line[:len(line.Line)-1]
	if known, ok := d.newest[line.Path]; ok && line.UUID != "" {
		known.UUID = line.UUID
		d.newest[line.Path] = known
	}
	d.waiting = append(d.waiting, line)
	if err := d.add(ctx, inFile(line.Path, line.Line)); err != nil {
		return err
	}
	d.tell()
	return nil
}

// tell reports the lines of a batch that is written.
func (d *collection) tell() {
	if len(d.items) > 0 {
		return
	}
	if d.observe != nil {
		for _, line := range d.waiting {
			d.observe(line)
		}
	}
	d.waiting = d.waiting[:0]
}
