package bronze

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"claude-analytics/internal/warehouse"
)

var errCrash = errors.New("crash")

// everything is a digest of all that Apply writes.
func everything(t testing.TB, db *warehouse.DB) string {
	var all string
	for _, table := range []string{"raw.conversations", "raw.content_blocks", "raw.link_keys", "raw.tombstones", "meta.watermarks", "meta.changed_keys", "meta.dead_letters", "meta.gaps"} {
		all += table + fmt.Sprint(lines(t, db, `SELECT count(*) || ' ' || coalesce(sum(hash(t))::VARCHAR, '') FROM `+table+` t`))
	}
	return all
}

// A failure or cancellation at any step leaves everything as it was, and the batch can be applied afterwards.
func TestFailureAtAnyStep(t *testing.T) {
	db := openWarehouse(t, warehouse.Config{})
	b := New(Config{}, db, zerolog.Nop())
	docOf := func(id int, seq uint64) doc {
		return doc{source: "mongo", namespace: fmt.Sprint("n", id%2), id: fmt.Sprintf("%024x", id), session: "s", date: 20_000, order: Order{1, seq}, body: fmt.Sprint(seq), blocks: 2}
	}
	first := batchOf(t, []doc{docOf(0, 1), docOf(1, 2), docOf(2, 3), docOf(4, 4)})
	first.Watermark = place(4)
	if _, err := b.Apply(context.Background(), first); err != nil {
		t.Fatal(err)
	}
	second := batchOf(t, []doc{docOf(0, 5), docOf(6, 6)})
	second.Deletes = []Delete{{Source: "mongo", ID: docOf(2, 0).id, Namespace: "n0", Order: Order{1, 7}, At: time.Unix(7, 0)}}
	second.Drops = []Drop{{Source: "mongo", Namespace: "n1", Order: Order{1, 8}, At: time.Unix(8, 0)}}
	second.DeadLetters = []DeadLetter{{Letter: "x", Order: Order{1, 9}, Reason: "bson"}}
	second.Gaps = []SourceGap{gap(9)}
	second.Watermark = place(9)
	before := everything(t, db)
	var steps []string
	for n := 0; ; n++ {
		for _, how := range []string{"error", "cancel"} {
			ctx, cancel := context.WithCancel(context.Background())
			passed := 0
			b.between = func(step string) error {
				if passed++; passed <= n {
					return nil
				}
				if passed == n+1 {
					steps = append(steps, step)
				}
				if how == "cancel" {
					cancel()
					return nil
				}
				return errCrash
			}
			_, err := b.Apply(ctx, second)
			cancel()
			if err == nil {
				checkSecond(t, db, b, len(steps))
				return
			}
			if !errors.Is(err, errCrash) && !errors.Is(err, context.Canceled) {
				t.Fatalf("step %d: %v", n, err)
			}
			if after := everything(t, db); after != before {
				t.Fatalf("%s before %q left traces:\n%s\n%s", how, steps[len(steps)-1], before, after)
			}
		}
	}
}

func checkSecond(t *testing.T, db *warehouse.DB, b *Bronze, failures int) {
	if failures < 20 {
		t.Errorf("only %d failures were tried", failures)
	}
	if got := fmt.Sprint(lines(t, db, `SELECT _id[-1] || ':' || _seq FROM raw.conversations`)); got != "[0:5 4:4 6:6]" {
		t.Errorf("rows %s", got)
	}
	if gaps, err := b.SourceGaps(context.Background(), 5); err != nil || len(gaps) != 1 {
		t.Errorf("gaps %v, %v", gaps, err)
	}
	w, ok, err := b.Watermark(context.Background())
	if err != nil || !ok || w.Seq != 9 || w.Batch != 2 || w.Epoch != 1 || w.Stream != "CONVERSATIONS" || !w.Created.Equal(time.Unix(1_700_000_000, 0)) || !w.Time.Equal(time.Unix(1_700_000_000, 0)) {
		t.Errorf("watermark %+v, %v, %v", w, ok, err)
	}
	s, err := b.Stats(context.Background())
	if err != nil || s.Rows != 3 || s.Blocks != 6 || s.Tombstones != 2 || s.DeadLetters != 1 || !s.First.Equal(time.Unix(20_000*86400, 0)) || len(s.ByType) != 1 || s.ByProject[0] != (Count{"-home-p", 3}) {
		t.Errorf("stats %+v, %v", s, err)
	}
}

