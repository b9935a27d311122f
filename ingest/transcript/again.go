package transcript

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"claude-analytics/proto"
)

// ErrCannotRetry says of a dead letter that it does not hold enough to be published, with what to do instead.
var ErrCannotRetry = errors.New("the letter alone cannot be retried")

// readAgain is what to do instead.
const readAgain = "read the file again with: claude-analytics extract --full-backfill"

// Again takes a part of a transcript that was set aside for what today's rules make of it: a change, under the key that
// reading the file would give it, or the letter in which it is set aside again. maxMessage is the largest change, bytes;
// a redactor of nil replaces no secrets. Size is no measure of what the letter holds: secrets were replaced in it.
func Again(l proto.DeadLetter, maxMessage int64, redact Redactor, now time.Time) (Entry, error) {
	id, err := hex.DecodeString(l.ID)
	var key [12]byte
	switch {
	case l.Truncated || len(l.Payload) == 0:
		return Entry{}, fmt.Errorf("%w: it holds %d of %d bytes: %s", ErrCannotRetry, len(l.Payload), l.Size, readAgain)
	case err != nil || len(id) != len(key) || l.SourceFile == "":
		return Entry{}, fmt.Errorf("%w: it does not say where its file is: %s", ErrCannotRetry, readAgain)
	}
	copy(key[:], id)
	item, err := onlyItem(l.Payload, maxMessage)
	if err != nil {
		return Entry{}, err
	}
	item.Offset += l.Offset
	from := origin{lane: l.Lane, folder: l.Namespace, path: l.File, sourceFile: l.SourceFile, project: l.Project}
	c := converter{maxMessage: maxMessage, counters: &Counters{}, redact: redact}
	return c.entryAs(&from, key, item, now)
}

// onlyItem reads bytes that must be one item: the key of another would not be the letter's.
func onlyItem(payload []byte, maxMessage int64) (Item, error) {
	reader := NewReader(maxMessage)
	reader.Reset(0)
	// The line feed ends what is broken.
	source := bytes.NewReader(append(bytes.Clone(payload), '\n'))
	var items []Item
	for {
		item, ok := reader.Next()
		if ok {
			item.Data = bytes.Clone(item.Data)
			items = append(items, item)
			continue
		}
		n, err := reader.Fill(source)
		if err != nil {
			return Item{}, fmt.Errorf("read the letter: %w", err)
		}
		if n == 0 {
			break
		}
	}
	if len(items) != 1 || items[0].Offset != 0 {
		return Item{}, fmt.Errorf("%w: today it is read as %d parts: %s", ErrCannotRetry, len(items), readAgain)
	}
	return items[0], nil
}
