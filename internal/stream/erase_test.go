package stream

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"claude-analytics/proto"
)

// What is erased is in no byte of the store; the lane, whose newest message it was, goes on, and so does a consumer.
func TestErase(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "jetstream")
	c := open(t, Config{Dir: dir, Port: -1})
	lane := openLane(t, c, LaneConfig{Lane: "erased", Writer: "w"})
	planted := func(n int) []Outgoing {
		var out []Outgoing
		for _, m := range changes("erased", 0, n) {
			m.Data = []byte("heronplanted in " + string(m.Data))
			out = append(out, m)
		}
		return out
	}
	publish(t, lane, changes("erased", 0, 20))
	publish(t, lane, planted(5))
	publish(t, lane, changes("erased", 30, 20))
	last := publish(t, lane, planted(1))

	var found []uint64
	err := c.Browse(testContext(t), proto.StreamName, []string{proto.ProjectSubjects("project")}, last, func(m Message, _ uint64) error {
		if bytes.Contains(m.Data, []byte("heronplanted")) {
			found = append(found, m.Seq)
		}
		return nil
	})
	if err != nil || len(found) != 6 || found[5] != last {
		t.Fatalf("found %v, last %d, %v", found, last, err)
	}
	// The writer publishes nothing by itself here: its next message comes while the erasure waits for it.
	if err := c.Erase(testContext(t), Erasure{Messages: found[:5]}, nil); err != nil {
		t.Fatal(err)
	}
	after := publish(t, lane, changes("erased", 60, 3))
	for range 2 {
		if err := c.Erase(testContext(t), Erasure{Messages: found}, nil); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, lane, changes("erased", 70, 3))
	state, err := c.State(testContext(t))
	if err != nil || state.ErasedTo != last || state.LastSeq != after+3 {
		t.Errorf("state %+v, %v", state, err)
	}
	for seq, subject := range seqs(t, c) {
		if slices.Contains(found, seq) {
			t.Errorf("%d is still there, under %s", seq, subject)
		}
	}
	if err := c.Close(testContext(t)); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if content, err := os.ReadFile(path); err != nil || bytes.Contains(content, []byte("heronplanted")) {
			t.Errorf("%s still has it, %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	again := open(t, Config{Dir: dir, Port: -1})
	if n := len(seqs(t, again)); n != 47 { // the heartbeat and 46 changes
		t.Errorf("%d messages after a restart", n)
	}
	if _, err := again.MessageAt(testContext(t), last); !errors.Is(err, ErrNoMessage) {
		t.Errorf("what was erased came back: %v", err)
	}
}