const (
	childVariable = "BRONZE_TEST_APPLY"
	perBatch      = 300
)

// crashBatch is the n-th batch of the crash test: new rows, and one in ten that replaces the row 250 places earlier.
func crashBatch(t testing.TB, n int) Batch {
	docs := make([]doc, perBatch)
	for i := range docs {
		seq := n*perBatch + i
		id := seq
		if seq%10 == 0 && seq >= 250 {
			id = seq - 249
		}
		docs[i] = doc{source: "mongo", namespace: "n", id: fmt.Sprintf("%024x", id), session: fmt.Sprint("s", id%17), date: int32(20_000 + id%5), order: Order{1, uint64(seq + 1)}, body: fmt.Sprint(seq), blocks: 1}
	}
	batch := batchOf(t, docs)
	batch.Watermark = place(uint64((n + 1) * perBatch))
	return batch
}

// noCleanup is a testing.TB whose clean-up is the process's end.
type noCleanup struct{ testing.TB }

func (noCleanup) Helper()        {}
func (noCleanup) Cleanup(func()) {}

// applyForever goes on from the watermark until it is killed, and says each batch that is committed.
func applyForever(path string) {
	db := warehouse.New(warehouse.Config{Path: path}, zerolog.Nop())
	if err := db.Open(context.Background()); err != nil {
		fmt.Println("failed:", err)
		return
	}
	b := New(Config{}, db, zerolog.Nop())
	w, _, err := b.Watermark(context.Background())
	if err != nil {
		fmt.Println("failed:", err)
		return
	}
	for n := int(w.Seq) / perBatch; ; n++ {
		if _, err := b.Apply(context.Background(), crashBatch(noCleanup{}, n)); err != nil {
			fmt.Println("failed:", err)
			return
		}
		fmt.Println(n + 1)
		if n%5 == 4 {
			if err := db.Checkpoint(context.Background()); err != nil {
				fmt.Println("failed:", err)
				return
			}
		}
	}
}

// A process that is killed in the middle loses nothing that it had committed, and leaves nothing half done.
func TestKill(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "analytics.duckdb")
	for range 3 {
		told := killOnce(t, path, random)
		db := warehouse.New(warehouse.Config{Path: path}, zerolog.Nop())
		if err := db.Open(context.Background()); err != nil {
			t.Fatal(err)
		}
		b := New(Config{}, db, zerolog.Nop())
		w, _, err := b.Watermark(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		applied := int(w.Seq) / perBatch
		if applied < told || applied > told+1 || int64(applied) != w.Batch {
			t.Errorf("the watermark says %d batches (number %d), the killed process %d", applied, w.Batch, told)
		}
		compareTable(t, db, crashModel(t, applied))
		if gaps := lines(t, db, fmt.Sprintf(`SELECT i::VARCHAR FROM range(1, %d) r(i) WHERE i NOT IN (SELECT batch FROM meta.changed_keys)`, applied+1)); len(gaps) > 0 {
			t.Errorf("no changed keys of batches %v", gaps)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the folder: %v, %v", entries, err)
	}
}

// killOnce lets a process apply batches for a while and kills it; it returns the last batch that it said it committed.
func killOnce(t *testing.T, path string, random *rand.Rand) (told int) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	wait := 2 + random.IntN(12)
	for scanner.Scan() {
		n, err := strconv.Atoi(scanner.Text())
		if err != nil {
			t.Error(scanner.Text())
			break
		}
		told = n
		if wait--; wait == 0 {
			time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
			_ = child.Process.Kill()
		}
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	return told
}

func crashModel(t *testing.T, batches int) *model {
	m := newModel()
	for n := range batches {
		for i := range perBatch {
			seq := n*perBatch + i
			id := seq
			if seq%10 == 0 && seq >= 250 {
				id = seq - 249
			}
			d := doc{source: "mongo", namespace: "n", id: fmt.Sprintf("%024x", id), session: fmt.Sprint("s", id%17), date: int32(20_000 + id%5), order: Order{1, uint64(seq + 1)}, body: fmt.Sprint(seq), blocks: 1}
			m.rows[keyOf(d)] = d
		}
	}
	return m
}
