package sink

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"claude-analytics/internal/document"
	"claude-analytics/sink/bronze"
	"claude-analytics/sink/lake"
	"claude-analytics/sink/record"
)

// readLake reads the part from the lake, as far as the stream does not hold it.
func (r *replay) readLake(ctx context.Context, out chan<- shipment) error {
	bySeq := r.part.FromSeq != 0 || r.part.ToSeq != 0
	return r.scanLake(ctx, out, lake.ScanOptions{
		Only: func(e lake.Entry) bool {
			if e.Epoch != r.extent.epoch {
				return !bySeq
			}
			return e.First < r.extent.first && e.Last >= r.part.FromSeq && (r.part.ToSeq == 0 || e.First <= r.part.ToSeq)
		},
		Select: &lake.Selection{Columns: record.FilterColumns(), Skip: r.skipFile},
	}, r.pick)
}

// skipFile passes over files of other days. Those that other rules made may hold anything.
func (r *replay) skipFile(name string, rules int) bool {
	if rules != document.RulesVersion {
		return false
	}
	date, err := time.Parse(time.DateOnly, strings.TrimPrefix(path.Base(filepath.ToSlash(filepath.Dir(name))), "date="))
	if err != nil {
		return false
	}
	return !r.part.To.IsZero() && !date.Before(r.part.To) || !r.part.From.IsZero() && !date.Add(24*time.Hour).After(r.part.From)
}

// pick marks the rows of the part by the columns that other rules may have filled otherwise; whether they are of it is
// seen again once they are converted.
func (r *replay) pick(rows *record.LakeFilter, rules, i int) bool {
	order := bronze.Order{}
	order.Epoch, order.Seq = rows.Order(i)
	if order.Epoch == r.extent.epoch && order.Seq >= r.extent.first || !r.part.holdsOrder(order, r.extent.epoch) {
		return false
	}
	if !r.part.ofRows() || rules != document.RulesVersion {
		return true
	}
	session, project, micros := rows.Place(i)
	return (r.part.Session == "" || session == r.part.Session) && (r.part.Project == "" || project == r.part.Project) &&
		r.part.holdsMoment(micros)
}

// readLakeAbove reads whatever is newer of the rows that came back.
func (r *replay) readLakeAbove(ctx context.Context, out chan<- shipment) error {
	oldest := r.restored[0].Order
	for _, v := range r.restored {
		if v.Order.Less(oldest) {
			oldest = v.Order
		}
	}
	return r.scanLake(ctx, out, lake.ScanOptions{
		Only:   func(e lake.Entry) bool { return oldest.Less(bronze.Order{Epoch: e.Epoch, Seq: e.Last}) },
		Select: &lake.Selection{Columns: record.FilterColumns()},
	}, func(rows *record.LakeFilter, _, i int) bool {
		order := bronze.Order{}
		order.Epoch, order.Seq = rows.Order(i)
		source, id, space, drops := rows.Key(i)
		if drops {
			_, ours := r.namespaces[namespace{source, space}]
			return ours
		}
		return oldest.Less(order) && r.newerOf(source, id, order)
	})
}

// replayLook is how many rows of the lake are looked at before that is told, whether or not one of them was wanted.
const replayLook = 100_000

func (r *replay) scanLake(ctx context.Context, out chan<- shipment, opts lake.ScanOptions, wanted func(rows *record.LakeFilter, rules, i int) bool) error {
	var (
		now    []lakeRow
		bytes  int64
		looked int
	)
	ship := func() error {
		rows := now
		s := shipment{n: len(rows), looked: looked, fromLake: true, fill: func(i int, it *item) { rows[i].fill(it) }}
		now, bytes, looked = nil, 0, 0
		return send(ctx, out, s)
	}
	opts.KeepGoing, opts.Columns, opts.Optional = true, record.ChangeColumns(), record.OptionalColumns()
	opts.Select.Pick = func(rows arrow.RecordBatch, rules int, marks []bool) error {
		filter, err := record.OpenFilter(rows)
		if err != nil {
			return fmt.Errorf("%w: %w", lake.ErrUnreadable, err)
		}
		looked += len(marks)
		for i := range marks {
			marks[i] = wanted(filter, rules, i)
		}
		if looked >= replayLook {
			return ship()
		}
		return nil
	}
	faults, err := r.lake.Scan(ctx, opts, func(chunk lake.Chunk) error {
		rows, err := record.OpenLake(chunk.Rows)
		if err != nil {
			return fmt.Errorf("%w: %w", lake.ErrUnreadable, err)
		}
		for i := range rows.Rows() {
			var row lakeRow
			row.epoch, row.seq = rows.Order(i)
			row.change, row.err = rows.Change(i)
			now, bytes = append(now, row), bytes+int64(len(row.change.GetDocument()))
			if len(now) >= r.batchRows() || bytes >= r.batchBytes() {
				if err := ship(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := ship(); err != nil {
		return err
	}
	return joinFaults(faults)
}

func joinFaults(faults []lake.Fault) error {
	all := make([]error, len(faults))
	for i, f := range faults {
		all[i] = f
	}
	return errors.Join(all...)
}
