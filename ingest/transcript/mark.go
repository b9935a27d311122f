package transcript

import (
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"

	"claude-analytics/proto"
)

// digestSize is how many bytes at a file's head, and before the place that was reached, are remembered by their hash.
const digestSize = 1024

// digest is the hash of some bytes and how many they were.
type digest struct {
	hash   uint64
	length uint32
}

func digestOf(b []byte) digest {
	return digest{hash: xxhash.Sum64(b), length: uint32(len(b))}
}

// inode tells files apart, whatever they are called. The zero value is no file's.
type inode struct {
	device, number uint64
}

// mark is how far a file has been read, and what its bytes were, so that it is known whether it is still that file.
type mark struct {
	offset     int64
	head       digest // the file's first bytes, none behind offset
	tail       digest // the last bytes before offset
	generation uint32
}

// holds reports whether the first size bytes of a file are still those that m was made from. buf has room for
// digestSize bytes.
func (m mark) holds(src io.ReaderAt, size int64, buf []byte) (bool, error) {
	if m.offset == 0 {
		return true, nil
	}
	if size < m.offset {
		return false, nil
	}
	for _, part := range []struct {
		digest
		at int64
	}{{m.head, 0}, {m.tail, m.offset - int64(m.tail.length)}} {
		if part.at < 0 || part.length > digestSize {
			return false, nil // not of our making
		}
		n, err := src.ReadAt(buf[:part.length], part.at)
		if n < int(part.length) {
			if err != nil && err != io.EOF {
				return false, fmt.Errorf("compare with what was read before: %w", err)
			}
			return false, nil
		}
		if digestOf(buf[:part.length]) != part.digest {
			return false, nil
		}
	}
	return true, nil
}

// again is where a file that holds something else now is read from.
func (m mark) again() mark { return mark{generation: m.generation + 1} }

// position puts m into the form in which it stands in the stream.
func (m mark) position(folder, path string, id inode, size int64) *proto.FilePosition {
	return &proto.FilePosition{
		Folder: folder, Path: []byte(path),
		Offset: m.offset, Size: size,
		Device: id.device, Inode: id.number,
		HeadHash: m.head.hash, HeadLength: m.head.length,
		TailHash: m.tail.hash, TailLength: m.tail.length,
		Generation: m.generation,
	}
}

func markOf(p *proto.FilePosition) mark {
	return mark{
		offset:     p.GetOffset(),
		head:       digest{p.GetHeadHash(), p.GetHeadLength()},
		tail:       digest{p.GetTailHash(), p.GetTailLength()},
		generation: p.GetGeneration(),
	}
}
