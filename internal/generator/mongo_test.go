package generator

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"claude-analytics/internal/document"
	"claude-analytics/internal/mongotest"
)

func newGenerator(t testing.TB, cfg Config) *Generator {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// conversations is an empty collection.
func conversations(t testing.TB) *mongo.Collection {
	t.Helper()
	return mongotest.Shared(t).Database(t).Collection("conversations")
}

// writeMongo generates into a collection.
func writeMongo(t testing.TB, coll *mongo.Collection, cfg Config, opts MongoOptions) (MongoResult, *Truth) {
	t.Helper()
	result, truth, err := newGenerator(t, cfg).WriteMongo(context.Background(), coll, opts)
	if err != nil {
		t.Fatal(err)
	}
	return result, truth
}

// contents are a collection's documents.
func contents(t testing.TB, coll *mongo.Collection) (documents []bson.Raw) {
	t.Helper()
	found, err := coll.Find(context.Background(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	if err := found.All(context.Background(), &documents); err != nil {
		t.Fatal(err)
	}
	return documents
}

// body is a document's bytes without what no seed decides. It fails where those are not what the watcher writes.
func body(t testing.TB, raw bson.Raw) string {
	t.Helper()
	elements, err := raw.Elements()
	if err != nil {
		t.Fatal(err)
	}
	if elements[0].Key() != "_id" || elements[0].Value().Type != bson.TypeObjectID {
		t.Errorf("begins with %s", elements[0])
	}
	if raw.Lookup("ingestedAt").Type != bson.TypeDateTime {
		t.Errorf("ingestedAt is %s", raw.Lookup("ingestedAt"))
	}
	var b []byte
	for _, e := range elements[1:] {
		if e.Key() != "ingestedAt" {
			b = append(b, e...)
		}
	}
	return string(b)
}

// bodies counts equal documents.
func bodies(t testing.TB, documents []bson.Raw) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, raw := range documents {
		all[body(t, raw)]++
	}
	return all
}

// expected are the documents that a watcher would make of the files below dir, none of which has a broken line.
func expected(t testing.TB, dir string, truth *Truth) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, f := range truth.PerFile {
		text, err := os.ReadFile(filepath.Join(dir, f.File))
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(text))
		lines.Buffer(nil, 64<<20)
		for lines.Scan() {
			raw, err := document.FromJSON(nil, lines.Bytes(), document.Extra{
				ProjectID: strings.Split(f.File, "/")[0], SourceFile: "/home/dev/.claude/projects/" + f.File, IngestedAt: time.Now(),
			})
			if err != nil {
				t.Fatal(err)
			}
			all[body(t, raw)]++
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// asFiles sorts documents by the files that they name, for the slow reader.
func asFiles(t testing.TB, documents []bson.Raw) []*found {
	t.Helper()
	files := map[string]*found{}
	for _, raw := range documents {
		text, err := bson.MarshalExtJSON(raw, false, false)
		if err != nil {
			t.Fatal(err)
		}
		value, _ := decode(text)
		path, ok := strings.CutPrefix(raw.Lookup("sourceFile").StringValue(), "/home/dev/.claude/projects/")
		if !ok {
			t.Errorf("source file %s", raw.Lookup("sourceFile"))
		}
		if files[path] == nil {
			files[path] = &found{path: path}
		}
		files[path].objects = append(files[path].objects, object(value))
	}
	var sorted []*found
	for _, path := range slices.Sorted(maps.Keys(files)) {
		sorted = append(sorted, files[path])
	}
	return sorted
}

// requireMongoTruth compares the truth with what the slow reader finds; a difference that begins with a word of except is none.
func requireMongoTruth(t testing.TB, truth *Truth, documents []bson.Raw, except ...string) {
	t.Helper()
	for _, d := range differences(truth, asFiles(t, documents)) {
		if !slices.ContainsFunc(except, func(word string) bool { return strings.HasPrefix(d, word) }) {
			t.Error(d)
		}
	}
}

func TestMongoHoldsWhatFilesHold(t *testing.T) {
	dir, coll, cfg := t.TempDir(), conversations(t), Config{Sessions: 12, Seed: 21}
	inFiles := generate(t, dir, cfg)
	var done, total int64
	result, truth := writeMongo(t, coll, cfg, MongoOptions{Progress: func(d, n int64) { done, total = d, n }})

	documents := contents(t, coll)
	if !maps.Equal(bodies(t, documents), expected(t, dir, inFiles)) {
		t.Error("the documents are not the files' objects")
	}
	requireMongoTruth(t, truth, documents)
	if result != (MongoResult{Documents: truth.Objects}) {
		t.Errorf("%+v of %d objects", result, truth.Objects)
	}
	if !reflect.DeepEqual(inFiles, truth) {
		t.Error("the truth is not the files'")
	}
	if done != 12 || total != 12 {
		t.Errorf("progress ends at %d of %d", done, total)
	}
}

func TestChurnLeavesNothingStale(t *testing.T) {
	dir, coll, cfg := t.TempDir(), conversations(t), Config{Sessions: 6, Seed: 22}
	want := expected(t, dir, generate(t, dir, cfg))
	result, truth := writeMongo(t, coll, cfg, MongoOptions{Churn: 0.6})
	if result.Documents != truth.Objects || result.Skipped != 0 ||
		min(result.Duplicates, result.Updates, result.Replaces, result.Deletes) < truth.Objects/20 {
		t.Errorf("%+v of %d objects", result, truth.Objects)
	}
	documents := contents(t, coll)
	if n := int64(len(documents)); n != result.Documents+result.Duplicates {
		t.Errorf("%d documents, %+v", n, result)
	}
	var duplicates int64
	for b, n := range bodies(t, documents) {
		if n < want[b] || want[b] == 0 {
			t.Errorf("%d, want %d of %q", n, want[b], b[:min(len(b), 300)])
		}
		duplicates += int64(n - want[b])
		delete(want, b)
	}
	if len(want) > 0 || duplicates != result.Duplicates {
		t.Errorf("%d documents missing, %d duplicates, %+v", len(want), duplicates, result)
	}
	requireMongoTruth(t, truth, documents, "objects")

	ingested := map[string][]bson.DateTime{}
	for _, raw := range documents {
		b := body(t, raw)
		at, _ := raw.Lookup("ingestedAt").DateTimeOK()
		ingested[b] = append(ingested[b], bson.DateTime(at))
	}
	later := 0
	for _, times := range ingested {
		if slices.Max(times) > slices.Min(times) {
			later++
		}
	}
	if later < int(result.Duplicates*9/10) { // some objects occur twice in the files
		t.Errorf("%d duplicates have a later ingestedAt, of %d", later, result.Duplicates)
	}
}

func TestSameSeedSameOperations(t *testing.T) {
	var results []MongoResult
	var collections []map[string]int
	for _, seed := range []uint64{23, 23, 24} {
		coll := conversations(t)
		opts := MongoOptions{Churn: 0.5}
		if len(results) == 1 {
			opts.Rate = 1e6 // other batches, the same operations
		}
		result, _ := writeMongo(t, coll, Config{Sessions: 2, Seed: seed}, opts)
		results, collections = append(results, result), append(collections, bodies(t, contents(t, coll)))
	}
	if results[0] != results[1] || !maps.Equal(collections[0], collections[1]) {
		t.Errorf("the same seed: %+v and %+v", results[0], results[1])
	}
	if results[0] == results[2] {
		t.Errorf("another seed: %+v", results[2])
	}
}

func TestHardCorpusInMongo(t *testing.T) {
	// Files without objects leave no trace, broken lines are not there, and a collection counts the duplicates.
	absent := []string{"objects", "files", "broken", "half", "place"}
	for _, c := range []struct {
		churn    float64
		big      bool
		tooLarge int64
		except   []string
	}{
		{0, false, 0, absent},
		{1, false, 0, absent},
		{1, true, 1, append([]string{"statuses", "session "}, absent...)}, // the line of 17 MB is a tool's result
	} {
		coll := conversations(t)
		cfg := Config{Sessions: 4, Seed: 25, Hard: true, BigLines: c.big}
		result, truth := writeMongo(t, coll, cfg, MongoOptions{Churn: c.churn})
		broken := int64(len(truth.Broken) + len(truth.HalfLines))
		if result.Documents != truth.Objects-c.tooLarge || result.Skipped != broken+c.tooLarge || broken == 0 {
			t.Errorf("%+v of %d objects, %d broken parts", result, truth.Objects, broken)
		}
		requireMongoTruth(t, truth, contents(t, coll), c.except...)
	}
}

func TestEarlyEndLeavesNothingStale(t *testing.T) {
	dir, coll, cfg := t.TempDir(), conversations(t), Config{Sessions: 8, Seed: 26}
	want := expected(t, dir, generate(t, dir, cfg))
	ctx, cancel := context.WithCancel(context.Background())
	result, _, err := newGenerator(t, cfg).WriteMongo(ctx, coll, MongoOptions{Churn: 1, Rate: 900, Progress: func(done, _ int64) {
		if done > 1 {
			cancel()
		}
	}})
	cancel()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	documents := contents(t, coll)
	for b := range bodies(t, documents) {
		if want[b] == 0 {
			t.Errorf("stale: %q", b[:min(len(b), 300)])
		}
	}
	if n := int64(len(documents)); n == 0 || n != result.Documents+result.Duplicates {
		t.Errorf("%d documents, %+v", n, result)
	}
}

func TestLiveGoesOnInMongo(t *testing.T) {
	coll, cfg := conversations(t), Config{Sessions: 5, Seed: 27}
	before, _ := writeMongo(t, coll, cfg, MongoOptions{})
	known := map[string]bool{}
	for _, f := range asFiles(t, contents(t, coll)) {
		known[f.path] = true
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	began := time.Now().UnixMilli()
	seen, resumed := int64(0), 0
	result, err := newGenerator(t, cfg).LiveMongo(ctx, coll, MongoOptions{Churn: 0.3, Observe: func(a Appended) {
		if known[a.Path] {
			resumed++
		}
		if seen++; seen == 2500 {
			cancel()
		}
	}})
	if err != nil || result.Documents != seen || resumed == 0 {
		t.Errorf("%+v, told of %d, %d of known sessions, error %v", result, seen, resumed, err)
	}
	documents := contents(t, coll)
	if n := int64(len(documents)); n != before.Documents+result.Documents+result.Duplicates {
		t.Errorf("%d documents, %+v and %+v", n, before, result)
	}
	fresh := int64(0)
	for _, f := range asFiles(t, documents) {
		for _, o := range f.objects {
			if parseTime(o["timestamp"]) >= began {
				fresh++
			}
		}
	}
	if fresh < seen/2 {
		t.Errorf("only %d of %d documents have the time of writing", fresh, seen)
	}
}

func TestRateIntoMongo(t *testing.T) {
	coll, began := conversations(t), time.Now()
	result, err := newGenerator(t, Config{Seed: 1}).FillMongo(context.Background(), coll, 300, 200, MongoOptions{Rate: 400})
	if took := time.Since(began); err != nil || result.Documents != 200 || took < 400*time.Millisecond { // slower is the machine's affair
		t.Errorf("%+v in %s, error %v", result, took, err)
	}
}

func TestDocumentsOfOneSize(t *testing.T) {
	coll := conversations(t)
	g := newGenerator(t, Config{Seed: 28})
	for _, c := range []struct {
		size int
		n    int64
	}{{250, 1200}, {1000, 120}, {30_000, 60}, {2_000_000, 6}} {
		if _, err := coll.DeleteMany(context.Background(), bson.D{}); err != nil {
			t.Fatal(err)
		}
		result, err := g.FillMongo(context.Background(), coll, c.size, c.n, MongoOptions{})
		documents := contents(t, coll)
		if err != nil || result != (MongoResult{Documents: c.n}) || int64(len(documents)) != c.n {
			t.Errorf("%d bytes: %d documents, %+v, error %v", c.size, len(documents), result, err)
		}
		for i, raw := range documents {
			if len(raw) < c.size-c.size/15 || len(raw) > c.size+c.size/15+10 {
				t.Errorf("document %d has %d bytes, want %d", i, len(raw), c.size)
				break
			}
		}
	}
	if _, err := g.FillMongo(context.Background(), coll, 17<<20, 1, MongoOptions{}); err == nil {
		t.Error("no error for a size that MongoDB cannot hold")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if result, err := g.FillMongo(ctx, coll, 500, 0, MongoOptions{Rate: 1000}); err != nil || result.Documents == 0 {
		t.Errorf("without an end: %+v, error %v", result, err)
	}
}

func TestObjectsIsATarget(t *testing.T) {
	const want = 3000
	truth := generate(t, t.TempDir(), Config{Objects: want, Seed: 1})
	if truth.Objects < want || truth.Objects > 4*want {
		t.Errorf("%d objects, want a little over %d", truth.Objects, want)
	}
}

// BenchmarkWriteMongo inserts into the server of $MONGODB_URI, or one of its own.
func BenchmarkWriteMongo(b *testing.B) {
	for b.Loop() {
		result, _ := writeMongo(b, conversations(b), Config{Sessions: 30, Seed: 1}, MongoOptions{})
		b.ReportMetric(float64(result.Documents)*float64(b.N)/b.Elapsed().Seconds(), "documents/s")
	}
}
