package verify

import (
	"context"
	"fmt"
	"time"

	"claude-analytics/internal/stream"
)

// Folder is the lake's folder as it lies on the disk.
type Folder struct {
	Batches  []Batch
	Findings []Finding
	// Files are whole, with Bytes in them.
	Files int
	Bytes int64
	// Retained is the first date that retention has left; zero: none was made.
	Retained time.Time
}

// Batch is one entry of the manifest.
type Batch struct {
	Stream             stream.Identity
	Epoch, First, Last uint64
	// Seen is the last message of any kind that it covers.
	Seen  uint64
	Rows  int64
	Files []string
}

// Finding is one thing wrong with the folder; Kind is one of KindFileMissing to KindFileForeign.
type Finding struct {
	Kind, Path, Detail string
	// Epoch, First and Last are the batch's range; zero where it has none.
	Epoch, First, Last uint64
	Rows               int64
}

// inFlight is how long a service may take to name a file that it has just written.
const inFlight = 2 * time.Second

// lake looks at the folder and reads the keys of what is in it.
func (r *run) lake(ctx context.Context) error {
	return r.level(ctx, LevelLake, func(ctx context.Context, l *Level) error {
		l.Against = "its manifest, stream and warehouse"
		if r.parts.Lake == nil {
			l.skip(r.parts.Missing[LevelLake])
			return nil
		}
		if err := r.inspect(ctx); err != nil {
			return err
		}
		if err := r.knownGaps(ctx); err != nil {
			return err
		}
		r.bad = map[string]bool{}
		for _, f := range r.folder.Findings {
			r.bad[f.Path] = true
		}
		if err := r.readLake(ctx); err != nil {
			return err
		}
		r.lakeRead = true
		if n := len(r.folder.Batches); n > 0 {
			last := r.folder.Batches[n-1]
			r.lakeAt = mark{stream: last.Stream, epoch: last.Epoch, seq: last.Last, seen: last.Seen, present: true}
		}
		rows, err := r.number(ctx, "count rows of the lake", "SELECT count(*) FROM verify_lake")
		if err != nil {
			return err
		}
		l.count("batches", int64(len(r.folder.Batches)))
		l.count("files", int64(r.folder.Files))
		l.count("bytes", r.folder.Bytes)
		l.count(countRows, rows)
		r.tellFindings(l)
		if r.deep {
			return r.lakeTwice(ctx, l)
		}
		return nil
	})
}

// inspect looks at the folder; what a running service may only be about to finish is looked at twice.
func (r *run) inspect(ctx context.Context) (err error) {
	seen := func(done, of int) { r.cfg.Progress("lake: files", int64(done), int64(of)) }
	if r.folder, err = r.parts.Lake.Inspect(ctx, r.deep, seen); err != nil || len(r.folder.Findings) == 0 || !r.cfg.Live {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(inFlight):
	}
	before := map[[2]string]bool{}
	for _, f := range r.folder.Findings {
		before[[2]string{f.Kind, f.Path}] = true
	}
	if r.folder, err = r.parts.Lake.Inspect(ctx, false, nil); err != nil {
		return err
	}
	var stay []Finding
	for _, f := range r.folder.Findings {
		// What is above the watermark is the service's to finish.
		if before[[2]string{f.Kind, f.Path}] && f.Kind != KindBatchUnfinished {
			stay = append(stay, f)
		}
	}
	r.folder.Findings = stay
	return nil
}

// knownGaps reads what was recorded as missing for good.
func (r *run) knownGaps(ctx context.Context) error {
	return r.each(ctx, "read gaps", `SELECT _epoch, from_seq, to_seq FROM meta.gaps WHERE kind = 'stream'`, func(scan func(...any) error) error {
		var epoch, from, to int64
		if err := scan(&epoch, &from, &to); err != nil {
			return err
		}
		r.known = append(r.known, span{uint64(epoch), uint64(from), uint64(to)})
		return nil
	})
}

func (r *run) isKnown(o Order) bool {
	for _, s := range r.known {
		if s.holds(o) {
			return true
		}
	}
	return false
}

// tellFindings makes differences of findings, one a kind.
func (r *run) tellFindings(l *Level) {
	at := map[string]int{}
	for _, f := range r.folder.Findings {
		if f.Epoch != 0 {
			r.holes = append(r.holes, span{f.Epoch, f.First, f.Last})
		}
		i, told := at[f.Kind]
		if !told {
			i = len(l.Differences)
			at[f.Kind] = i
			l.differ(Difference{Kind: f.Kind, Where: f.Path, Detail: f.Detail, Epoch: f.Epoch, FromSeq: f.First, ToSeq: f.Last, Repair: r.fix.lake()})
		}
		d := &l.Differences[i]
		d.Count++
		if d.Count > 1 {
			d.Where = ""
		}
		if d.Epoch == f.Epoch {
			d.FromSeq, d.ToSeq = min(d.FromSeq, f.First), max(d.ToSeq, f.Last)
		}
		if len(d.Examples) < maxExamples {
			text := f.Path + ": " + f.Detail
			if f.Rows > 0 {
				text += fmt.Sprintf(" (%d rows)", f.Rows)
			}
			d.Examples = append(d.Examples, text)
		}
		switch f.Kind {
		case KindBatchUnfinished:
			d.Repair = r.fix.unfinished()
		case KindFileForeign:
			d.Repair = r.fix.foreign(f.Path)
		default:
			d.Otherwise = r.fix.lakeElse()
		}
	}
}

// lakeTwice looks for changes that stand in the lake more than once.
func (r *run) lakeTwice(ctx context.Context, l *Level) error {
	twice, err := r.number(ctx, "look for changes that stand twice", "SELECT count(*) FROM (SELECT ord FROM verify_lake GROUP BY ord HAVING count(*) > 1)")
	if err != nil {
		return err
	}
	if twice > 0 {
		l.note(fmt.Sprintf("%d changes stand in the lake more than once; readers take one", twice))
	}
	return nil
}
