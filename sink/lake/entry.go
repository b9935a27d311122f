package lake

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// Version is the format of manifest entries that this release writes, and the newest that it reads.
const Version = 1

// ErrVersion means that a manifest file was written by a newer release.
var ErrVersion = errors.New("written by a newer release")

// Stream identifies one life of the stream: a stream that was recreated has another creation time.
type Stream struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
}

// Equal compares to the microsecond, the finest that the warehouse keeps.
func (s Stream) Equal(other Stream) bool {
	return s.Name == other.Name && SameTime(s.Created, other.Created)
}

// SameTime compares to the microsecond, the finest that the warehouse keeps.
func SameTime(a, b time.Time) bool {
	return a.UnixMicro() == b.UnixMicro()
}

// Mark is a watermark: how far a destination has come.
type Mark struct {
	Stream Stream
	// Epoch is the life of the stream that Seq and Seen count in; 0 for no watermark at all.
	Epoch uint64
	// Seq is the last change that landed, Time when the stream took it (zero: not known).
	Seq  uint64
	Time time.Time
	// Seen is the last message of any kind that was looked at, never below Seq.
	Seen uint64
}

// IsZero reports that there is no watermark: nothing ever landed.
func (m Mark) IsZero() bool { return m.Epoch == 0 }

// Compare orders watermarks by epoch and sequence.
func (m Mark) Compare(other Mark) int {
	return cmp.Or(cmp.Compare(m.Epoch, other.Epoch), cmp.Compare(m.Seq, other.Seq))
}

// Entry is one batch in the manifest. Its file's appearance is the commit of the batch.
type Entry struct {
	Version int    `json:"version"`
	Stream  Stream `json:"stream"`
	Epoch   uint64 `json:"epoch"`
	// First and Last are the batch's first and last change, Time when the stream took the last.
	First uint64    `json:"first"`
	Last  uint64    `json:"last"`
	Time  time.Time `json:"time"`
	// Seen is the last message of any kind that the batch covers.
	Seen uint64 `json:"seen"`
	// Rules are the conversion rules by which the rows came to their dates (document.RulesVersion); 0: not known.
	Rules int         `json:"rules,omitempty"`
	Files []EntryFile `json:"files"`
}

// EntryFile is one Parquet file of a batch.
type EntryFile struct {
	// Path below the lake's folder, with forward slashes: date=2026-11-23/1-000000001200-000000001799.parquet.
	Path string `json:"path"`
	// Rows is -1 where it is not known (the entry itself could not be read).
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"`
}

// Mark is the watermark after the batch.
func (e Entry) Mark() Mark {
	return Mark{Stream: e.Stream, Epoch: e.Epoch, Seq: e.Last, Time: e.Time, Seen: e.Seen}
}

// Rows is how many rows the batch's files hold.
func (e Entry) Rows() int64 {
	var n int64
	for _, f := range e.Files {
		n += max(f.Rows, 0)
	}
	return n
}

func (e Entry) stem() string { return stem(e.Epoch, e.First, e.Last) }

func compareEntries(a, b Entry) int {
	return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last))
}

const (
	manifestDir   = "_manifest"
	epochsFile    = "epochs.json"
	datePrefix    = "date="
	parquetSuffix = ".parquet"
	jsonSuffix    = ".json"
)

// stem is the name that a batch's files share: it holds the range, sorts, and lets a redelivered batch be recognised.
func stem(epoch, first, last uint64) string {
	return fmt.Sprintf("%d-%012d-%012d", epoch, first, last)
}

var stemPattern = regexp.MustCompile(`^([0-9]{1,19})-([0-9]{12,19})-([0-9]{12,19})$`)

// parseStem takes a name apart; ok is false for a name that the lake did not make.
func parseStem(name string) (epoch, first, last uint64, ok bool) {
	m := stemPattern.FindStringSubmatch(name)
	if m == nil {
		return 0, 0, 0, false
	}
	var n [3]uint64
	for i, text := range m[1:] {
		v, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return 0, 0, 0, false
		}
		n[i] = v
	}
	if n[0] == 0 || n[1] > n[2] || stem(n[0], n[1], n[2]) != name {
		return 0, 0, 0, false
	}
	return n[0], n[1], n[2], true
}

// filePattern is where a Parquet file of the lake may be.
var filePattern = regexp.MustCompile(`^date=[0-9-]+/[0-9-]+\.parquet$`)

// parseEntry reads a manifest entry and checks it against its name.
func parseEntry(name string, text []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(text, &e); err != nil {
		return Entry{}, err
	}
	if e.Version > Version {
		return Entry{}, fmt.Errorf("%w: format %d, this release reads up to %d", ErrVersion, e.Version, Version)
	}
	if e.stem() != name {
		return Entry{}, fmt.Errorf("holds the range %s, not the one of its name", e.stem())
	}
	for _, f := range e.Files {
		if !filePattern.MatchString(f.Path) {
			return Entry{}, fmt.Errorf("names a file outside the lake: %q", f.Path)
		}
	}
	return e, nil
}

// putEntry writes an entry into the manifest of the lake in root, in place of one of its name.
func putEntry(disk FS, root string, e Entry) error {
	return writeJSON(disk, filepath.Join(root, manifestDir, e.stem()+jsonSuffix), e)
}
