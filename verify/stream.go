package verify

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
)

const (
	// probes bounds how often the cheap form asks for a count, reads how many messages it reads to find a difference.
	probes = 400
	reads  = 200_000
	// segment is the shortest range that is worth another count rather than reading it.
	segment = 2000
)

// stream compares the changes that the stream holds with those of the lake, as far as both go: by counts, cut in halves
// where they differ until the part is small enough to be read; deep reads everything.
func (r *run) stream(ctx context.Context) error {
	return r.level(ctx, LevelStream, func(ctx context.Context, l *Level) error {
		l.Against = "lake"
		if r.parts.Stream == nil {
			l.State, l.Why = StateFailed, r.parts.Missing[LevelStream]
			if l.Why == "" {
				l.skip("there is no stream")
			}
			return nil
		}
		r.cfg.Progress("stream", 0, 0)
		state, err := r.parts.Stream.State(ctx)
		if err != nil {
			return err
		}
		l.count("messages", int64(state.Msgs))
		if err := r.streamTail(ctx, l, state); err != nil {
			return err
		}
		if err := r.readTail(ctx, l, state); err != nil {
			return err
		}
		if !r.lakeRead || !r.lakeAt.present {
			l.note("there is no lake to compare the stream with")
			return nil
		}
		if !sameLife(r.lakeAt.stream, state.Identity) {
			l.note("the lake holds another life of the stream: the next start begins a new epoch and applies everything again")
			return nil
		}
		from, to := max(state.FirstSeq, state.PurgeFloor, 1), min(state.LastSeq, r.lakeAt.seq)
		if from > to {
			l.note("retention has removed from the stream everything that the lake holds")
			return nil
		}
		return r.compareStream(ctx, l, from, to)
	})
}

func sameLife(a, b stream.Identity) bool {
	return a.Name == b.Name && a.Created.UnixMicro() == b.Created.UnixMicro()
}

// streamTail notes how far behind the warehouse is: no difference, but worth knowing when one is told.
func (r *run) streamTail(ctx context.Context, l *Level, state stream.State) error {
	if !sameLife(r.bronzeAt.stream, state.Identity) || state.LastSeq <= r.bronzeAt.seen {
		return nil
	}
	behind, err := r.parts.Stream.CountChanges(ctx, r.bronzeAt.seen+1, state.LastSeq)
	if err == nil && behind > 0 {
		l.note(fmt.Sprintf("the warehouse has %d changes still to apply: %sload", behind, program))
	}
	return err
}

// maxTail bounds how much of what is still to be applied is read.
const maxTail = 1_000_000

// readTail gathers the keys of what stands above the warehouse's watermark: documents that are on their way.
func (r *run) readTail(ctx context.Context, l *Level, state stream.State) error {
	from := uint64(1)
	if sameLife(r.bronzeAt.stream, state.Identity) {
		from = r.bronzeAt.seq + 1
	}
	if from > state.LastSeq || len(r.parts.Sources) == 0 {
		return nil
	}
	tail := r.fill(ctx, "verify_tail")
	read := 0
	err := r.parts.Stream.ReadChanges(ctx, from, state.LastSeq, func(m stream.Message) error {
		var change proto.Change
		if err := protobuf.Unmarshal(m.Data, &change); err != nil {
			return nil //nolint:nilerr // it becomes a dead letter when it is applied
		}
		if read++; read > maxTail {
			return errFarBehind
		}
		return tail.add(r.cfg.Key(change.GetSource(), change.GetId()))
	})
	if errors.Is(err, errFarBehind) {
		r.farBehind = true
		l.note(fmt.Sprintf("the warehouse is more than %d changes behind: the source is not compared", maxTail))
		return nil
	}
	if err != nil {
		return err
	}
	return tail.flush()
}

var errFarBehind = errors.New("the warehouse is far behind")

