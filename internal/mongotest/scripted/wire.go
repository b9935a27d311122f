package scripted

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	opReply = 1
	opQuery = 2004 // only the first message of a connection, the hello of before OP_MSG
	opMsg   = 2013

	headerSize     = 16
	maxMessageSize = 48_000_000
)

// message is a command as it came in.
type message struct {
	id     uint32
	opcode uint32
	cmd    bson.Raw
}

// readMessage reads the next command from a connection.
func readMessage(r io.Reader) (message, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return message{}, err
	}
	size := binary.LittleEndian.Uint32(header[0:])
	if size < headerSize || size > maxMessageSize {
		return message{}, fmt.Errorf("message of %d bytes", size)
	}
	m := message{id: binary.LittleEndian.Uint32(header[4:]), opcode: binary.LittleEndian.Uint32(header[12:])}
	body := make([]byte, size-headerSize)
	if _, err := io.ReadFull(r, body); err != nil {
		return message{}, err
	}
	var err error
	switch m.opcode {
	case opMsg:
		m.cmd, err = msgDocument(body)
	case opQuery:
		m.cmd, err = queryDocument(body)
	default:
		err = fmt.Errorf("opcode %d", m.opcode)
	}
	return m, err
}

var errShort = errors.New("message too short")

// msgDocument is the command in an OP_MSG. Document sequences belong to writes, which are not served.
func msgDocument(body []byte) (bson.Raw, error) {
	if len(body) < 5 {
		return nil, errShort
	}
	for rest := body[4:]; len(rest) >= 5; { // after the flags
		size := binary.LittleEndian.Uint32(rest[1:])
		if uint64(size) > uint64(len(rest)-1) {
			return nil, errShort
		}
		if rest[0] == 0 {
			doc := bson.Raw(rest[1 : 1+size])
			return doc, doc.Validate()
		}
		rest = rest[1+size:]
	}
	return nil, errors.New("message without a command")
}

// queryDocument is the command in an OP_QUERY: flags, collection name, skip, limit, document.
func queryDocument(body []byte) (bson.Raw, error) {
	if len(body) < 4 {
		return nil, errShort
	}
	_, rest, found := bytes.Cut(body[4:], []byte{0})
	if !found || len(rest) < 8 {
		return nil, errShort
	}
	doc := bson.Raw(rest[8:])
	return doc, doc.Validate()
}

// answer is the reply to a message, as it goes over the wire.
func (m message) answer(reply bson.Raw) []byte {
	out := make([]byte, headerSize, headerSize+32+len(reply))
	binary.LittleEndian.PutUint32(out[8:], m.id)
	if m.opcode == opQuery {
		binary.LittleEndian.PutUint32(out[12:], opReply)
		out = append(out, make([]byte, 4+8+4)...)      // flags, cursor, offset
		out = binary.LittleEndian.AppendUint32(out, 1) // documents
	} else {
		binary.LittleEndian.PutUint32(out[12:], opMsg)
		out = append(out, make([]byte, 4+1)...) // flags, kind of section
	}
	out = append(out, reply...)
	binary.LittleEndian.PutUint32(out, uint32(len(out)))
	return out
}
