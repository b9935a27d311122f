package verify

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"claude-analytics/internal/stream"
)

// bronzeOrd is a row's order in raw.conversations as one number.
var bronzeOrd = fmt.Sprintf("(_epoch << %d | _seq)", seqBits)

// bronze compares the newest of each key in the lake with the rows of raw.conversations, and those with themselves.
func (r *run) bronze(ctx context.Context) error {
	return r.level(ctx, LevelWarehouse, func(ctx context.Context, l *Level) error {
		l.Against = "lake"
		r.cfg.Progress("warehouse", 0, 0)
		// The lake's files were read; the warehouse may have gone on meanwhile, which is seen as such.
		if err := r.present(ctx); err != nil {
			return err
		}
		if err := r.readMark(ctx); err != nil {
			return err
		}
		rows, err := r.number(ctx, "count rows", "SELECT count(*) FROM raw.conversations")
		if err != nil {
			return err
		}
		l.count(countRows, rows)
		if err := r.itself(ctx, l); err != nil {
			return err
		}
		if !r.lakeRead || !r.lakeAt.present {
			l.Against = "itself"
			l.note("there is no lake to compare the rows with")
			return nil
		}
		r.moment = min(r.lakeAt.ord(), r.bronzeAt.ord())
		r.report.Moment = ofOrd(r.moment)
		if err := r.gatherNewest(ctx); err != nil {
			return err
		}
		return r.pairs(ctx, l)
	})
}

func (r *run) readMark(ctx context.Context) error {
	var m mark
	var epoch, seq, seen int64
	err := r.tx.QueryRow(ctx, `SELECT stream, stream_created, epoch, seq, seen FROM meta.watermarks WHERE consumer = 'warehouse'`).
		Scan(&m.stream.Name, &m.stream.Created, &epoch, &seq, &seen)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the watermark: %w", err)
	}
	m.epoch, m.seq, m.seen = uint64(epoch), uint64(seq), uint64(seen)
	m.present = m.stream != stream.Identity{} && m.stream.Name != ""
	r.bronzeAt = m
	return nil
}

// gatherNewest fills verify_newest and verify_holes, and takes the fences that the warehouse knows in addition.
func (r *run) gatherNewest(ctx context.Context) error {
	kinds := "1, 2, 4"
	if r.cfg.KeepDeleted {
		kinds = "1, 4"
		if err := r.exec(ctx, "leave out fences", "DELETE FROM verify_fences"); err != nil {
			return err
		}
	} else if err := r.bronzeFences(ctx); err != nil {
		return err
	}
	if err := r.exec(ctx, "find the newest of each key", fmt.Sprintf(`INSERT INTO verify_newest
		SELECT k, max(ord), arg_max(op, ord), arg_max(date, ord), arg_max(ns, ord), arg_max(h, ord), arg_max(rules, ord)
		FROM verify_lake WHERE op IN (%s) AND ord <= %d GROUP BY k`, kinds, r.moment)); err != nil {
		return err
	}
	// What was deleted together with its namespace is as good as deleted.
	if err := r.exec(ctx, "apply fences", fmt.Sprintf(`UPDATE verify_newest n SET op = 2
		FROM (SELECT ns, max(fence) AS fence FROM verify_fences WHERE ord <= %d OR ord IS NULL GROUP BY ns) f
		WHERE n.ns = f.ns AND n.ord <= f.fence`, r.moment)); err != nil {
		return err
	}
	holes := r.fill(ctx, "verify_holes")
	for _, s := range slices.Concat(r.holes, r.known) {
		from, to := s.ords()
		if err := holes.add(from, to); err != nil {
			return err
		}
	}
	return holes.flush()
}

// bronzeFences adds the namespaces that the warehouse knows to be gone: it may be ahead of the lake.
func (r *run) bronzeFences(ctx context.Context) error {
	fences := r.fill(ctx, "verify_fences")
	err := r.each(ctx, "read dropped namespaces", `SELECT source, coalesce(namespace, ''), `+bronzeOrd+` FROM raw.tombstones WHERE _id IS NULL`,
		func(scan func(...any) error) error {
			var source, namespace string
			var fence int64
			if err := scan(&source, &namespace, &fence); err != nil {
				return err
			}
			return fences.add(namespaceKey(source, namespace), fence, nil)
		})
	if err != nil {
		return err
	}
	return fences.flush()
}