// compareStream looks for the parts in which the counts differ, and reads those.
func (r *run) compareStream(ctx context.Context, l *Level, from, to uint64) error {
	c := &streamComparison{run: r, epoch: r.lakeAt.epoch}
	held, err := r.parts.Stream.CountChanges(ctx, from, to)
	if err != nil {
		return err
	}
	l.count("changes compared with the lake", int64(held))
	if r.deep {
		err = c.read(ctx, from, to)
	} else {
		err = c.narrow(ctx, from, to)
	}
	if err != nil {
		return err
	}
	if c.left > 0 {
		l.note(fmt.Sprintf("parts with %d messages differ in number and were not looked into (--deep does)", c.left))
	}
	return c.tell(ctx, l)
}

type streamComparison struct {
	*run
	epoch  uint64
	probes int
	reads  uint64
	left   uint64
	ranges []span
}

// inLake counts the lake's changes between two sequences.
func (c *streamComparison) inLake(ctx context.Context, from, to uint64) (uint64, error) {
	n, err := c.number(ctx, "count changes of the lake", "SELECT count(DISTINCT ord) FROM verify_lake WHERE ord BETWEEN ? AND ?", ord(c.epoch, from), ord(c.epoch, to))
	return uint64(n), err
}

func (c *streamComparison) narrow(ctx context.Context, from, to uint64) error {
	inStream, err := c.parts.Stream.CountChanges(ctx, from, to)
	if err != nil {
		return err
	}
	inLake, err := c.inLake(ctx, from, to)
	if err != nil {
		return err
	}
	c.probes++
	c.cfg.Progress("stream", int64(from), int64(c.lakeAt.seq))
	switch {
	case inStream == inLake:
		return nil
	case to-from <= segment || inStream == 0 || inLake == 0 || c.probes >= probes:
		if inStream > 0 && c.reads+(to-from) > reads {
			c.left += to - from + 1
			return nil
		}
		c.reads += to - from
		return c.read(ctx, from, to)
	}
	middle := from + (to-from)/2
	if err := c.narrow(ctx, from, middle); err != nil {
		return err
	}
	return c.narrow(ctx, middle+1, to)
}

// read takes a part of the stream into verify_stream.
func (c *streamComparison) read(ctx context.Context, from, to uint64) error {
	c.ranges = append(c.ranges, span{c.epoch, from, to})
	rows := c.fill(ctx, "verify_stream")
	err := c.parts.Stream.ReadChanges(ctx, from, to, func(m stream.Message) error {
		var change proto.Change
		if err := protobuf.Unmarshal(m.Data, &change); err != nil {
			return rows.add(uint64(0), ord(c.epoch, m.Seq), uint8(opOther), nil)
		}
		var op uint8
		var content any
		switch change.GetOperation() {
		case proto.Operation_OPERATION_DELETE:
			op = opDelete
		case proto.Operation_OPERATION_DROP, proto.Operation_OPERATION_SNAPSHOT_END:
			op = opFence
		default:
			if len(change.GetDocument()) > 0 && !c.retained(&change) {
				op = opRow
				content = contentHash(change.GetDocument(), change.GetSourceOffset() >= 0)
			}
		}
		c.cfg.Progress("stream", int64(m.Seq), int64(to))
		return rows.add(c.cfg.Key(change.GetSource(), change.GetId()), ord(c.epoch, m.Seq), op, content)
	})
	if err != nil {
		return err
	}
	return rows.flush()
}

// inRanges is a condition that an order was looked at.
func (c *streamComparison) inRanges(column string) string {
	condition := "false"
	for _, s := range c.ranges {
		from, to := s.ords()
		condition += fmt.Sprintf(" OR %s BETWEEN %d AND %d", column, from, to)
	}
	return "(" + condition + ")"
}

