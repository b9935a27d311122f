package warehouse

import (
	"context"
	"errors"
	"fmt"
)

// leastCached is what DuckDB may keep of the file in memory when it is asked to give back.
const leastCached = "64MiB"

// GiveBack lets DuckDB forget what it holds of the file in memory; what is needed again is read again. While somebody uses
// the file nothing is given back, and done is false: a statement that asked for memory in that moment would be refused it.
func (d *DB) GiveBack(ctx context.Context) (done bool, err error) {
	if !d.mu.TryLock() {
		return false, nil
	}
	defer d.mu.Unlock()
	if d.inst == nil {
		return true, nil
	}
	db := d.inst.writers
	var usual string
	if err := db.QueryRowContext(ctx, "SELECT current_setting('memory_limit')").Scan(&usual); err != nil {
		return false, fmt.Errorf("read the memory limit: %w", err)
	}
	// With a lower limit it frees until that holds, or refuses it.
	_, refused := db.ExecContext(ctx, "SET memory_limit = '"+leastCached+"'")
	if _, err := db.ExecContext(context.WithoutCancel(ctx), "SET memory_limit = "+Literal(usual)); err != nil {
		return false, errors.Join(fmt.Errorf("set the memory limit again: %w", err), refused)
	}
	return true, nil
}
