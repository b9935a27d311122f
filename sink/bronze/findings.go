package bronze

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"claude-analytics/internal/warehouse"
)

// Finding is a secret that was replaced in one of the batch's rows. It says what and where it was, never the secret.
type Finding struct {
	Row              int32
	Rule, Path, Hash string
	// Version is that of the rules.
	Version int32
}

// insertFindings writes what was found in the rows that go into the table.
func (a *application) insertFindings(ctx context.Context, tx *warehouse.Tx) error {
	var kept []Finding
	for _, f := range a.plan.batch.Findings {
		if a.plan.keep[f.Row] {
			kept = append(kept, f)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	text, whole, number := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int32
	fields := []arrow.Field{
		{Name: "source", Type: text},
		{Name: "_id", Type: text},
		{Name: "finding_index", Type: number},
		{Name: "rule", Type: text},
		{Name: "path", Type: text},
		{Name: "hash", Type: text},
		{Name: "session_id", Type: text, Nullable: true},
		{Name: "date", Type: arrow.FixedWidthTypes.Date32},
		{Name: "redaction_version", Type: number},
		{Name: "_epoch", Type: whole},
		{Name: "_seq", Type: whole},
		{Name: "_key", Type: arrow.PrimitiveTypes.Uint64},
	}
	c, before := &a.plan.columns, int32(-1)
	index := int32(0)
	return appendTo(ctx, tx, "raw.secret_findings", build(len(kept), fields, func(i int, builders []array.Builder) {
		f, row := &kept[i], int(kept[i].Row)
		if f.Row != before {
			before, index = f.Row, 0
		}
		builders[0].(*array.StringBuilder).Append(c.source.Value(row))
		builders[1].(*array.StringBuilder).Append(c.id.Value(row))
		builders[2].(*array.Int32Builder).Append(index)
		builders[3].(*array.StringBuilder).Append(f.Rule)
		builders[4].(*array.StringBuilder).Append(f.Path)
		builders[5].(*array.StringBuilder).Append(f.Hash)
		if c.session.IsNull(row) {
			builders[6].AppendNull()
		} else {
			builders[6].(*array.StringBuilder).Append(c.session.Value(row))
		}
		builders[7].(*array.Date32Builder).Append(c.date.Value(row))
		builders[8].(*array.Int32Builder).Append(f.Version)
		builders[9].(*array.Int64Builder).Append(c.epoch.Value(row))
		builders[10].(*array.Int64Builder).Append(c.seq.Value(row))
		builders[11].(*array.Uint64Builder).Append(a.plan.hashes[row])
		index++
	}))
}

// checkFindings sees to what insertFindings relies on: a row's findings come together.
func (c *columns) checkFindings(findings []Finding) error {
	last := int32(0)
	for i, f := range findings {
		if f.Row < last || int(f.Row) >= c.n {
			return fmt.Errorf("%w: finding %d belongs to row %d of %d, behind one of row %d", ErrBatch, i, f.Row, c.n, last)
		}
		last = f.Row
	}
	return nil
}
