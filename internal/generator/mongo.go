package generator

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
)

// MongoOptions say how documents get into a collection. The zero value writes them as fast as it can, each once.
type MongoOptions struct {
	Rate float64 // documents a second; 0 = as fast as possible

	// Churn is the share of documents, 0 to 1, that take a detour, drawn from the seed: inserted as something else and
	// then updated or replaced; inserted together with a changed copy that is then deleted; or inserted a second time
	// under another _id and with a later ingestedAt, as a watcher does that reads a file again. Only these duplicates
	// stay, so that the collection ends up with every document once, and the duplicates.
	Churn float64

	Progress func(done, total int64) // told now and then how far it is, if not nil

	Observe func(Appended) // LiveMongo: told of each document once it is in the collection, if not nil
}

// MongoResult counts what was done to a collection.
type MongoResult struct {
	Documents  int64 `json:"documents"`  // in the collection, duplicates not counted
	Duplicates int64 `json:"duplicates"` // in it once more
	Updates    int64 `json:"updates"`
	Replaces   int64 `json:"replaces"`
	Deletes    int64 `json:"deletes"` // of copies that were inserted for that
	Skipped    int64 `json:"skipped"` // broken and half-written lines, and objects that MongoDB cannot hold
}

// Add adds what was done later.
func (r *MongoResult) Add(o MongoResult) {
	r.Documents += o.Documents
	r.Duplicates += o.Duplicates
	r.Updates += o.Updates
	r.Replaces += o.Replaces
	r.Deletes += o.Deletes
	r.Skipped += o.Skipped
}

// WriteMongo inserts the objects of the files that WriteFiles would write, in the shape and manner of the usual
// watcher: verbatim, with projectId, sourceFile and ingestedAt behind them. Unlike the watcher it does not lose objects
// that share a line with something broken, so that the truth, which is WriteFiles', holds for the collection too: for
// readers that count a uuid once, as far as nothing was skipped.
//
// When ctx ends early, every document that is in the collection is brought to its final state nevertheless.
func (g *Generator) WriteMongo(ctx context.Context, coll *mongo.Collection, opts MongoOptions) (MongoResult, *Truth, error) {
	w := g.newMongoWriter(coll, opts, "churn")
	w.rate = opts.Rate
	truth, err := g.produce(ctx, func(u *unit) error { return w.unit(ctx, u) }, opts.Progress)
	err = w.finish(ctx, err)
	return w.result, truth, err
}

// unit takes a unit's objects. The slices of its files are kept until their batch is written.
func (w *mongoWriter) unit(ctx context.Context, u *unit) error {
	for _, f := range u.files {
		for _, l := range f.lines {
			if err := w.add(ctx, inFile(f.path, f.b[l.from:l.to])); err != nil {
				return err
			}
		}
		w.result.Skipped += int64(len(f.broken))
		if f.half != nil {
			w.result.Skipped++
		}
	}
	return nil
}

// settle is how long the writes that are owed may take after a context has ended.
const settle = 30 * time.Second

// finish writes what is left; after a failure only what keeps the collection from holding something stale.
func (w *mongoWriter) finish(ctx context.Context, failure error) error {
	if failure != nil {
		w.items = nil
	}
	owed, cancel := ctx, context.CancelFunc(func() {})
	if ctx.Err() != nil {
		owed, cancel = context.WithTimeout(context.WithoutCancel(ctx), settle)
	}
	defer cancel()
	for len(w.items)+len(w.again)+len(w.owed) > 0 {
		if err := w.flush(owed); err != nil {
			if failure == nil {
				failure = err
			}
			break
		}
	}
	return failure
}
