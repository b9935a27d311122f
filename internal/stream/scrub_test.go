package stream

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"claude-analytics/proto"
)

// storeTraces are the files under dir in which the word is, as they are or decoded.
func storeTraces(t testing.TB, dir, word string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		decoded, _, err := decodeBlock(content)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if strings.Contains(path, word) || bytes.Contains(content, []byte(word)) || bytes.Contains(decoded, []byte(word)) {
			found = append(found, strings.TrimPrefix(path, dir))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// everything is what both streams list, with content.
func everything(t testing.TB, c *Conn) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{proto.StreamName, proto.DeadLetterName} {
		subject := proto.AllSubjects
		if name == proto.DeadLetterName {
			subject = proto.AllDeadLetterSubjects
		}
		err := c.Browse(testContext(t), name, []string{subject}, 1<<62, func(m Message, _ uint64) error {
			all[fmt.Sprintf("%s %d", name, m.Seq)] = fmt.Sprintf("%s %s %s %v", m.Time, m.Subject, m.Data, m.Header)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

const trace = "herontrace"

// scrubWorld is a store with everything that leaves bytes behind.
type scrubWorld struct {
	dir   string
	erase Erasure
}

// newScrubWorld fills a store with messages of which some are to be erased, superseded positions and letters, deleted and
// swept messages, over several blocks.
func newScrubWorld(t testing.TB) scrubWorld {
	t.Helper()
	w := scrubWorld{dir: filepath.Join(t.TempDir(), "jetstream")}
	c := open(t, Config{Dir: w.dir, Port: -1})
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	if _, err := lane.Positions(testContext(t)); err != nil { // so that it knows that there are none, and each replaces the last
		t.Fatal(err)
	}
	filler := bytes.Repeat([]byte("all of it kept and long, "), 40_000)
	mark := func(messages []Outgoing) []Outgoing {
		for i := range messages {
			messages[i].Data = append([]byte(trace+" "), messages[i].Data...)
		}
		return messages
	}
	note := func(last uint64, n int) {
		for i := range n {
			w.erase.Messages = append(w.erase.Messages, last-uint64(i))
		}
	}
	swept := publish(t, lane, mark(changes("a", 0, 3)))
	for round := range 12 {
		at := 100 * (round + 1)
		publish(t, lane, append(changes("a", at, 5), position("a", "file", trace+fmt.Sprint(round))))
		note(publish(t, lane, mark(changes("a", at+10, 4))), 4)
		publish(t, lane, []Outgoing{{Subject: proto.DataSubject("a", "x", "project"), Data: append(fmt.Append(nil, round), filler...)}})
	}
	publish(t, lane, []Outgoing{position("a", "file", "the newest")})
	if _, err := c.Sweep(testContext(t), SweepConfig{MaxBytes: 1, DurableBelow: swept + 1}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{trace, "harmless"} {
		if err := c.DeadLetter(testContext(t), proto.DeadLetter{Lane: "a", File: "f", Detail: text}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.DeadLetter(testContext(t), proto.DeadLetter{Lane: "a", File: "g", Detail: trace}); err != nil {
		t.Fatal(err)
	}
	err := c.Browse(testContext(t), proto.DeadLetterName, []string{proto.AllDeadLetterSubjects}, 1<<62, func(m Message, _ uint64) error {
		if bytes.Contains(m.Data, []byte(`"g"`)) {
			w.erase.Letters = append(w.erase.Letters, m.Seq)
		}
		return nil
	})
	if err != nil || len(w.erase.Letters) != 1 {
		t.Fatal(w.erase.Letters, err)
	}
	closeConn(t, c)
	if blocks, _ := filepath.Glob(filepath.Join(w.dir, "*", "streams", proto.StreamName, "msgs", "*.blk")); len(blocks) < 2 {
		t.Fatalf("too few blocks: %v", blocks)
	}
	return w
}

// rest is what must be there when all is erased.
func (w scrubWorld) rest(all map[string]string) map[string]string {
	rest := maps.Clone(all)
	for _, seq := range w.erase.Messages {
		delete(rest, fmt.Sprintf("%s %d", proto.StreamName, seq))
	}
	for _, seq := range w.erase.Letters {
		delete(rest, fmt.Sprintf("%s %d", proto.DeadLetterName, seq))
	}
	return rest
}

// copyTo is the same store in another place.
func (w scrubWorld) copyTo(t testing.TB) scrubWorld {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "jetstream")
	if err := os.CopyFS(dir, os.DirFS(w.dir)); err != nil {
		t.Fatal(err)
	}
	return scrubWorld{dir: dir, erase: w.erase}
}

// check opens the store and looks whether it holds what it should, goes on, and has nothing of the trace.
func (w scrubWorld) check(t testing.TB, want map[string]string, end uint64) {
	t.Helper()
	c := open(t, Config{Dir: w.dir, Port: -1})
	if got := everything(t, c); !maps.Equal(got, want) {
		t.Errorf("the streams have %d messages, not %d", len(got), len(want))
	}
	if state, err := c.State(testContext(t)); err != nil || state.LastSeq != end {
		t.Errorf("the stream ends at %d, not %d, %v", state.LastSeq, end, err)
	}
	lane := openLane(t, c, LaneConfig{Lane: "a", Writer: "w"})
	if last := publish(t, lane, changes("a", 5000, 2)); last <= end {
		t.Errorf("goes on at %d after %d", last, end)
	}
	closeConn(t, c)
	if found := storeTraces(t, filepath.Dir(w.dir), trace); len(found) > 0 {
		t.Errorf("it is still there: %v", found)
	}
}

// A scrub dies between any two of its operations on files; the next start does the rest.
func TestScrubStoppedAnywhere(t *testing.T) {
	t.Parallel()
	source := newScrubWorld(t)
	if found := storeTraces(t, source.dir, trace); len(found) < 3 {
		t.Fatalf("the search finds too little to be trusted: %v", found)
	}
	c := open(t, Config{Dir: source.dir, Port: -1})
	state, err := c.State(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	want := source.rest(everything(t, c))
	closeConn(t, c)

	var steps []string
	whole := source.copyTo(t)
	s := newScrubber(whole.dir)
	s.step = func(what string) error {
		steps = append(steps, what)
		return nil
	}
	if err := s.plan(scrubPlan(source.erase)); err != nil {
		t.Fatal(err)
	}
	planned := len(steps)
	if _, err := s.run(testContext(t)); err != nil {
		t.Fatal(err)
	}
	whole.check(t, want, state.LastSeq)
	if len(steps) < planned+8 {
		t.Fatalf("too few steps: %v", steps)
	}
	stop := errors.New("stopped")
	stops := []int{planned + 2, planned + 5}
	if os.Getenv("LONG") != "" {
		stops = stops[:0]
		for n := planned; n < len(steps); n++ {
			stops = append(stops, n)
		}
	}
	for _, at := range stops {
		w := source.copyTo(t)
		s, n := newScrubber(w.dir), 0
		s.step = func(string) error {
			if n++; n > at {
				return stop
			}
			return nil
		}
		if err := s.plan(scrubPlan(source.erase)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.run(testContext(t)); !errors.Is(err, stop) {
			t.Fatalf("not stopped before %q: %v", steps[at], err)
		}
		w.check(t, want, state.LastSeq)
		if t.Failed() {
			t.Fatalf("stopped before %q", steps[at])
		}
	}
}

// Killed before the server was stopped in good order: its index is missing or old.
func TestScrubAfterAKill(t *testing.T) {
	t.Parallel()
	w := newScrubWorld(t)
	c := open(t, Config{Dir: w.dir, Port: -1})
	state, err := c.State(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	want := w.rest(everything(t, c))
	if err := newScrubber(w.dir).plan(scrubPlan(w.erase)); err != nil {
		t.Fatal(err)
	}
	killed := w.copyTo(t) // under the running server's hands, with the plan
	if err := os.CopyFS(killed.dir+scrubSuffix, os.DirFS(w.dir+scrubSuffix)); err != nil {
		t.Fatal(err)
	}
	closeConn(t, c)
	killed.check(t, want, state.LastSeq)
}

// While the server starts again, writers and consumers wait, and lose nothing.
func TestEraseBesideAWriter(t *testing.T) {
	t.Parallel()
	w := newScrubWorld(t)
	c := open(t, Config{Dir: w.dir, Port: -1})
	url := c.URL()
	lane := openLane(t, c, LaneConfig{Lane: "b", Writer: "w"})
	done := make(chan error, 1)
	stop := make(chan struct{})
	published := 0
	go func() {
		for ; ; published++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if _, err := lane.Publish(testContext(t), changes("b", published, 1)); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 2 {
		if err := c.Erase(testContext(t), w.erase, nil); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := c.URL(); got != url {
		t.Errorf("the server moved from %s to %s", url, got)
	}
	if got := stored(t, c, "b"); len(got) != published || published < 10 {
		t.Errorf("%d of %d are there", len(got), published)
	}
	closeConn(t, c)
	if found := storeTraces(t, filepath.Dir(w.dir), trace); len(found) > 0 {
		t.Errorf("it is still there: %v", found)
	}
}

// The format is that of this version of the server: look at filestore.go again when it changes.
func TestFormatIsOfThisServer(t *testing.T) {
	if want := "2.15.2"; server.VERSION != want {
		t.Errorf("nats-server %s: compare the format of blocks and index.db with %s (block.go, blockindex.go), then change this test", server.VERSION, want)
	}
}

// A damaged block or index is an error, never a panic, and never a rewritten file.
func TestScrubDamaged(t *testing.T) {
	t.Parallel()
	source := newScrubWorld(t)
	for _, test := range []struct {
		name   string
		damage func([]byte) []byte
	}{
		{"1.blk", func(b []byte) []byte { return b[:len(b)/2] }},
		{"1.blk", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
		{indexFile, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
		{indexFile, func([]byte) []byte { return nil }},
	} {
		w := source.copyTo(t)
		path := filepath.Join(w.dir, server.DEFAULT_GLOBAL_ACCOUNT, "streams", proto.StreamName, "msgs", test.name)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		damaged := test.damage(content)
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		s := newScrubber(w.dir)
		if err := s.plan(scrubPlan(w.erase)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.run(testContext(t)); !errors.Is(err, errBlock) && !errors.Is(err, errIndex) || !strings.Contains(err.Error(), proto.StreamName) {
			t.Errorf("%s: %v", test.name, err)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, damaged) {
			t.Errorf("%s was changed, %v", test.name, err)
		}
		if _, ok, err := s.planned(); !ok || err != nil {
			t.Errorf("the plan is gone, %v", err)
		}
	}
}
