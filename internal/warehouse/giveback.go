package warehouse

import (
	"context"
	"errors"
	"fmt"
)

// GiveBack opens the file anew, so that what DuckDB held of it in memory is free; what is needed again is read again. After a
// process has written much, it also reads faster then: in row groups that were found in the file, and in no others, DuckDB asks
// a column's dictionary whether a condition holds. While somebody uses the file nothing is given back, and done is false.
func (d *DB) GiveBack(ctx context.Context) (done bool, err error) {
	if !d.mu.TryLock() {
		return false, nil
	}
	d.mu.Unlock()
	if !d.cfg.ReadOnly {
		// Readers go on meanwhile; in what follows they wait.
		if err := d.Checkpoint(ctx); err != nil && !errors.Is(err, ErrClosed) {
			return false, err
		}
	}
	if !d.mu.TryLock() {
		return false, nil
	}
	defer d.mu.Unlock()
	if d.inst == nil {
		return true, nil
	}
	closed, err := d.replace(nil)
	if err := errors.Join(closed, err); err != nil {
		return false, fmt.Errorf("give back: %w", explain(err, d.cfg.Path))
	}
	return true, nil
}
