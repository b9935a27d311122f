package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/rs/zerolog"

	"claude-analytics/internal/stream"
	"claude-analytics/internal/warehouse"
	"claude-analytics/proto"
)

// Warehouse is what verify needs of *warehouse.DB.
type Warehouse interface {
	Read(ctx context.Context, fn func(context.Context, *warehouse.Tx) error) error
}

// Lake is the lake's folder, looked at without changing it.
type Lake interface {
	// Inspect reads manifest and footers, or with whole every page.
	Inspect(ctx context.Context, whole bool, seen func(done, of int)) (Folder, error)
	// Scan reads columns of the files of that folder but those in skip, in order; optional columns where a file has them.
	// Files that cannot be read to their end are findings.
	Scan(ctx context.Context, f Folder, skip map[string]bool, columns, optional []string, fn func(arrow.RecordBatch) error) ([]Finding, error)
}

// Stream is what verify needs of *stream.Conn.
type Stream interface {
	State(ctx context.Context) (stream.State, error)
	// CountChanges counts the changes between two sequences, both included.
	CountChanges(ctx context.Context, from, to uint64) (uint64, error)
	// ReadChanges reads them.
	ReadChanges(ctx context.Context, from, to uint64, fn func(stream.Message) error) error
	// ReadDeadLetters reads what was set aside.
	ReadDeadLetters(ctx context.Context, fn func(proto.DeadLetter) error) error
}

// Parts is what is compared; nil parts are left out, with Missing saying why, by level.
type Parts struct {
	Warehouse Warehouse
	Lake      Lake
	Stream    Stream
	Sources   []Source
	Marts     Marts
	Missing   map[string]string
	// Elsewhere: lanes beside Sources are read by other processes, and it is no fault that they cannot be looked at here.
	Elsewhere bool
}

// Config says how.
type Config struct {
	// Key is the row key's hash as raw.conversations has it in _key.
	Key func(source, id string) uint64
	// KeepDeleted: rows of deleted documents stay in the warehouse (ON_DELETE=keep).
	KeepDeleted bool
	// LakeDir is the lake's folder, for commands that name a file of it.
	LakeDir string
	// Live: a service goes on writing meanwhile. Settle then waits, not for ever, until what is there now has passed
	// through; nil: nothing moves.
	Live   bool
	Settle func(context.Context) error
	// Normalize makes a source's document what the recorded rules of redaction make of it; false: those rules are not
	// known any more, and the document cannot be compared. nil: as it is.
	Normalize func(raw []byte, version uint32) ([]byte, bool)
	// RuleVersion is that of the conversion (document.RuleVersion).
	RuleVersion int
	// Progress is told what is being done; nil: nobody.
	Progress func(what string, done, of int64)
}

// Verifier compares. It does no I/O before Run.
type Verifier struct {
	cfg   Config
	parts Parts
	log   zerolog.Logger
	fix   commands
}

// New makes a verifier.
func New(cfg Config, parts Parts, log zerolog.Logger) *Verifier {
	if cfg.Progress == nil {
		cfg.Progress = func(string, int64, int64) {}
	}
	if cfg.Normalize == nil {
		cfg.Normalize = func(raw []byte, _ uint32) ([]byte, bool) { return raw, true }
	}
	return &Verifier{cfg: cfg, parts: parts, log: log.With().Str("part", "verify").Logger(), fix: commands{lakeDir: cfg.LakeDir}}
}

// Run compares everything. An error means that it could not look at all; what could not be looked at of it is in the
// report.
func (v *Verifier) Run(ctx context.Context, deep bool) (Report, error) {
	report := Report{Mode: "offline", Deep: deep, Started: time.Now().UTC()}
	if v.cfg.Live {
		report.Mode = "live"
	}
	r := &run{Verifier: v, deep: deep, report: &report}
	if v.parts.Warehouse == nil {
		return report, fmt.Errorf("verify: %s", v.parts.Missing[LevelWarehouse])
	}
	err := v.parts.Warehouse.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		r.tx = tx
		defer r.dropTables(context.WithoutCancel(ctx))
		return r.all(ctx)
	})
	if err != nil {
		return report, fmt.Errorf("verify: %w", err)
	}
	if err := r.marts(ctx); err != nil {
		return report, fmt.Errorf("verify: %w", err)
	}
	report.finish()
	return report, nil
}

// run is one verification.
type run struct {
	*Verifier
	deep   bool
	report *Report
	tx     *warehouse.Tx

	folder Folder
	// bad are the files of the lake that could not be read, holes the ranges that a finding of the lake covers.
	bad   map[string]bool
	holes []span
	// known are the gaps that were recorded.
	known []span
	// farBehind: what is still to be applied is too much to be told from what is missing.
	farBehind bool
	// lakeRead says that the tables of the lake are filled.
	lakeRead bool
	// lakeAt and bronzeAt are the watermarks, moment the lower of both.
	lakeAt, bronzeAt mark
	moment           int64
}

// mark is a watermark.
type mark struct {
	stream  stream.Identity
	epoch   uint64
	seq     uint64
	seen    uint64
	present bool
}

func (m mark) ord() int64 { return ord(m.epoch, m.seq) }

// seqBits is how many bits of an order are the sequence: 17 trillion messages a life, half a million lives.
const seqBits = 44

// ord is an order as one number, which DuckDB compares and aggregates faster than a pair.
func ord(epoch, seq uint64) int64 { return int64(epoch<<seqBits | seq) }

func ofOrd(o int64) Order {
	return Order{Epoch: uint64(o) >> seqBits, Seq: uint64(o) & (1<<seqBits - 1)}
}

// all goes from the lake outwards, since what it knows is what the others are compared with.
func (r *run) all(ctx context.Context) error {
	if err := r.createTables(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.lake, r.bronze, r.stream, r.sources} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// level times one level and adds it to the report. An error of fn makes it failed; only ctx's end stops the others.
func (r *run) level(ctx context.Context, name string, fn func(context.Context, *Level) error) error {
	l := Level{Level: name, State: StateChecked, Counts: []Count{}, Differences: []Difference{}}
	began := time.Now()
	err := fn(ctx, &l)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		l.fail(err)
	}
	l.Seconds = time.Since(began).Seconds()
	r.report.Levels = append(r.report.Levels, l)
	return nil
}

// span is a range of one epoch's sequences, both ends included.
type span struct{ epoch, from, to uint64 }

func (s span) holds(o Order) bool { return s.epoch == o.Epoch && s.from <= o.Seq && o.Seq <= s.to }

func (s span) ords() (from, to int64) { return ord(s.epoch, s.from), ord(s.epoch, s.to) }
