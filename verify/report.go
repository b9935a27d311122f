package verify

import (
	"slices"
	"time"
)

// Levels, in the order of the data path.
const (
	LevelSource    = "source"
	LevelStream    = "stream"
	LevelLake      = "lake"
	LevelWarehouse = "warehouse"
	LevelMarts     = "marts"
)

// Levels lists them.
func Levels() []string {
	return []string{LevelSource, LevelStream, LevelLake, LevelWarehouse, LevelMarts}
}

// Report is the outcome of one verification.
type Report struct {
	Mode     string    `json:"mode"` // live or offline
	Deep     bool      `json:"deep"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	Seconds  float64   `json:"seconds"`
	// Moment is the order up to which lake and warehouse were compared.
	Moment Order   `json:"moment"`
	Levels []Level `json:"levels"`
	// Differences is how many things differ in all.
	Differences int64 `json:"differences"`
	// Incomplete says that a level could not be looked at, though it should have been.
	Incomplete bool `json:"incomplete,omitempty"`
}

// Clean is whether nothing differs.
func (r Report) Clean() bool { return r.Differences == 0 }

// Order is a place in the stream's lives.
type Order struct {
	Epoch uint64 `json:"epoch"`
	Seq   uint64 `json:"seq"`
}

// States of a level.
const (
	StateChecked = "checked"
	// StateSkipped: there is nothing to look at, or it was not asked for; Why says which.
	StateSkipped = "skipped"
	// StateFailed: it could not be looked at.
	StateFailed = "failed"
)

// Level is one level's part of the report.
type Level struct {
	Level string `json:"level"`
	// Name tells sources apart; empty for the other levels.
	Name  string `json:"name,omitempty"`
	State string `json:"state"`
	// Why says why it was skipped or failed.
	Why string `json:"why,omitempty"`
	// Against is what it was compared with.
	Against string `json:"against,omitempty"`
	// Counts are what was looked at, in the order in which they are worth reading.
	Counts []Count `json:"counts"`
	// Dates are counts and checksums by date, where the level has dates: only of those that differ, unless deep.
	Dates       []DateSum    `json:"dates,omitempty"`
	Notes       []string     `json:"notes,omitempty"`
	Differences []Difference `json:"differences"`
	Seconds     float64      `json:"seconds"`
}

// Count is one figure.
type Count struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
}

// countRows names a level's rows.
const countRows = "rows"

// DateSum is one date on both sides. The checksum is over the keys and orders of its rows, whatever their order.
type DateSum struct {
	Date     string `json:"date"`
	Rows     int64  `json:"rows"`
	Checksum string `json:"checksum"`
	Against  int64  `json:"against_rows"`
	Other    string `json:"against_checksum"`
}

// Difference is one kind of thing that differs in one place.
type Difference struct {
	Level string `json:"level"`
	Kind  string `json:"kind"`
	// Where is the file, date, namespace or model.
	Where  string `json:"where,omitempty"`
	Detail string `json:"detail"`
	Count  int64  `json:"count"`
	// Examples are at most ten of the things that differ.
	Examples []string `json:"examples,omitempty"`
	// Repair is the command to type, Otherwise what there is to do if that does not help.
	Repair    string `json:"repair"`
	Otherwise string `json:"otherwise,omitempty"`
	// Epoch, FromSeq and ToSeq bound what is concerned in the stream; zero where it is not known.
	Epoch   uint64 `json:"epoch,omitempty"`
	FromSeq uint64 `json:"from_seq,omitempty"`
	ToSeq   uint64 `json:"to_seq,omitempty"`
	// Ranges are exactly what is concerned, where stream or lake have a hole: at most maxRanges.
	Ranges []Range `json:"ranges,omitempty"`
}

// Range is a part of one epoch's messages, both ends included.
type Range struct {
	Epoch uint64 `json:"epoch"`
	From  uint64 `json:"from"`
	To    uint64 `json:"to"`
}

// maxRanges bounds how many ranges a difference names.
const maxRanges = 10_000

// add adds an order, which is above all before it.
func (d *Difference) add(o Order) {
	if n := len(d.Ranges); n > 0 && d.Ranges[n-1].Epoch == o.Epoch && d.Ranges[n-1].To+1 >= o.Seq {
		d.Ranges[n-1].To = o.Seq
		return
	}
	if len(d.Ranges) < maxRanges {
		d.Ranges = append(d.Ranges, Range{o.Epoch, o.Seq, o.Seq})
	}
}

// Gaps are the ranges of all differences that are holes of stream or lake: what can be accepted as lost.
func (r Report) Gaps() map[string][]Range {
	gaps := map[string][]Range{}
	for _, l := range r.Levels {
		for _, d := range l.Differences {
			if d.Kind == KindStreamHole || d.Kind == KindLakeHole {
				gaps[d.Level] = append(gaps[d.Level], d.Ranges...)
			}
		}
	}
	return gaps
}

// maxExamples is how many examples a difference gives.
const maxExamples = 10

func (l *Level) count(name string, value int64) { l.Counts = append(l.Counts, Count{name, value}) }

func (l *Level) note(text string) { l.Notes = append(l.Notes, text) }

func (l *Level) differ(d Difference) {
	d.Level = l.Level
	if len(d.Examples) > maxExamples {
		d.Examples = d.Examples[:maxExamples]
	}
	l.Differences = append(l.Differences, d)
}

func (l *Level) skip(why string) { l.State, l.Why = StateSkipped, why }

func (l *Level) fail(err error) { l.State, l.Why = StateFailed, err.Error() }

// finish sums up.
func (r *Report) finish() {
	// The work goes from the middle outwards; people read along the data path.
	order := Levels()
	slices.SortStableFunc(r.Levels, func(a, b Level) int { return slices.Index(order, a.Level) - slices.Index(order, b.Level) })
	for _, l := range r.Levels {
		for _, d := range l.Differences {
			r.Differences += max(d.Count, 1)
		}
		r.Incomplete = r.Incomplete || l.State == StateFailed
	}
	r.Finished = time.Now().UTC()
	r.Seconds = r.Finished.Sub(r.Started).Seconds()
}
