package stream

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"claude-analytics/proto"
)

// TestWriteError: an embedded server that could not write says so through every call, with directory and remedy. (The
// server's own report is played here: filling a disk takes a file system of one's own.)
func TestWriteError(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "jetstream")
	c := New(Config{Dir: dir, Port: -1}, logs(t))
	if err := c.Open(testContext(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConn(t, c) })
	lane, _ := fill(t, c, 10)
	k := openConsumer(t, c, ConsumerConfig{Name: proto.LakeConsumer})
	c.server.log.Errorf("JetStream stream '%s' critical write error: %v", "CONVERSATIONS", errors.New("no space left on device"))

	_, published := lane.Publish(testContext(t), changes("a", 10, 5))
	_, fetched := k.Fetch(testContext(t), FetchLimit{})
	for what, err := range map[string]error{"publish": published, "fetch": fetched} {
		if !errors.Is(err, ErrStore) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "no space left") || !strings.Contains(err.Error(), "make room") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
