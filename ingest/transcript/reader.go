package transcript

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"claude-analytics/proto"
)

const (
	// readSize is the buffer that a Reader works with while lines are of ordinary length, bytes.
	readSize = 256 << 10
	// minRead is the least room that Fill reads into.
	minRead = 16 << 10
	// salvageWindow is how much of the end of a line is searched for whole objects when the line is too long to be held.
	salvageWindow = 4 << 20
)

// Kind says what an Item is.
type Kind uint8

const (
	// Object is a whole JSON object.
	Object Kind = iota
	// Broken is what is to be set aside: not JSON, not an object, or too large.
	Broken
)

// Item is one piece of a transcript. Between items there are only blanks: white space, line ends, NUL bytes, and byte
// order marks.
type Item struct {
	Kind Kind
	// Offset is where it begins in the file, Size its length, bytes.
	Offset, Size int64
	// Data is an object's text, or of a broken part the first proto.MaxDeadLetterPayload bytes. It belongs to the
	// reader and is good until the next call.
	Data []byte
	// Reason (of proto's closed set) and Detail say why it is broken.
	Reason, Detail string
}

type phase uint8

const (
	betweenItems phase = iota
	insideValue
	afterScalar // a value that is not an object ended; the byte behind it decides whether it stands by itself
	skippingLine
)

// Reader takes a transcript apart. A value ends with itself, not with its line: there may be several on a line, and an
// object is an Item as soon as it is whole, though its line feed is still missing. No value goes past its line, so after
// a fault reading goes on behind the next line feed, or at the whole objects that end the faulty line.
//
// What a Reader returns depends on the bytes alone, not on how they were cut into pieces.
type Reader struct {
	max  int64 // largest object, bytes
	hold int64 // how much of a value stays in memory before its beginning is let go, bytes

	buf  []byte
	base int64 // offset in the file of buf[0]
	at   int   // index in buf of the next byte to look at

	phase  phase
	start  int64 // offset of the value at hand
	first  byte  // its first byte
	scan   scanner
	head   []byte // its beginning, once that had to leave the buffer
	reason string
	detail string

	done  int64 // offset behind the last item or line end
	tail  digest
	tails int64 // the offset that tail belongs to
}

// NewReader returns a reader of objects up to max bytes. It must be Reset before use.
func NewReader(maxObject int64) *Reader {
	return &Reader{max: maxObject, hold: max(maxObject, proto.MaxDeadLetterPayload)}
}

// Reset starts reading at offset, which must be behind an item or line end (or 0). Up to digestSize bytes before it are
// read first, for the digest of what comes after.
func (r *Reader) Reset(offset int64) {
	if cap(r.buf) > 4*readSize {
		r.buf = nil
	}
	r.base = max(0, offset-digestSize)
	r.buf, r.at = r.buf[:0], int(offset-r.base)
	r.phase, r.head = betweenItems, nil
	r.done, r.tails = offset, -1
}

// drop lets go of the buffer; the reader must be Reset before it is used again.
func (r *Reader) drop() { r.buf, r.head, r.at = nil, nil, 0 }

// Offset is where the next Reader may start: behind the last item and its line feed.
func (r *Reader) Offset() int64 { return r.done }

// Half is the size of what stands at the end of the bytes seen so far and is not whole, bytes.
func (r *Reader) Half() int64 {
	if r.phase == betweenItems {
		return 0
	}
	return r.base + int64(len(r.buf)) - r.start
}

// Seen is the offset behind the last byte read.
func (r *Reader) Seen() int64 { return r.base + int64(len(r.buf)) }

// Room is the size that the buffer will have after the next Fill, bytes.
func (r *Reader) Room() int {
	if cap(r.buf)-len(r.buf) >= minRead {
		return cap(r.buf)
	}
	kept := len(r.buf) - r.keepFrom()
	if cap(r.buf)-kept >= max(minRead, cap(r.buf)/4) {
		return cap(r.buf)
	}
	return max(readSize, min(2*cap(r.buf), int(r.hold)+digestSize+readSize), kept+minRead)
}