// tell names what one side has and the other has not. What a newer version of the same key has made needless on the side
// that lacks it is none: compaction, erasure and a source that was read again leave such.
func (c *streamComparison) tell(ctx context.Context, l *Level) error {
	if len(c.ranges) == 0 {
		return nil
	}
	hole := Difference{Kind: KindStreamHole, Detail: "the lake holds changes that the stream, where retention has not been, has lost"}
	err := c.gather(ctx, &hole, fmt.Sprintf(`SELECT a.ord, a.date FROM verify_lake a ANTI JOIN verify_stream s ON s.ord = a.ord
		WHERE %s AND a.op = 1 AND NOT EXISTS (FROM verify_lake b WHERE b.k = a.k AND b.ord > a.ord AND b.op IN (1, 2))`, c.inRanges("a.ord")))
	if err != nil {
		return err
	}
	if hole.Count > 0 {
		l.differ(hole)
	}
	lost := Difference{Kind: KindLakeHole, Detail: "the stream holds changes that the lake does not", Repair: c.fix.lake()}
	err = c.gather(ctx, &lost, fmt.Sprintf(`SELECT s.ord, NULL::INTEGER FROM verify_stream s ANTI JOIN verify_lake a ON a.ord = s.ord
		WHERE s.op IN (1, 2) AND NOT EXISTS (FROM verify_lake b WHERE b.k = s.k AND b.ord > s.ord AND b.op IN (1, 2))
		AND NOT EXISTS (FROM meta.dead_letters d WHERE %s = s.ord)
		AND NOT EXISTS (FROM verify_holes h WHERE s.ord BETWEEN h.first AND h.last)`, bronzeOrd))
	if err != nil {
		return err
	}
	if lost.Count > 0 {
		c.tellLost(lost)
	}
	if !c.deep {
		return nil
	}
	other := Difference{Kind: KindContent, Detail: "stream and lake hold another content under the same order"}
	err = c.gather(ctx, &other, `SELECT s.ord, a.date FROM verify_stream s JOIN verify_lake a ON a.ord = s.ord WHERE s.h IS DISTINCT FROM a.h AND s.op = 1 AND a.op IN (1, 4)`)
	if err == nil && other.Count > 0 {
		l.differ(other)
	}
	return err
}

// tellLost adds to what the comparison with the warehouse showed of the same holes.
func (c *streamComparison) tellLost(d Difference) {
	l := c.of(LevelLake)
	for i := range l.Differences {
		if have := &l.Differences[i]; have.Kind == KindLakeHole && have.Epoch == d.Epoch {
			have.Count = max(have.Count, d.Count)
			have.FromSeq, have.ToSeq = min(have.FromSeq, d.FromSeq), max(have.ToSeq, d.ToSeq)
			have.Ranges = append(have.Ranges, d.Ranges...)
			return
		}
	}
	l.differ(d)
}

// gather counts orders and names the first; dates, if there are any, say what to read again.
func (c *streamComparison) gather(ctx context.Context, d *Difference, query string) error {
	var first, last, day, lastDay sql.NullInt64
	var known int64
	err := c.each(ctx, d.Detail, query+" ORDER BY 1", func(scan func(...any) error) error {
		var at int64
		var date sql.NullInt64
		if err := scan(&at, &date); err != nil {
			return err
		}
		order := ofOrd(at)
		if c.isKnown(order) {
			known++
			return nil
		}
		d.Count++
		d.add(order)
		if !first.Valid {
			first = sql.NullInt64{Int64: at, Valid: true}
		}
		last = sql.NullInt64{Int64: at, Valid: true}
		if date.Valid {
			if !day.Valid {
				day, lastDay = date, date
			}
			day.Int64, lastDay.Int64 = min(day.Int64, date.Int64), max(lastDay.Int64, date.Int64)
		}
		if len(d.Examples) < maxExamples {
			d.Examples = append(d.Examples, fmt.Sprintf("message %d", order.Seq))
		}
		return nil
	})
	if err != nil || d.Count == 0 {
		return err
	}
	d.Epoch, d.FromSeq, d.ToSeq = c.epoch, ofOrd(first.Int64).Seq, ofOrd(last.Int64).Seq
	d.Where = fmt.Sprintf("messages %d to %d", d.FromSeq, d.ToSeq)
	if d.Repair == "" {
		d.Repair = c.fix.source(dayOf(day.Int64), dayOf(lastDay.Int64))
		d.Otherwise = "where the source no longer has them: " + c.fix.accept() + " (lake and warehouse hold them)"
	}
	return nil
}

// dayOf is a date as DuckDB counts it.
func dayOf(days int64) time.Time { return time.Unix(days*86400, 0).UTC() }
