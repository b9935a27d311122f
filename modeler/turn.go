package modeler

import (
	"context"
	"errors"

	"claude-analytics/internal/warehouse"
)

// inTurn runs fn when nothing else writes or compares models; the others wait for it.
func (m *Modeler) inTurn(ctx context.Context, fn func() error) error {
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return fn()
}

// untilDone runs fn again when it was called back, because the warehouse's file was replaced while models were computed.
func untilDone(ctx context.Context, fn func() error) error {
	for {
		err := fn()
		if !errors.Is(err, warehouse.ErrCalledBack) || ctx.Err() != nil {
			return err
		}
	}
}