// Fill reads the next bytes of the file. It returns 0 and no error where the file ends for now.
func (r *Reader) Fill(src io.ReaderAt) (int, error) {
	if cap(r.buf)-len(r.buf) < minRead {
		r.makeRoom()
	}
	n, err := src.ReadAt(r.buf[len(r.buf):cap(r.buf)], r.Seen())
	r.buf = r.buf[:len(r.buf)+n]
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// keepFrom is the index of the first byte that is still needed.
func (r *Reader) keepFrom() int {
	from := r.at
	if r.phase != betweenItems {
		from = int(r.start - r.base)
		if r.Seen()-r.start > r.hold {
			from = r.at - min(salvageWindow, int(r.max))
		}
	}
	return min(len(r.buf), max(0, from-digestSize))
}

func (r *Reader) makeRoom() {
	room, from := r.Room(), r.keepFrom()
	if from > 0 {
		r.Tail() // may reach back to what is dropped now
	}
	if begin := r.start - r.base; r.phase != betweenItems && begin >= 0 && int64(from) > begin {
		r.head = bytes.Clone(r.payload(r.buf[begin:]))
	}
	kept := r.buf[from:]
	if room > cap(r.buf) {
		r.buf = append(make([]byte, 0, room), kept...)
	} else {
		r.buf = r.buf[:copy(r.buf, kept)]
	}
	r.base += int64(from)
	r.at -= from
}

// Next returns the next item; false means that more bytes must be read first.
func (r *Reader) Next() (Item, bool) {
	for {
		switch r.phase {
		case betweenItems:
			if !r.skipBlanks() {
				return Item{}, false
			}
			r.phase, r.start, r.first, r.head = insideValue, r.offset(), r.buf[r.at], nil
			r.scan.reset()
		case insideValue:
			n, v := r.scan.feed(r.buf[r.at:])
			r.at += n
			switch {
			case v == scanMore:
				return Item{}, false
			case v == scanDone && r.first == '{':
				return r.object(), true
			case v == scanDone:
				r.phase = afterScalar
			default:
				r.fault(v)
			}
		case afterScalar:
			if r.at == len(r.buf) {
				return Item{}, false
			}
			if c := r.buf[r.at]; isBlank(c) || c == '{' {
				return r.broken(proto.ReasonNotObject, "the value is not an object", r.offset()), true
			}
			r.fault(scanFault)
		case skippingLine:
			item, ok := r.brokenLine()
			return item, ok
		}
	}
}

// skipBlanks goes to the first byte that is not blank. Line feeds it passes count as done; other blanks do not, since
// the bytes of a file that is being written can read as NUL until they arrive.
func (r *Reader) skipBlanks() bool {
	for r.at < len(r.buf) {
		c := r.buf[r.at]
		switch {
		case c == '\n':
			r.at++
			r.done = r.offset()
		case isBlank(c):
			r.at++
		case c == bom[0]:
			rest := r.buf[r.at:min(len(r.buf), r.at+len(bom))]
			if len(rest) < len(bom) && bytes.HasPrefix(bom, rest) {
				return false
			}
			if !bytes.Equal(rest, bom) {
				return true
			}
			r.at += len(bom)
		default:
			return true
		}
	}
	return false
}

// object returns the object that has just ended.
func (r *Reader) object() Item {
	size := r.offset() - r.start
	if size > r.max {
		return r.broken(proto.ReasonTooLarge, fmt.Sprintf("the object is larger than %d bytes", r.max), r.offset())
	}
	data := r.buf[r.start-r.base : r.at]
	r.finish(r.offset())
	return Item{Kind: Object, Offset: r.start, Size: size, Data: data}
}

// broken returns what lies between start and end as broken, and goes on at end.
func (r *Reader) broken(reason, detail string, end int64) Item {
	item := Item{Kind: Broken, Offset: r.start, Size: end - r.start, Reason: reason, Detail: detail}
	item.Data = r.head
	if begin := r.start - r.base; begin >= 0 {
		item.Data = r.payload(r.buf[begin : end-r.base])
	}
	r.finish(end)
	return item
}

// fault notes why the value at hand is none; what is broken is known when its line ends.
func (r *Reader) fault(v verdict) {
	r.phase = skippingLine
	place := r.offset() - r.start
	r.reason = proto.ReasonBrokenLine
	switch {
	case place > r.max:
		r.reason, r.detail = proto.ReasonTooLarge, fmt.Sprintf("the line is larger than %d bytes", r.max)
	case v == scanDeep:
		r.detail = fmt.Sprintf("nested deeper than %d levels", maxScanDepth)
	case r.at < len(r.buf) && r.buf[r.at] == '\n':
		r.detail = "the line ends inside a value"
	default:
		r.detail = fmt.Sprintf("not JSON at byte %d", place)
	}
}

// brokenLine returns the faulty part once the line's end has been read.
func (r *Reader) brokenLine() (Item, bool) {
	n := bytes.IndexByte(r.buf[r.at:], '\n')
	if n < 0 {
		r.at = len(r.buf)
		return Item{}, false
	}
	r.at += n
	window := r.offset() - r.start
	if window > r.max {
		window = min(salvageWindow, r.max)
	}
	line := r.buf[int64(r.at)-window : r.at]
	bad := line
	if whole := salvage(line, &r.scan); whole >= 0 {
		bad = line[:whole]
	}
	end := r.offset() - int64(len(line)-len(bytes.TrimRight(bad, blanks)))
	return r.broken(r.reason, r.detail, end), true
}

// finish makes end the place to go on from, or the next line where nothing but blanks comes before it.
func (r *Reader) finish(end int64) {
	r.phase, r.done, r.at = betweenItems, end, int(end-r.base)
	for i := r.at; i < len(r.buf) && isBlank(r.buf[i]); i++ {
		if r.buf[i] == '\n' {
			r.at = i + 1
			r.done = r.offset()
			return
		}
	}
}

// Tail is the digest of the bytes before Offset.
func (r *Reader) Tail() digest {
	if r.tails != r.done {
		end := r.done - r.base
		r.tail, r.tails = digestOf(r.buf[max(0, end-digestSize):end]), r.done
	}
	return r.tail
}

func (r *Reader) offset() int64 { return r.base + int64(r.at) }

func (r *Reader) payload(b []byte) []byte { return b[:min(len(b), proto.MaxDeadLetterPayload)] }

var bom = []byte("\xEF\xBB\xBF")

const blanks = " \t\r\n\x00"

// isBlank reports what may stand between values. NUL bytes are what a crash can leave of a line.
func isBlank(c byte) bool { return isSpace(c) || c == '\n' || c == 0 }