// pairsSQL joins both sides by key and classes each: same, later (the warehouse holds what is above the moment), gone
// (deleted, as it should be), excused (a dead letter, deleted above the moment, or in a known hole), or the kind of difference.
func (r *run) pairsSQL() string {
	return fmt.Sprintf(`
		SELECT coalesce(n.k, c.k) AS k, n.ord AS lake_ord, c.ord AS row_ord, coalesce(c.date, DATE '1970-01-01' + n.date) AS date,
			CASE WHEN c.ord > %[1]d THEN 'later'
				WHEN n.op = 4 THEN 'excused'
				WHEN c.ord IS NULL AND n.op = 2 THEN 'gone'
				WHEN c.ord IS NULL AND (t.ord >= n.ord OR d.ord IS NOT NULL) THEN 'excused'
				WHEN c.ord IS NULL THEN 'row_missing'
				WHEN n.ord IS NULL OR n.ord < c.ord THEN CASE WHEN h.first IS NULL THEN 'lake_hole' ELSE 'excused' END
				WHEN n.op = 2 THEN 'row_deleted'
				WHEN n.ord > c.ord THEN CASE WHEN d.ord IS NOT NULL THEN 'excused' ELSE 'row_stale' END
				ELSE 'same' END AS class
		FROM verify_newest n
		FULL JOIN (SELECT _key AS k, max(%[2]s) AS ord, arg_max(date, %[2]s) AS date FROM raw.conversations GROUP BY _key) c ON c.k = n.k
		LEFT JOIN (SELECT _key AS k, max(%[2]s) AS ord FROM raw.tombstones WHERE _key IS NOT NULL GROUP BY 1) t ON t.k = n.k
		LEFT JOIN (SELECT DISTINCT %[2]s AS ord FROM meta.dead_letters) d ON d.ord = n.ord
		LEFT JOIN (SELECT DISTINCT ON (c.ord) c.ord, h.first FROM (SELECT %[2]s AS ord FROM raw.conversations) c
			JOIN verify_holes h ON c.ord BETWEEN h.first AND h.last) h ON h.ord = c.ord`, r.moment, bronzeOrd)
}

