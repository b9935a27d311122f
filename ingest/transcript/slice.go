package transcript

import (
	"fmt"

	"claude-analytics/proto"
)

// Entry is what one object or broken part of a transcript becomes.
type Entry struct {
	// Subject and Data are the change to publish. Both are empty for a broken part, and where there is only a new
	// position to publish.
	Subject string
	Data    []byte
	// Letter is a broken part, to be set aside before any position behind it is published.
	Letter *proto.DeadLetter
	// Size is how many bytes of the file the entry stands for.
	Size int64

	mark mark // what has been read, this entry included
}

// Slice is a piece of one file, read and converted. Slices of a file come in its order.
type Slice struct {
	Entries []Entry

	lane, folder, path string
	hash               uint64
	id                 inode
	size               int64
	weight             int64
	done               func(*Slice)
}

// PositionSubject is where the file's position stands in the stream.
func (s *Slice) PositionSubject() string {
	return proto.PositionSubject(s.lane, fmt.Sprintf("%016x", s.hash))
}

// File tells files apart within a lane.
func (s *Slice) File() uint64 { return s.hash }

// Position says that everything up to entry i, inclusive, has been published.
func (s *Slice) Position(i int) *proto.FilePosition {
	return s.Entries[i].mark.position(s.folder, s.path, s.id, s.size)
}

// Done is called once everything in the slice is durable. It makes room for more to be read.
func (s *Slice) Done() { s.done(s) }

// bytes is how much of the file the slice stands for.
func (s *Slice) bytes() (n int64) {
	for i := range s.Entries {
		n += s.Entries[i].Size
	}
	return n
}
