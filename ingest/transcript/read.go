package transcript

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// sliceBytes and sliceEntries end a slice: what one file may publish before another gets its turn.
	sliceBytes   = 1 << 20
	sliceEntries = 500
	// blankStep is how much nothing is passed over before a position is published for it alone, bytes.
	blankStep = 64 << 10
	// bigHalf is the size from which an unfinished line is not read again until what was appended may finish it, bytes.
	bigHalf = 1 << 20
	// bigRoom is the buffer size from which readers take turns, bytes.
	bigRoom = 4 << 20
)

// job is one file to read a slice of.
type job struct {
	file   *file
	folder Folder
	path   string
	mark   mark
	id     inode
	seen   int64
	half   int64
}

// outcome is what became of a job.
type outcome struct {
	file *file
	mark mark
	id   inode
	size int64
	seen int64
	half int64
	// modified is the file's time before it was read, so that what is written during the read is seen to be newer.
	modified int64

	end       bool  // nothing is left to read for now
	missing   bool  // there is no such file
	replaced  bool  // another file has the name now; nothing was read
	rewritten bool  // the content changed; it is read from the start
	err       error // the file could not be read
}

// worker reads and converts, one slice at a time.
type worker struct {
	lane   string
	out    chan<- *Slice
	room   *semaphore.Weighted // bytes that may wait to be published
	limit  int64               // of room
	big    chan struct{}       // held by the one reader with a big buffer
	open   func(*Slice)        // a slice is on its way
	closed func(*Slice)        // it has been published

	reader  *Reader
	holding bool // big is held
	convert converter
	head    []byte
	probe   [digestSize]byte
}

// read reads one slice and hands it over. It reports the outcome after that, so a file's slices keep their order.
func (w *worker) read(ctx context.Context, j job) outcome {
	o := outcome{file: j.file, mark: j.mark, id: j.id, seen: j.seen, half: j.half}
	f, err := os.Open(j.folder.file(j.path))
	if err != nil {
		o.missing = errors.Is(err, fs.ErrNotExist)
		o.err = err
		return o
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		o.err = err
		return o
	}
	if !info.Mode().IsRegular() {
		o.err = errors.New("is not a regular file")
		return o
	}
	if info.Size() == 0 && j.mark.offset > 0 {
		// Emptied, or about to be restored: what comes will tell.
		o.size, o.seen, o.half, o.modified, o.end = 0, 0, 0, info.ModTime().UnixNano(), true
		return o
	}
	if same, err := j.mark.holds(f, info.Size(), w.probe[:]); err != nil {
		o.err = err
		return o
	} else if !same {
		if id := inodeOf(info); id != j.id && j.id != (inode{}) {
			o.replaced = true
			return o
		}
		o.mark, o.half, o.rewritten = j.mark.again(), 0, true
	}
	o.id, o.size, o.modified = inodeOf(info), info.Size(), info.ModTime().UnixNano()
	if o.rewritten {
		o.seen = 0
	}
	if o.half >= bigHalf && !o.rewritten {
		if may, err := mayFinish(f, j.seen, o.half <= w.reader.max, w.probe[:]); err != nil || !may {
			o.half += max(0, o.size-j.seen)
			o.seen = max(o.size, j.seen)
			o.end, o.err = true, err
			return o
		}
	}
	slice := &Slice{
		lane: w.lane, folder: j.folder.Name, path: j.path, hash: fileHash(j.folder.Name, j.path),
		id: o.id, size: o.size, done: w.closed,
	}
	from := newOrigin(w.lane, j.folder, j.path, o.mark.generation)
	defer w.release()
	if err := w.fill(ctx, f, &from, slice, &o); err != nil {
		o.err = err
		return o
	}
	slice.size = o.size
	if len(slice.Entries) > 0 {
		if err := w.send(ctx, slice); err != nil {
			o.err = err
		}
	}
	return o
}

// fill reads until the slice is full or the file ends.
func (w *worker) fill(ctx context.Context, f *os.File, from *origin, slice *Slice, o *outcome) error {
	start, now := o.mark.offset, time.Now()
	w.reader.Reset(start)
	w.head = w.head[:0]
	for slice.weight < sliceBytes && len(slice.Entries) < sliceEntries {
		item, ok := w.reader.Next()
		if !ok {
			if err := w.reserve(ctx); err != nil {
				return err
			}
			n, err := w.reader.Fill(f)
			if err != nil && len(slice.Entries) == 0 {
				return err
			}
			if n == 0 || err != nil {
				o.end = err == nil // what was read before a fault of the disk is published; the next slice reports it
				break
			}
			continue
		}
		entry, err := w.convert.entry(from, item, now)
		if err != nil {
			return err
		}
		if err := w.advance(f, &o.mark); err != nil {
			return err
		}
		entry.mark = o.mark
		slice.Entries = append(slice.Entries, entry)
		slice.weight += int64(len(entry.Data))
		if entry.Letter != nil {
			slice.weight += int64(len(entry.Letter.Payload))
		}
	}
	if w.reader.Offset() > o.mark.offset {
		if err := w.advance(f, &o.mark); err != nil {
			return err
		}
		if len(slice.Entries) == 0 && o.mark.offset-start >= blankStep {
			slice.Entries = append(slice.Entries, Entry{mark: o.mark})
		}
	}
	o.half, o.seen = w.reader.Half(), w.reader.Seen()
	o.size = max(o.size, o.seen)
	return nil
}

// advance moves the mark to where the reader is.
func (w *worker) advance(f *os.File, m *mark) error {
	m.offset = w.reader.Offset()
	m.tail = w.reader.Tail()
	if m.head.length == digestSize {
		return nil
	}
	want := int(min(m.offset, digestSize))
	if len(w.head) < want {
		n, err := f.ReadAt(w.probe[:], 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read head: %w", err)
		}
		w.head = append(w.head[:0], w.probe[:n]...)
	}
	m.head = digestOf(w.head[:min(want, len(w.head))])
	return nil
}

// reserve makes readers with big buffers take turns, which bounds the memory of all of them.
func (w *worker) reserve(ctx context.Context) error {
	if w.holding || w.reader.Room() <= bigRoom {
		return ctx.Err()
	}
	select {
	case w.big <- struct{}{}:
		w.holding = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *worker) release() {
	if w.holding {
		w.reader.drop()
		w.holding = false
		<-w.big
	}
}

// send waits until there is room for the slice, and hands it over.
func (w *worker) send(ctx context.Context, s *Slice) error {
	s.weight = min(s.weight, w.limit)
	if err := w.room.Acquire(ctx, s.weight); err != nil {
		return err
	}
	w.open(s)
	select {
	case w.out <- s:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mayFinish reports whether what a file has behind offset can finish an unfinished line: there is a line feed, or, if an
// object counts without one, it ends as objects end.
func mayFinish(f io.ReaderAt, offset int64, object bool, buf []byte) (bool, error) {
	for brace := false; ; {
		n, err := f.ReadAt(buf, offset)
		if bytes.IndexByte(buf[:n], '\n') >= 0 {
			return true, nil
		}
		if rest := bytes.TrimRight(buf[:n], blanks); len(rest) > 0 {
			brace = rest[len(rest)-1] == '}'
		}
		offset += int64(n)
		if errors.Is(err, io.EOF) {
			return object && brace, nil
		}
		if err != nil {
			return false, err
		}
	}
}
