package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
)

// RestoreEntry writes the manifest entry of a batch whose files are there, by what they say of themselves. The lake must
// be opened (again) afterwards.
func (l *Lake) RestoreEntry(_ context.Context, epoch, first, last uint64) (Entry, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	name := stem(epoch, first, last)
	e, err := l.restoreEntry(name)
	if err != nil {
		return Entry{}, fmt.Errorf("restore manifest entry %s: %w", name, err)
	}
	return e, nil
}

func (l *Lake) restoreEntry(name string) (Entry, error) {
	e := Entry{Version: Version}
	e.Epoch, e.First, e.Last, _ = parseStem(name)
	e.Seen = e.Last
	files, err := l.listFiles()
	if err != nil {
		return Entry{}, err
	}
	for f := range files {
		if strings.TrimSuffix(path.Base(f), parquetSuffix) != name {
			continue
		}
		said, entryFile, err := l.readMetadata(f)
		if err != nil {
			return Entry{}, fmt.Errorf("%s: %w", f, err)
		}
		if said.stem() != name || len(e.Files) > 0 && !said.Stream.Equal(e.Stream) {
			return Entry{}, fmt.Errorf("%s: the file says that it is of %s", f, said.stem())
		}
		e.Stream = said.Stream
		e.Files = append(e.Files, entryFile)
	}
	if len(e.Files) == 0 {
		return Entry{}, errors.New("none of its files is there")
	}
	slices.SortFunc(e.Files, func(a, b EntryFile) int { return strings.Compare(a.Path, b.Path) })
	return e, l.writeEntry(e)
}

// readMetadata reads where a file says that it belongs.
func (l *Lake) readMetadata(name string) (e Entry, f EntryFile, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("damaged: %v", p)
		}
	}()
	source, err := l.disk.Open(filepath.Join(l.cfg.Dir, filepath.FromSlash(name)))
	if err != nil {
		return e, f, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	f.Path = name
	if f.Bytes, err = source.Seek(0, io.SeekEnd); err != nil {
		return e, f, err
	}
	reader, err := file.NewParquetReader(struct{ parquet.ReaderAtSeeker }{source})
	if err != nil {
		return e, f, err
	}
	f.Rows = reader.NumRows()
	said := map[string]string{}
	for _, pair := range reader.MetaData().KeyValueMetadata() {
		said[pair.GetKey()] = pair.GetValue()
	}
	e.Stream.Name = said["claude-analytics.stream"]
	if e.Stream.Created, err = time.Parse(time.RFC3339Nano, said["claude-analytics.created"]); err != nil {
		return e, f, fmt.Errorf("it does not say of which stream it is: %w", err)
	}
	_, err = fmt.Sscan(said["claude-analytics.epoch"]+" "+said["claude-analytics.first"]+" "+said["claude-analytics.last"], &e.Epoch, &e.First, &e.Last)
	if err != nil {
		return e, f, fmt.Errorf("it does not say of which batch it is: %w", err)
	}
	return e, f, nil
}

// writeEntry puts an entry in place of one of its name, or where there was none. The caller holds writing.
func (l *Lake) writeEntry(e Entry) error {
	l.dirty = true // what is known of the folder no longer holds
	l.mu.Lock()
	known := slices.DeleteFunc(slices.Clone(l.now.entries), func(k Entry) bool { return k.stem() == e.stem() })
	l.now.entries = known
	l.mu.Unlock()
	return putEntry(l.disk, l.cfg.Dir, e)
}

// Mend writes the parts of a batch anew, each in place of the file of its date, leaves the files named in drop out, and
// replaces the batch's entry, or makes it. The files come first: until the entry is there, the old one says another size
// of those, and they are rewritten again. The lake must be opened again afterwards.
func (l *Lake) Mend(_ context.Context, e Entry, parts []Part, drop map[string]bool) (Entry, error) {
	l.rewriting.Lock()
	defer l.rewriting.Unlock()
	l.writing.Lock()
	defer l.writing.Unlock()
	out, err := l.mend(e, parts, drop)
	if err != nil {
		return Entry{}, fmt.Errorf("mend %s: %w", e.stem(), err)
	}
	return out, nil
}

func (l *Lake) mend(e Entry, parts []Part, drop map[string]bool) (Entry, error) {
	e.Version = Version
	e.Files = slices.DeleteFunc(slices.Clone(e.Files), func(f EntryFile) bool { return drop[f.Path] })
	for _, part := range parts {
		if rows(part) == 0 {
			continue
		}
		written, err := l.writePart(e.stem(), e, part)
		if err != nil {
			return Entry{}, err
		}
		e.Files = slices.DeleteFunc(e.Files, func(f EntryFile) bool { return f.Path == written.Path })
		e.Files = append(e.Files, written)
	}
	slices.SortFunc(e.Files, func(a, b EntryFile) int { return strings.Compare(a.Path, b.Path) })
	return e, l.writeEntry(e)
}

// DateOf is the date in a file's path; empty if it has none.
func DateOf(file string) string {
	date, found := strings.CutPrefix(path.Dir(file), datePrefix)
	if !found {
		return ""
	}
	return date
}
