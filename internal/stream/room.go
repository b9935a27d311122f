package stream

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrNoRoom is what a publish is retried for while the embedded server's disk is full.
var ErrNoRoom = errors.New("no space left for the stream")

const (
	// leastRoom is what is left free on the embedded server's disk. A server that runs into the disk's end has to be started
	// again before it takes anything; one that is asked for nothing goes on by itself once there is room.
	leastRoom = 8 << 20
	// batchRoom is how often a batch lies on the disk at the same time: staged, and in the stream.
	batchRoom = 2
	// noStoreLimit is more than any disk has. Without a limit the server takes a part of what is free at its start for one, and
	// keeps to that when room is made later.
	noStoreLimit = 1 << 60
)

// room is nil if the embedded server's disk takes so many bytes more. Of an external one nothing is known.
func (c *Conn) room(bytes int) error {
	c.mu.Lock()
	srv := c.server
	c.mu.Unlock()
	if srv == nil {
		return nil
	}
	var disk unix.Statfs_t
	if unix.Statfs(srv.dir, &disk) != nil {
		return nil // then the server finds out
	}
	return enoughRoom(srv.dir, int64(disk.Bavail)*int64(disk.Bsize), int64(bytes)) //nolint:unconvert // their types differ between systems
}

func enoughRoom(dir string, free, bytes int64) error {
	if need := batchRoom*bytes + leastRoom; free < need {
		return fmt.Errorf("%w: the disk of %s has %d MB free, and %d are needed: make room on it (`claude-analytics doctor` says what takes it), or lower STREAM_MAX_BYTES",
			ErrNoRoom, dir, free>>20, need>>20+1)
	}
	return nil
}

// sizeOf is how many bytes messages have.
func sizeOf(messages []Outgoing) (bytes int) {
	for _, m := range messages {
		bytes += len(m.Data)
	}
	return bytes
}
