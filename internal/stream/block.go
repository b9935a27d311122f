package stream

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/s2"
	"github.com/minio/highwayhash"
)

// What the embedded server's files hold: nats-server 2.15, server/filestore.go. A record of a block is
//
//	length(4) sequence(8) time(8) subject length(2) subject [header length(4) header] message checksum(8)
//
// little-endian. The length's highest bit says that there is a header. The sequence's highest bit marks what was erased,
// the next one a tombstone, which only names another record that was deleted. TestFormat fails when this changes.
const (
	recordHeader   = 22
	recordChecksum = 8
	emptyRecord    = recordHeader + recordChecksum

	hasHeaderBit = uint32(1) << 31
	erasedBit    = uint64(1) << 63
	tombstoneBit = uint64(1) << 62
)

// errBlock says that a block is not what it should be.
var errBlock = errors.New("block cannot be read")

// eraseRecords returns a block of a stream's store without the content of those records for which dead is true, and how
// many these were; what is in it already may be empty. A record without content keeps its sequence and its time, so that
// the server finds every sequence that it counts on.
func eraseRecords(stored []byte, stream string, number uint64, dead func(seq uint64) bool) (clean []byte, erased int, err error) {
	block, compressed, err := decodeBlock(stored)
	if err != nil {
		return nil, 0, err
	}
	sum, err := blockSum(stream, number)
	if err != nil {
		return nil, 0, err
	}
	clean = make([]byte, 0, len(block))
	for len(block) > 0 {
		record, err := firstRecord(block, sum)
		if err != nil {
			return nil, 0, fmt.Errorf("%w at byte %d of it: %w", errBlock, cap(clean)-len(block), err)
		}
		block = block[len(record):]
		seq := binary.LittleEndian.Uint64(record[4:])
		gone := seq&erasedBit != 0 || seq&tombstoneBit == 0 && dead(seq)
		if !gone || len(record) == emptyRecord && seq&erasedBit != 0 {
			clean = append(clean, record...)
			continue
		}
		clean = appendErased(clean, record, sum)
		erased++
	}
	if erased == 0 || !compressed {
		return clean, erased, nil
	}
	clean, err = encodeBlock(clean)
	return clean, erased, err
}

// blockSum makes the checksums of a block.
func blockSum(stream string, number uint64) (hash.Hash, error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", stream, number))
	return highwayhash.NewDigest64(key[:])
}

// firstRecord is the record that a block begins with.
func firstRecord(block []byte, sum hash.Hash) ([]byte, error) {
	if len(block) < emptyRecord {
		return nil, fmt.Errorf("%d bytes are left over", len(block))
	}
	length := binary.LittleEndian.Uint32(block)
	body := int(binary.LittleEndian.Uint16(block[20:]))
	n := int(length &^ hasHeaderBit)
	skip := 0
	if length&hasHeaderBit != 0 {
		skip = 4
	}
	if n < emptyRecord+body+skip || n > len(block) {
		return nil, fmt.Errorf("a record of %d bytes, of which the subject has %d", n, body)
	}
	record, content := block[:n], block[recordHeader:n-recordChecksum]
	sum.Reset()
	sum.Write(record[4:20])
	sum.Write(content[:body])
	sum.Write(content[body+skip:]) // the header's length is not in the sum
	if !bytes.Equal(sum.Sum(nil), record[n-recordChecksum:]) {
		return nil, errors.New("a checksum does not match")
	}
	return record, nil
}

// appendErased appends what the server writes for a sequence that it skips.
func appendErased(to, record []byte, sum hash.Hash) []byte {
	var header [recordHeader]byte
	binary.LittleEndian.PutUint32(header[:], emptyRecord)
	binary.LittleEndian.PutUint64(header[4:], binary.LittleEndian.Uint64(record[4:])|erasedBit)
	copy(header[12:20], record[12:20])
	sum.Reset()
	sum.Write(header[4:20])
	return append(append(to, header[:]...), sum.Sum(nil)...)
}

// blockMagic begins a compressed block; the number of its bytes follows, then S2, then the last checksum as it is.
var blockMagic = []byte{'c', 'm', 'p', 1}

func decodeBlock(stored []byte) (block []byte, compressed bool, err error) {
	if len(stored) < len(blockMagic)+1+recordChecksum || !bytes.HasPrefix(stored, blockMagic) {
		return stored, false, nil
	}
	size, n := binary.Uvarint(stored[len(blockMagic):])
	if n <= 0 {
		return nil, false, fmt.Errorf("%w: it does not say how long it is", errBlock)
	}
	body := stored[len(blockMagic)+n:]
	if len(body) < recordChecksum {
		return nil, false, fmt.Errorf("%w: it was cut off", errBlock)
	}
	end := len(body) - recordChecksum
	block, err = io.ReadAll(s2.NewReader(bytes.NewReader(body[:end])))
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", errBlock, err)
	}
	if block = append(block, body[end:]...); uint64(len(block)) != size {
		return nil, false, fmt.Errorf("%w: it has %d bytes instead of %d", errBlock, len(block), size)
	}
	return block, true, nil
}

func encodeBlock(block []byte) ([]byte, error) {
	if len(block) < recordChecksum {
		return block, nil
	}
	var out bytes.Buffer
	out.Write(binary.AppendUvarint(bytes.Clone(blockMagic), uint64(len(block))))
	w := s2.NewWriter(&out)
	end := len(block) - recordChecksum
	if _, err := w.Write(block[:end]); err != nil {
		return nil, fmt.Errorf("compress block: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress block: %w", err)
	}
	out.Write(block[end:])
	return out.Bytes(), nil
}
