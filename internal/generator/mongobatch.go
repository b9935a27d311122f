package generator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"claude-analytics/internal/document"
)

const (
	// watcherBatch is how many documents the usual watcher inserts at once; bulkBatch is for filling a collection.
	watcherBatch = 100
	bulkBatch    = 1000
	// batchBytes bounds a batch of large documents, in bytes of JSON: the driver cuts messages at 48 MB, and all of it
	// is in memory.
	batchBytes = 8 << 20
	// batchesPerSecond is how evenly a rate is kept: smaller batches than the watcher's, rather than pauses.
	batchesPerSecond = 10
	// maxMongoDocument is the most that MongoDB holds in one document, bytes of BSON.
	maxMongoDocument = 16 << 20
)

// transcriptsRoot is where the files would stand on the machine of the watcher.
const transcriptsRoot = "/home/dev/.claude/projects/"

// mongoItem is an object on its way into a collection.
type mongoItem struct {
	file   string // absolute, on the watcher's machine
	slug   string // of the project
	object []byte // JSON
	plain  bool   // takes no detour
}

// inFile is an object of a file that is generated at path.
func inFile(path string, object []byte) mongoItem {
	slug, _, _ := strings.Cut(path, "/")
	return mongoItem{file: transcriptsRoot + path, slug: slug, object: object}
}

// mongoWriter inserts objects in batches. It belongs to one goroutine.
type mongoWriter struct {
	coll    *mongo.Collection
	size    int     // documents in a batch
	rate    float64 // documents a second; 0 = as fast as possible
	churn   churn
	started time.Time
	paced   int64     // documents since started
	clock   time.Time // ingestedAt of the last batch

	items []mongoItem // of the next batch
	bytes int
	// A reader shall get to see stale documents, and duplicates shall have a later ingestedAt; so what follows from one
	// batch is done together with the next.
	again []mongoItem
	owed  []mongo.WriteModel

	result MongoResult
}

// newMongoWriter returns a writer; label tells its detours from those of other writers of the same seed.
func (g *Generator) newMongoWriter(coll *mongo.Collection, opts MongoOptions, label string) *mongoWriter {
	w := &mongoWriter{coll: coll, size: bulkBatch, churn: churn{share: opts.Churn, r: derive(g.cfg.Seed, label)}}
	if opts.Rate > 0 {
		w.size = min(max(int(opts.Rate/batchesPerSecond), 1), watcherBatch)
	}
	return w
}

func (w *mongoWriter) add(ctx context.Context, item mongoItem) error {
	w.items = append(w.items, item)
	w.bytes += len(item.object)
	if len(w.items) < w.size && w.bytes < batchBytes {
		return nil
	}
	return w.flush(ctx)
}

// insert is a document of a batch and what it counts as.
type insert struct {
	document bson.Raw
	counts   *int64 // nil: nothing yet
}

// flush writes a batch, and then what the batch before it owes.
func (w *mongoWriter) flush(ctx context.Context) error {
	if w.started.IsZero() {
		w.started = time.Now()
	}
	if err := pace(ctx, w.started, w.paced, w.rate); err != nil {
		return err
	}
	w.paced += int64(len(w.items))
	items, again, owed := w.items, w.again, w.owed
	w.items, w.again, w.owed, w.bytes = nil, nil, nil, 0

	// BSON knows milliseconds; two batches never share one, so that a duplicate is always the later one.
	now := time.Now().Truncate(time.Millisecond)
	if !now.After(w.clock) {
		now = w.clock.Add(time.Millisecond)
	}
	w.clock = now

	batch := make([]insert, 0, len(items)+len(again))
	for _, item := range items {
		raw := item.document(now)
		if raw == nil {
			w.result.Skipped++
			continue
		}
		inserts, err := w.detour(item, raw)
		if err != nil {
			return err
		}
		batch = append(batch, inserts...)
	}
	for _, item := range again {
		batch = append(batch, insert{item.document(now), &w.result.Duplicates})
	}
	// Half a batch would leave the collection in a state that nobody knows; ctx is looked at between batches.
	ctx = context.WithoutCancel(ctx)
	if err := w.insert(ctx, batch); err != nil {
		return err
	}
	return w.follow(ctx, owed)
}

// document is the item as the watcher inserts it, or nil if MongoDB cannot hold it.
func (i mongoItem) document(now time.Time) bson.Raw {
	raw, err := document.FromJSON(nil, i.object, document.Extra{
		ID: bson.NewObjectID(), ProjectID: i.slug, SourceFile: i.file, IngestedAt: now,
	})
	if err != nil || len(raw) > maxMongoDocument {
		return nil
	}
	return raw
}

// unholdable are the server's codes for a document that is not of a kind it stores: bad value, overflow (nesting),
// names with dollars or dots, too large.
var unholdable = []int{2, 15, 52, 57, 10334}

// insert inserts a batch as the watcher does: unordered, so that one refused document does not keep back the others.
func (w *mongoWriter) insert(ctx context.Context, batch []insert) error {
	if len(batch) == 0 {
		return nil
	}
	documents := make([]bson.Raw, len(batch))
	for i, one := range batch {
		documents[i] = one.document
	}
	_, err := w.coll.InsertMany(ctx, documents, options.InsertMany().SetOrdered(false))
	refused := map[int]bool{}
	var faults mongo.BulkWriteException
	if errors.As(err, &faults) && faults.WriteConcernError == nil {
		err = nil
		for _, fault := range faults.WriteErrors {
			if !slices.Contains(unholdable, fault.Code) {
				err = fault
				break
			}
			refused[fault.Index] = true
		}
	}
	if err != nil {
		return fmt.Errorf("insert %d documents: %w", len(batch), err)
	}
	for i, one := range batch {
		switch {
		case one.counts == nil:
		case !refused[i]:
			*one.counts++
		case one.counts == &w.result.Documents:
			w.result.Skipped++
		}
	}
	return nil
}

// follow updates, replaces and deletes what an earlier batch has inserted for that.
func (w *mongoWriter) follow(ctx context.Context, owed []mongo.WriteModel) error {
	if len(owed) == 0 {
		return nil
	}
	done, err := w.coll.BulkWrite(ctx, owed, options.BulkWrite().SetOrdered(false))
	if err != nil {
		return fmt.Errorf("update, replace and delete %d documents: %w", len(owed), err)
	}
	if got := done.MatchedCount + done.DeletedCount; got != int64(len(owed)) {
		return fmt.Errorf("update, replace and delete %d documents: only %d were there", len(owed), got)
	}
	for _, model := range owed {
		switch model.(type) {
		case *mongo.UpdateOneModel:
			w.result.Updates++
		case *mongo.ReplaceOneModel:
			w.result.Replaces++
		case *mongo.DeleteOneModel:
			w.result.Deletes++
		}
	}
	return nil
}
