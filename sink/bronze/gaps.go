package bronze

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"claude-analytics/internal/warehouse"
	"claude-analytics/proto"
)

// SourceGap is a part of a source's history that could not be read: a message of the stream.
type SourceGap struct {
	Source    string `json:"source"`
	Namespace string `json:"namespace,omitempty"`
	proto.Gap
	// Epoch and Seq are the message's order, Found when the source published it.
	Epoch uint64    `json:"epoch"`
	Seq   uint64    `json:"seq"`
	Found time.Time `json:"found"`
}

// Same reports whether both come of one message, which may have been applied in several epochs.
func (g SourceGap) Same(other SourceGap) bool {
	return g.Seq == other.Seq && (g.Epoch == other.Epoch ||
		g.Source == other.Source && g.Namespace == other.Namespace && g.Found.UnixMicro() == other.Found.UnixMicro())
}

// Compare orders by epoch and sequence.
func (g SourceGap) Compare(other SourceGap) int {
	return cmp.Or(cmp.Compare(g.Epoch, other.Epoch), cmp.Compare(g.Seq, other.Seq))
}

// sameMessage is SourceGap.Same in SQL. Gaps of the stream have no _seq.
const sameMessage = `a._seq = b._seq AND (a._epoch = b._epoch OR a.source = b.source AND a.namespace = b.namespace AND a.found_at = b.found_at)`

// noteGaps writes the batch's gaps, each message once.
func (a *application) noteGaps(ctx context.Context, tx *warehouse.Tx) error {
	if len(a.plan.batch.Gaps) == 0 {
		return nil
	}
	// Oldest first, and of one message the first: so it is however the messages are cut into batches.
	var gaps []SourceGap
	for _, g := range slices.SortedStableFunc(slices.Values(a.plan.batch.Gaps), SourceGap.Compare) {
		if !slices.ContainsFunc(gaps, g.Same) {
			gaps = append(gaps, g)
		}
	}
	if err := stage(tx, "bronze_gaps", gapRecord(gaps)); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `INSERT INTO meta.gaps BY NAME
		SELECT 'source' AS kind, b.* REPLACE (nullif(action, '') AS action, nullif(code, 0) AS code, nullif(detail, '') AS detail) FROM bronze_gaps b
		WHERE NOT EXISTS (FROM meta.gaps a WHERE `+sameMessage+`)`)
	a.noted += n
	return err
}

func gapRecord(gaps []SourceGap) arrow.RecordBatch {
	text, whole, at := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64, arrow.FixedWidthTypes.Timestamp_us
	fields := []arrow.Field{
		{Name: "source", Type: text},
		{Name: "namespace", Type: text},
		{Name: "reason", Type: text},
		{Name: "action", Type: text},
		{Name: "detail", Type: text},
		{Name: "code", Type: arrow.PrimitiveTypes.Int32},
		{Name: "_epoch", Type: whole},
		{Name: "_seq", Type: whole},
		{Name: "found_at", Type: at},
		{Name: "from_at", Type: at, Nullable: true},
		{Name: "to_at", Type: at, Nullable: true},
	}
	return build(len(gaps), fields, func(i int, builders []array.Builder) {
		g := &gaps[i]
		for k, value := range []string{g.Source, g.Namespace, g.Reason, g.Action, g.Detail} {
			builders[k].(*array.StringBuilder).Append(value)
		}
		builders[5].(*array.Int32Builder).Append(g.Code)
		builders[6].(*array.Int64Builder).Append(int64(g.Epoch))
		builders[7].(*array.Int64Builder).Append(int64(g.Seq))
		builders[8].(*array.TimestampBuilder).Append(arrow.Timestamp(g.Found.UnixMicro()))
		for k, value := range []time.Time{g.From, g.To} {
			if value.IsZero() {
				builders[9+k].AppendNull()
			} else {
				builders[9+k].(*array.TimestampBuilder).Append(arrow.Timestamp(value.UnixMicro()))
			}
		}
	})
}

// StreamGap is a part of the stream that a destination never got.
type StreamGap struct {
	Destination string
	Epoch       uint64
	From, To    uint64
	Reason      string
	Found       time.Time
}

// RecordGaps writes what is missing of the stream, each gap once.
func (b *Bronze) RecordGaps(ctx context.Context, gaps []StreamGap) error {
	if len(gaps) == 0 {
		return nil
	}
	return b.db.Write(ctx, "record gaps", func(ctx context.Context, tx *warehouse.Tx) error {
		for _, g := range gaps {
			_, err := tx.Exec(ctx, `INSERT INTO meta.gaps BY NAME
				SELECT 'stream' AS kind, $1 AS destination, $2 AS _epoch, $3 AS from_seq, $4 AS to_seq, $5 AS reason, $6 AS found_at
				WHERE NOT EXISTS (FROM meta.gaps WHERE kind = 'stream' AND destination = $1 AND _epoch = $2 AND from_seq = $3 AND to_seq = $4)`,
				g.Destination, int64(g.Epoch), int64(g.From), int64(g.To), g.Reason, g.Found.UTC())
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// SourceGaps reads the newest gaps of sources, at most so many, newest last.
func (b *Bronze) SourceGaps(ctx context.Context, most int) (gaps []SourceGap, err error) {
	err = b.db.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		gaps = nil
		return each(ctx, tx, `SELECT source, namespace, reason, coalesce(action, ''), coalesce(code, 0), coalesce(detail, ''), from_at, to_at, _epoch, _seq, found_at
			FROM meta.gaps WHERE kind = 'source' ORDER BY _epoch DESC, _seq DESC LIMIT $1`, func(scan func(...any) error) error {
			var g SourceGap
			var from, to sql.NullTime
			if err := scan(&g.Source, &g.Namespace, &g.Reason, &g.Action, &g.Code, &g.Detail, &from, &to, &g.Epoch, &g.Seq, &g.Found); err != nil {
				return err
			}
			g.From, g.To = from.Time, to.Time
			gaps = append(gaps, g)
			return nil
		}, most)
	})
	if err != nil {
		return nil, fmt.Errorf("read gaps: %w", err)
	}
	slices.Reverse(gaps)
	return gaps, nil
}
