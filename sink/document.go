package sink

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	protobuf "google.golang.org/protobuf/proto"

	"claude-analytics/internal/stream"
	"claude-analytics/proto"
	"claude-analytics/sink/lake"
	"claude-analytics/sink/record"
)

// ErrNoChange is returned for an order under which nothing is kept (any more).
var ErrNoChange = errors.New("neither stream nor lake holds the document")

// ChangeAt reads the change that an order names, whole: from the stream while it holds it, else from the lake.
func (s *Sink) ChangeAt(ctx context.Context, epoch, seq uint64) (*proto.Change, error) {
	if epoch == s.Status().Epoch {
		message, err := s.conn.MessageAt(ctx, seq)
		switch {
		case errors.Is(err, stream.ErrNoMessage):
		case err != nil:
			return nil, err
		default:
			change := &proto.Change{}
			if err := protobuf.Unmarshal(message.Data, change); err != nil {
				return nil, fmt.Errorf("decode message %d: %w", seq, err)
			}
			return change, nil
		}
	}
	return s.landedChange(ctx, epoch, seq)
}

// errFound ends a reading of the lake.
var errFound = errors.New("found")

// landedChange looks into the one or few files that may hold the order, at its narrow columns first.
func (s *Sink) landedChange(ctx context.Context, epoch, seq uint64) (change *proto.Change, err error) {
	_, err = s.lake.Scan(ctx, lake.ScanOptions{
		Columns: record.ChangeColumns(), Optional: record.OptionalColumns(),
		Only: func(e lake.Entry) bool { return e.Epoch == epoch && e.First <= seq && seq <= e.Last },
		Select: &lake.Selection{Columns: record.FilterColumns(), Pick: func(rows arrow.RecordBatch, _ int, marks []bool) error {
			filter, err := record.OpenFilter(rows)
			if err != nil {
				return fmt.Errorf("%w: %w", lake.ErrUnreadable, err)
			}
			for i := range marks {
				e, q := filter.Order(i)
				marks[i] = e == epoch && q == seq
			}
			return nil
		}},
	}, func(chunk lake.Chunk) error {
		rows, err := record.OpenLake(chunk.Rows)
		if err != nil {
			return fmt.Errorf("%w: %w", lake.ErrUnreadable, err)
		}
		if rows.Rows() == 0 {
			return nil
		}
		if change, err = rows.Change(0); err != nil {
			return err
		}
		return errFound
	})
	switch {
	case errors.Is(err, errFound):
		return change, nil
	case err != nil:
		return nil, fmt.Errorf("read the lake: %w", err)
	}
	return nil, fmt.Errorf("%w of message %d in epoch %d", ErrNoChange, seq, epoch)
}
