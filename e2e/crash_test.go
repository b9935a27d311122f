package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// kills is how many processes a crash test kills: 10, or KILLS in long runs.
func kills() int {
	if n, err := strconv.Atoi(os.Getenv("KILLS")); err == nil && n > 0 {
		return n
	}
	return 10
}

// seeded prints its seed, by which a failure can be made again with SEED.
func seeded(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if given, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// feeder copies generated transcripts into a followed folder line by line, as the CLI would write them, several files
// at a time, sometimes half a line at once.
type feeder struct {
	from, to string
	pause    time.Duration
	wg       sync.WaitGroup
	stop     chan struct{}
	err      error
}

func feed(t testing.TB, from, to string, pause time.Duration, seed uint64) *feeder {
	t.Helper()
	f := &feeder{from: from, to: to, pause: pause, stop: make(chan struct{})}
	f.wg.Add(1)
	go func() {
		defer f.wg.Done()
		f.err = f.run(rand.New(rand.NewPCG(seed, 2)))
	}()
	t.Cleanup(func() {
		select {
		case <-f.stop:
		default:
			close(f.stop)
		}
		f.wg.Wait()
	})
	return f
}

func (f *feeder) run(random *rand.Rand) error {
	type open struct {
		out  *os.File
		rest []byte
	}
	var files []*open
	err := filepath.WalkDir(f.from, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".jsonl" {
			return err
		}
		relative, err := filepath.Rel(f.from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(f.to, relative)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		out, err := os.Create(target)
		files = append(files, &open{out: out, rest: text})
		return err
	})
	if err != nil {
		return err
	}
	for len(files) > 0 {
		i := random.IntN(len(files))
		file := files[i]
		cut := strings.IndexByte(string(file.rest), '\n') + 1
		if cut == 0 || random.IntN(20) == 0 {
			cut = min(len(file.rest), 1+random.IntN(200)) // half a line
		}
		if _, err := file.out.Write(file.rest[:cut]); err != nil {
			return err
		}
		if file.rest = file.rest[cut:]; len(file.rest) == 0 {
			if err := file.out.Close(); err != nil {
				return err
			}
			files = append(files[:i], files[i+1:]...)
		}
		if f.pause > 0 && random.IntN(10) == 0 {
			select {
			case <-f.stop:
				f.pause = 0 // the rest at once
			case <-time.After(f.pause):
			}
		}
	}
	return nil
}

// finish writes what is left without pauses and waits for it.
func (f *feeder) finish(t testing.TB) {
	t.Helper()
	close(f.stop)
	f.wg.Wait()
	if f.err != nil {
		t.Fatal(f.err)
	}
}

// sourceObjects is the multiset of documents that a run over the same files, undisturbed, arrives at. Only what does
// not depend on when it was read is compared.
const contentSQL = `SELECT source_offset, md5(concat_ws('|', type, session_id, project_id, "timestamp"::VARCHAR, message_raw,
	tool_use_result, attributes, uuid, regexp_replace(source_file, '^.*/projects/', ''))) AS content FROM raw.conversations`

func content(t testing.TB, dataDir string) map[string]int {
	t.Helper()
	found := map[string]int{}
	for _, row := range rows(t, dataDir, contentSQL) {
		found[fmt.Sprint(row["source_offset"], row["content"])]++
	}
	return found
}

func sameContent(t testing.TB, got, want map[string]int) {
	t.Helper()
	missing, extra := 0, 0
	for key, n := range want {
		missing += max(0, n-got[key])
	}
	for key, n := range got {
		extra += max(0, n-want[key])
	}
	if missing+extra > 0 {
		t.Errorf("documents: %d missing, %d too many, of %d", missing, extra, len(want))
	}
}

// afterCrash checks what must hold once everything has drained: the documents are the source's, none twice; the marts
// equal a rebuild; no temporary file is left.
func afterCrash(t testing.TB, dataDir string, want map[string]int, env ...string) {
	t.Helper()
	sameContent(t, content(t, dataDir), want)
	if n := number(t, dataDir, "SELECT count(*) - count(DISTINCT (source, _id)) FROM raw.conversations"); n != 0 {
		t.Errorf("%d rows stand twice", n)
	}
	before := martSums(t, dataDir)
	for _, args := range [][]string{{"load", "--full-refresh"}, {"transform", "--full-refresh"}} {
		if r := runProgram(t, env, append(args, "--data-dir", dataDir)...); r.code != 0 {
			t.Fatalf("%v: exit code %d\n%s", args, r.code, r.stderr)
		}
	}
	sameMarts(t, martSums(t, dataDir), before, "rebuilt after the crashes")
	sameContent(t, content(t, dataDir), want)
	_ = filepath.WalkDir(filepath.Join(dataDir, "raw"), func(path string, _ os.DirEntry, _ error) error {
		if strings.HasSuffix(path, ".tmp") {
			t.Errorf("left behind: %s", path)
		}
		return nil
	})
}

// reference is what an undisturbed run over the same files holds; no marts are asked of it.
func reference(t testing.TB, dir string) map[string]int {
	t.Helper()
	data := t.TempDir()
	mustRun(t, "pipeline", "--skip-transform", "--skip-validate", "--data-dir", data, "--transcripts", dir, "--source", "test")
	return content(t, data)
}

func TestKilledInOneProcess(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	from, _ := generate(t, "--sessions", "20", "--seed", "11")
	followed := filepath.Join(t.TempDir(), "projects")
	if err := os.MkdirAll(followed, 0o755); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	feeding := feed(t, from, followed, 20*time.Millisecond, random.Uint64())
	for range kills() {
		p := startService(t, data, nil, "up", "--transcripts", followed, "--source", "test")
		time.Sleep(time.Duration(100+random.IntN(1500)) * time.Millisecond)
		p.kill()
	}
	feeding.finish(t)
	untilIdle(t, data, followed)
	afterCrash(t, data, reference(t, followed))
}

// TestKilledApart kills ingest, warehouse and the bus, each a process of its own.
func TestKilledApart(t *testing.T) {
	t.Parallel()
	long(t)
	random := seeded(t)
	from, _ := generate(t, "--sessions", "20", "--seed", "12")
	followed := filepath.Join(t.TempDir(), "projects")
	if err := os.MkdirAll(followed, 0o755); err != nil {
		t.Fatal(err)
	}
	bus := startNATS(t)
	env := []string{"NATS_URL=" + bus.url()}
	sourceDir, data := t.TempDir(), t.TempDir()
	startIngest := func() *process {
		return startService(t, sourceDir, env, "ingest", "--transcripts", followed, "--source", "test")
	}
	startWarehouse := func() *process { return startService(t, data, env, "warehouse") }

	feeding := feed(t, from, followed, 20*time.Millisecond, random.Uint64())
	ingest, warehouse := startIngest(), startWarehouse()
	for range kills() {
		time.Sleep(time.Duration(100+random.IntN(1200)) * time.Millisecond)
		switch random.IntN(3) {
		case 0:
			ingest.kill()
			ingest = startIngest()
		case 1:
			warehouse.kill()
			warehouse = startWarehouse()
		case 2:
			bus.kill()
			time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
			bus.start()
		}
	}
	feeding.finish(t)
	want := reference(t, followed)
	if !ingest.running() {
		t.Fatalf("ingest gave up:\n%s", tail(ingest.logs(), 40))
	}
	if !warehouse.running() {
		t.Fatalf("warehouse gave up:\n%s", tail(warehouse.logs(), 40))
	}
	total := 0
	for _, n := range want {
		total += n
	}
	eventually(t, "everything has arrived", func() bool {
		return soon(t, data, "SELECT count(*) FROM raw.conversations") >= int64(total)
	})
	if code := ingest.stop(); code != 0 {
		t.Errorf("ingest: exit code %d", code)
	}
	eventually(t, "the marts are fresh", func() bool {
		return soon(t, data, "SELECT count(*) FROM meta.changed_keys") == 0
	})
	if code := warehouse.stop(); code != 0 {
		t.Errorf("warehouse: exit code %d", code)
	}
	afterCrash(t, data, want, env...)
}
