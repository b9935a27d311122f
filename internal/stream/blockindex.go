package stream

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/minio/highwayhash"
	"github.com/nats-io/nats-server/v2/server/avl"
)

// listed is what the server said when it stopped about which messages a stream has: its index.db.
type listed struct {
	last   uint64
	blocks map[uint64]listedBlock
	newest uint64 // the newest block's number
}

type listedBlock struct {
	first, last uint64
	deleted     *avl.SequenceSet // nil: none
}

// errIndex says that index.db is not what it should be.
var errIndex = errors.New("index of the stream's blocks cannot be read")

const (
	indexMagic   = 11
	indexVersion = 4
	indexHash    = 8
	// indexBlockFields is how many numbers stand there for each block.
	indexBlockFields = 9
)

// readIndex reads an index.db.
func readIndex(content []byte, stream string) (*listed, error) {
	if len(content) < 2+indexHash {
		return nil, fmt.Errorf("%w: it has %d bytes", errIndex, len(content))
	}
	end := len(content) - indexHash
	key := sha256.Sum256([]byte(stream))
	sum, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return nil, err
	}
	_, _ = sum.Write(content[:end])
	if !bytes.Equal(sum.Sum(nil), content[end:]) {
		return nil, fmt.Errorf("%w: its checksum does not match", errIndex)
	}
	return parseIndex(content[:end])
}

// parseIndex reads what the checksum has confirmed.
func parseIndex(content []byte) (*listed, error) {
	if len(content) < 2 || content[0] != indexMagic || content[1] != indexVersion {
		return nil, fmt.Errorf("%w: its version is not known", errIndex)
	}
	r := &numbers{rest: content[2:]}
	r.skip(2) // messages, bytes
	r.skip(2) // first sequence and its time
	known := &listed{last: r.next(), blocks: map[uint64]listedBlock{}}
	r.skip(1) // the last one's time
	for subjects := r.next(); subjects > 0 && !r.short; subjects-- {
		r.pass(r.next())
		r.skip(3) // how many, first and last block
	}
	for blocks := r.next(); blocks > 0 && !r.short; blocks-- {
		var field [indexBlockFields]uint64
		for i := range field {
			field[i] = r.next()
		}
		// number, bytes, first, its time, last, its time, deleted, with a life, scheduled
		block := listedBlock{first: field[2], last: field[4]}
		if field[6] > 0 && !r.short {
			deleted, n, err := avl.Decode(r.rest)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errIndex, err)
			}
			block.deleted = deleted
			r.pass(uint64(n))
		}
		known.blocks[field[0]] = block
		known.newest = max(known.newest, field[0])
	}
	if r.short {
		return nil, fmt.Errorf("%w: it was cut off", errIndex)
	}
	return known, nil
}

// dead says which records of a block are of messages that the stream does not have any more. What came after the index was
// written is not known to it, and not dead.
func (l *listed) dead(number uint64) func(seq uint64) bool {
	block, ok := l.blocks[number]
	switch {
	case number > l.newest:
		return func(uint64) bool { return false }
	case !ok:
		return func(seq uint64) bool { return seq <= l.last }
	}
	return func(seq uint64) bool {
		if seq > l.last {
			return false
		}
		return seq < block.first || seq > block.last || block.deleted != nil && block.deleted.Exists(seq)
	}
}

// numbers reads numbers in groups of seven bits. Signed ones are as long.
type numbers struct {
	rest  []byte
	short bool
}

func (r *numbers) next() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.short, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *numbers) skip(n int) {
	for range n {
		r.next()
	}
}

func (r *numbers) pass(bytes uint64) {
	if bytes > uint64(len(r.rest)) {
		r.short, r.rest = true, nil
		return
	}
	r.rest = r.rest[bytes:]
}