// pairs tells what the join shows: sums by date first, then what differs, if anything does.
func (r *run) pairs(ctx context.Context, l *Level) error {
	var compared, later, excused int64
	counts := map[string]int64{}
	err := r.each(ctx, "compare lake and warehouse", `WITH pairs AS (`+r.pairsSQL()+`)
		SELECT date::VARCHAR, count(*) FILTER (class IN ('same', 'row_missing', 'row_stale')), coalesce(bit_xor(hash(k, lake_ord)) FILTER (class IN ('same', 'row_missing', 'row_stale')), 0)::VARCHAR,
			count(*) FILTER (class IN ('same', 'row_stale', 'row_deleted', 'lake_hole')), coalesce(bit_xor(hash(k, row_ord)) FILTER (class IN ('same', 'row_stale', 'row_deleted', 'lake_hole')), 0)::VARCHAR,
			count(*) FILTER (class = 'row_missing'), count(*) FILTER (class = 'row_stale'), count(*) FILTER (class = 'row_deleted'),
			count(*) FILTER (class = 'lake_hole'), count(*) FILTER (class = 'later'), count(*) FILTER (class = 'excused')
		FROM pairs GROUP BY date ORDER BY date`, func(scan func(...any) error) error {
		var d DateSum
		var missing, stale, deleted, hole, ahead, fine int64
		if err := scan(&d.Date, &d.Against, &d.Other, &d.Rows, &d.Checksum, &missing, &stale, &deleted, &hole, &ahead, &fine); err != nil {
			return err
		}
		compared, later, excused = compared+d.Against, later+ahead, excused+fine
		counts[KindRowMissing] += missing
		counts[KindRowStale] += stale
		counts[KindRowDeleted] += deleted
		counts[KindLakeHole] += hole
		if r.deep || d.Checksum != d.Other || d.Rows != d.Against {
			l.Dates = append(l.Dates, d)
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.count("compared with the lake", compared)
	if later > 0 {
		l.count("newer than the lake", later)
	}
	if excused > 0 {
		l.note(fmt.Sprintf("%d keys are not compared: dead letters, deleted since, or in a part of the lake that is told of apart", excused))
	}
	for _, kind := range []string{KindRowMissing, KindRowStale, KindRowDeleted, KindLakeHole} {
		if counts[kind] == 0 {
			continue
		}
		to := l
		if kind == KindLakeHole {
			to = r.of(LevelLake)
		}
		if err := r.tellPairs(ctx, to, kind, counts[kind]); err != nil {
			return err
		}
	}
	return nil
}

// of is a level of the report that is complete already.
func (r *run) of(name string) *Level {
	for i := range r.report.Levels {
		if r.report.Levels[i].Level == name {
			return &r.report.Levels[i]
		}
	}
	return &Level{Level: name}
}

var pairDetails = map[string]string{
	KindRowMissing: "the lake's newest version has no row in raw.conversations",
	KindRowStale:   "the row is older than the lake's newest version",
	KindRowDeleted: "the row is older than its delete in the lake",
	KindLakeHole:   "the row's own version is not in the lake",
}

func (r *run) tellPairs(ctx context.Context, l *Level, kind string, count int64) error {
	d := Difference{Kind: kind, Detail: pairDetails[kind], Count: count}
	var first, last sql.NullInt64
	var dates sql.NullString
	err := r.tx.QueryRow(ctx, `WITH pairs AS (`+r.pairsSQL()+`) SELECT min(coalesce(lake_ord, row_ord)), max(coalesce(lake_ord, row_ord)),
		CASE WHEN min(date) = max(date) THEN 'date ' || min(date) ELSE 'dates ' || min(date) || ' to ' || max(date) END FROM pairs WHERE class = '`+kind+`'`).
		Scan(&first, &last, &dates)
	if err != nil {
		return fmt.Errorf("bound what differs: %w", err)
	}
	d.Where = dates.String
	if kind == KindLakeHole {
		// The order that the lake misses is the row's.
		first = sql.NullInt64{}
		err := r.each(ctx, "list what the lake misses", `WITH pairs AS (`+r.pairsSQL()+`) SELECT row_ord FROM pairs WHERE class = '`+kind+`' ORDER BY 1`, func(scan func(...any) error) error {
			if err := scan(&last.Int64); err != nil {
				return err
			}
			if !first.Valid {
				first = sql.NullInt64{Int64: last.Int64, Valid: true}
			}
			d.add(ofOrd(last.Int64))
			return nil
		})
		if err != nil {
			return err
		}
	}
	from, to := ofOrd(first.Int64), ofOrd(last.Int64)
	if from.Epoch == to.Epoch {
		d.Epoch, d.FromSeq, d.ToSeq = from.Epoch, from.Seq, to.Seq
	}
	err = r.each(ctx, "name what differs", `WITH pairs AS (`+r.pairsSQL()+`)
		SELECT coalesce(c.source || ' ' || c._id, ''), p.lake_ord, p.row_ord FROM (FROM pairs WHERE class = '`+kind+`' ORDER BY coalesce(lake_ord, row_ord), k LIMIT 10) p
		LEFT JOIN raw.conversations c ON c._key = p.k ORDER BY coalesce(p.lake_ord, p.row_ord)`, func(scan func(...any) error) error {
		var name string
		var lakeOrd, rowOrd sql.NullInt64
		if err := scan(&name, &lakeOrd, &rowOrd); err != nil {
			return err
		}
		text := name
		if lakeOrd.Valid {
			o := ofOrd(lakeOrd.Int64)
			text += fmt.Sprintf(" lake %d-%d", o.Epoch, o.Seq)
		}
		if rowOrd.Valid {
			o := ofOrd(rowOrd.Int64)
			text += fmt.Sprintf(" row %d-%d", o.Epoch, o.Seq)
		}
		d.Examples = append(d.Examples, text)
		return nil
	})
	if err != nil {
		return err
	}
	if kind == KindLakeHole {
		d.Repair = r.fix.lake()
		d.Otherwise = r.fix.lakeElse()
	} else {
		fromSeq := d.FromSeq
		if d.Epoch != r.bronzeAt.epoch {
			fromSeq = 0 // replay counts in the stream's present life
		}
		d.Repair = r.fix.rows(kind, fromSeq, d.ToSeq)
	}
	l.differ(d)
	return nil
}
