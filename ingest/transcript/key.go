package transcript

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/cespare/xxhash/v2"
)

// keyDomain keeps row keys apart from any other hash of the same fields. Changing anything here gives every row of
// every warehouse another key.
const keyDomain = "claude-analytics row 1"

// keyMaker makes the row keys of one file.
type keyMaker struct {
	prefix []byte
	gen    uint32
}

// newKeyMaker takes the lane, the folder's name in it, and the path below the folder with forward slashes.
func newKeyMaker(lane, folder, path string, generation uint32) keyMaker {
	var b []byte
	for _, field := range []string{keyDomain, lane, folder, path} {
		b = binary.AppendUvarint(b, uint64(len(field)))
		b = append(b, field...)
	}
	return keyMaker{prefix: b, gen: generation}
}

// at is the key of the object at a byte offset: 12 bytes that serve as an ObjectId.
func (k *keyMaker) at(offset int64) (id [12]byte) {
	b := binary.BigEndian.AppendUint64(k.prefix, uint64(offset))
	if k.gen > 0 {
		b = binary.BigEndian.AppendUint32(b, k.gen)
	}
	k.prefix = b[:len(k.prefix)] // keeps the room for the next one
	sum := sha256.Sum256(b)
	copy(id[:], sum[:])
	return id
}

// keyText is a key as it stands in a change: 24 hex digits.
func keyText(id [12]byte) string { return hex.EncodeToString(id[:]) }

// fileHash names a file's position in its lane.
func fileHash(folder, path string) uint64 {
	b := binary.AppendUvarint(nil, uint64(len(folder)))
	b = append(b, folder...)
	return xxhash.Sum64(append(b, path...))
}

// RowKey is the row key of the object at a byte offset of a file, as text.
func RowKey(lane, folder, path string, generation uint32, offset int64) string {
	keys := newKeyMaker(lane, folder, path, generation)
	return keyText(keys.at(offset))
}
